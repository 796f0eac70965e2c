"""The page and the plot of `bench_scale.py`, made of its figures alone."""

import json
from pathlib import Path
from typing import Any, Dict, List, Optional

INTRO = """# Large pools

CPU seconds and peak memory of each step, by the number of documents in the pool: short sentences that are all
different, with {candidates} candidates each. Each step is a process of its own, and its start is included (Python, spaCy,
torch). "Again" means that nothing has changed. Below stand `spacy apply` and a plain loop over
`nlp.pipe` with the same student, with and without the component that adds candidates and confidence.

Measured by `python scripts/bench_scale.py --sizes {sizes} --json docs/scale.json` ({machine}). Other jobs may have used the
same cores, which makes CPU seconds larger.
"""
MEMORY = """What is in memory:

- A pool of at most 10,000 documents is one file, and so are the silver and the decided pool. More become a folder of
  that name (`corpus/pool.spacy/`) with shards and a manifest, which spaCy's own corpus reader takes as well. A file
  of your own may be larger; it is then in memory as a whole, but not its documents.
- `annotate` and `judge` hold one shard. A shard that is done is neither read nor made again; its hash is checked.
- `prepare` holds 17 bytes a document, to know which texts it has seen.
- `filter` holds its candidates as columns, 83 bytes a candidate and some copies of them, and the rank of each document.
  Silver documents wait on the disk to be sorted.
- The reader of training holds at most 10,000 silver documents of a kind; of more, a random one of those that it holds is next.
- `evaluate` and the loop compare silver by hashes: 8 bytes a document and 24 a span. `report` holds 25 bytes a candidate of which the
  gold is known, and a hash of each text; silver and gold wait on the disk for the decided pool.
"""
STEPS = ("prepare", "annotate", "judge", "filter")


def write_report(path: Path, found: Dict[str, Any]) -> None:
    """Write the figures as JSON, and beside it a page and, of two sizes or more, a plot.

    path (Path): Of the JSON.
    found (Dict[str, Any]): What was measured.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf8")
    whole = [one for one in found["sizes"] if set(STEPS) <= set(one["steps"])]
    page = make_page(found)
    if len(whole) > 1:
        draw(path.parent / "images" / f"{path.stem}.png", whole)
        page += f"\n![CPU seconds and memory by the size of the pool](images/{path.stem}.png)\n"
    path.with_suffix(".md").write_text(page, encoding="utf8")


def make_page(found: Dict[str, Any]) -> str:
    """RETURNS (str): The figures as a page of Markdown."""
    sizes = found["sizes"]
    counts = {f"{one['candidates']:g}" for one in sizes if one["candidates"]}
    candidates = " to ".join(sorted(counts, key=float))
    named = " ".join(str(one["documents"]) for one in sizes)
    rows = [INTRO.format(machine=found["machine"], candidates=candidates, sizes=named)]
    rows += ["| step | " + " | ".join(f"{one['documents']:,}" for one in sizes) + " |"]
    rows.append("|---|" + "---:|" * len(sizes))
    for name in dict.fromkeys(name for one in sizes for name in one["steps"]):
        costs = [one["steps"].get(name) for one in sizes]
        cells = ["" if c is None else f"{c['cpu_s']:.1f} s, {c['peak_mb']:,.0f} MB" for c in costs]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    said = found.get("documents")
    if said:
        rows += [
            "",
            f"Reading a document with {said['candidates']:g} candidates takes {said['read']:.2f} ms, writing one"
            f" {said['write']:.2f} ms.",
        ]
    for smaller, larger in zip(sizes, sizes[1:]):
        rows += ["", *_compare(smaller, larger)]
    return "\n".join([*rows, "", MEMORY])


def _compare(smaller: Dict[str, Any], larger: Dict[str, Any]) -> List[str]:
    """What a document more costs, without the start of the process."""
    few, many = smaller["documents"], larger["documents"]

    def slope(name: str) -> Optional[float]:
        costs = [one["steps"].get(name) for one in (smaller, larger)]
        if None in costs:
            return None
        return float(1000 * (costs[1]["cpu_s"] - costs[0]["cpu_s"]) / (many - few))

    slopes = {name: slope(name) for name in (*larger["steps"], "nlp.pipe with confidence")}
    known = {name: ms for name, ms in slopes.items() if ms is not None}
    rows = [
        f"A document more, from {few:,} to {many:,}, in ms: "
        + ", ".join(f"{name} {ms:.2f}" for name, ms in known.items())
        + "."
    ]
    floor, own = known.get("nlp.pipe with confidence"), known.get("annotate")
    if floor and own:
        rows.append(
            f"Over the loop with the same component, `annotate` costs {own / floor - 1:+.0%} a document."
        )
    shares = [
        f"{name} {larger['steps'][name]['peak_mb'] / smaller['steps'][name]['peak_mb']:.2f}"
        for name in STEPS
        if name in smaller["steps"] and name in larger["steps"]
    ]
    return [*rows, f"Peak memory, as a multiple: {', '.join(shares)}."] if shares else rows


def draw(path: Path, sizes: List[Dict[str, Any]]) -> None:
    """Draw CPU seconds and peak memory of the steps by the size of the pool."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    x = [one["documents"] for one in sizes]
    for axes, field, title in (
        (left, "cpu_s", "CPU seconds"),
        (right, "peak_mb", "peak memory, MB"),
    ):
        for name in STEPS:
            axes.plot(x, [one["steps"][name][field] for one in sizes], marker="o", label=name)
        axes.set(xscale="log", yscale="log", xlabel="documents", title=title)
    left.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
