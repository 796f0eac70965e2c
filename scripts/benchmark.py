"""What is LLM-judged self-training worth? Every method from the same student, judge and steps.

    python scripts/benchmark.py --data DIR --work DIR

DIR of --data holds `mit_restaurant/`, `conll03/` and `snips/`. Each row (data set, shots, LLM, method, LLM calls, seed) is kept in
docs/benchmark.json as soon as it is measured; a run that was stopped resumes where it was, and
models that several rows share are kept in --work. docs/benchmark.md is written from the rows.
`--quick` measures two rows with one seed; `--only` takes parts of names ("10/ours/300"); `--merge` adds rows
that were measured elsewhere. Some rivals need packages that the project does not: `pip install cleanlab skweak
span_marker datasets`, without which all other rows are measured.

No row chooses a model, a cut or a step on dev: 200 dev sentences with recorded replies are the
evidence of calibration, fusion and selection, and rows that use them say so.
"""

import time
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy
import typer
from benchmark_cell import SEED_TRAINING, TRAINING, Cell
from benchmark_data import FRONTIER, ROOT
from benchmark_methods import (
    FLOOR,
    HARD,
    MASKED,
    Made,
    Q,
    bond,
    collaborative,
    conformal,
    llm_labels,
    llm_labels_equal,
    llm_labels_long,
    ours,
    ours_gold,
    pool_gold,
    seed_student,
    selected,
    self_training,
)
from benchmark_parts import PARTS
from benchmark_report import counts_path, pack_counts, with_counts, write_report
from benchmark_rivals import RIVALS
from benchmark_taggers import load_tagger
from spacy.language import Language
from spacy.vocab import Vocab

from spacy_llmjudge.evaluation.scores import (
    count_matches,
    evaluate_model,
    labels_of,
    silver_quality,
)
from spacy_llmjudge.evaluation.significance import compare, micro_f1
from spacy_llmjudge.storage import read_docs, read_json, write_json
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.training.student import load_student

CALLS = (300, 750, 1500)
CURVE_CALLS = (300,)
# with the calls about dev the last one is all that there is: 1,500
EQUAL_CALLS = (100, 300, 750, 1300)
WEAK = "qwen2.5-coder-0.5b"

# method: how it is made, the numbers of LLM calls, and whether it uses the evidence
METHODS: Dict[str, Tuple[Callable[[Cell, int], Made], Tuple[int, ...], bool]] = {
    "seed": (seed_student, (0,), False),
    "self_training": (self_training, (0,), True),
    "bond": (bond, (0,), True),
    "collaborative": (collaborative, (1500,), True),
    "llm_labels": (llm_labels, CALLS, False),
    "llm_labels_long": (llm_labels_long, (300, 1500), False),
    "llm_labels_equal": (llm_labels_equal, EQUAL_CALLS, True),
    "ours": (ours, CALLS, True),
    "ours_gold": (ours_gold, EQUAL_CALLS, True),
    "ours_likelihood": (partial(ours_gold, likelihood="label"), (300,), True),
}
# F1 against q, and the same with doubtful tokens missing: on one seed
CURVE = {
    **{f"ours_q{q:g}": (q, HARD) for q in (0.05, 0.1, 0.2, 0.3)},
    **{f"ours_masked_q{q:g}": (q, MASKED) for q in (0.05, Q)},
}
METHODS.update(
    {
        name: (partial(selected, name, conformal(*dial)), CURVE_CALLS, True)
        for name, dial in CURVE.items()
    }
)
PUBLISHED = tuple(name for name in RIVALS if name.startswith("published"))
METHODS.update({name: (make, (300,), True) for name, make in {**RIVALS, **PARTS}.items()})
for name in PUBLISHED:
    METHODS[name] = (RIVALS[name], (300, EQUAL_CALLS[-1]), True)
for name in ("hf_classifier", "span_marker"):
    METHODS[name] = (RIVALS[name], (300,), False)
METHODS["pool_gold"] = (pool_gold, (1500, 0), False)
# methods that are measured on the first seeds only, and how many
FEWER_SEEDS = {
    **dict.fromkeys((*CURVE, *PUBLISHED), 1),
    **dict.fromkeys([name for name in (*RIVALS, *PARTS) if name not in PUBLISHED], 3),
}
FEW = ("seed", "llm_labels", "ours", "pool_gold")
EQUAL = ("seed", "llm_labels", "llm_labels_equal", "ours_gold", "pool_gold")
ALL = tuple(name for name in METHODS if name != "ours_likelihood")
SEEDS = (0, 1, 2, 3, 4)
Seeds, Names, Calls = Tuple[int, ...], Tuple[str, ...], Tuple[int, ...]
# (data set, shots, LLM): its seeds, its methods, and its numbers of calls
CELLS: Dict[Tuple[str, Optional[int], str], Tuple[Seeds, Names, Calls]] = {
    ("mit_restaurant", 10, FRONTIER): (SEEDS, ALL, (0, *CALLS, *EQUAL_CALLS)),
    ("mit_restaurant", 5, FRONTIER): ((0,), FEW, (0, 1500)),
    ("mit_restaurant", 20, FRONTIER): ((0,), FEW, (0, 1500)),
    ("garden", None, FRONTIER): ((0,), FEW, (0, 1500)),
    ("mit_restaurant", 10, WEAK): (SEEDS, (*EQUAL[:-1], "ours_likelihood"), (0, 300)),
    ("conll03", 5, FRONTIER): (SEEDS, EQUAL, (0, 300)),
    ("snips", 5, FRONTIER): (SEEDS, EQUAL, (0, 300)),
}
QUICK = ("mit_restaurant/10/seed/0/0", "mit_restaurant/10/llm_labels/300/0")


def list_rows() -> List[Tuple[str, Tuple[Any, ...]]]:
    """RETURNS (List[Tuple[str, Tuple]]): The name of each row, and what it is made from."""
    rows = []
    for (dataset, shots, llm), (seeds, methods, wanted) in CELLS.items():
        where = f"{dataset}/{shots or 'all'}" + ("" if llm == FRONTIER else f"/{llm}")
        for seed in seeds:
            for method in methods:
                if seed not in seeds[: FEWER_SEEDS.get(method, len(seeds))]:
                    continue
                for n in METHODS[method][1]:
                    if n in wanted:
                        name = f"{where}/{method}/{n}/{seed}"
                        rows.append((name, (dataset, shots, llm, method, n, seed)))
    return rows


def measure(cell: Cell, method: str, calls: int) -> Dict[str, Any]:
    make, _, uses_evidence = METHODS[method]
    start = time.process_time()
    model, silver = make(cell, calls)
    minutes = (time.process_time() - start) / 60
    nlp = load_predictor(model)
    gold = list(read_docs(cell.corpus / "test.spacy", nlp.vocab))
    start = time.process_time()
    predicted = evaluate_model(nlp, gold)
    seconds = time.process_time() - start
    labels = labels_of(gold, predicted, target=Ents())
    counts = count_matches(gold, predicted, labels).sum(axis=1)
    path = counts_path(cell.folder, method, calls)
    path.parent.mkdir(parents=True, exist_ok=True)
    numpy.save(path, counts)
    tp, fp, fn = counts.sum(axis=0).tolist()
    row: Dict[str, Any] = {
        "dataset": cell.dataset,
        "shots": cell.shots,
        "llm": cell.llm,
        "method": method,
        "llm_calls": calls,
        "seed": cell.seed,
        "f": float(micro_f1(counts.sum(axis=0))),
        "precision": tp / max(tp + fp, 1),
        "recall": tp / max(tp + fn, 1),
        "minutes": round(minutes, 2),
        "docs_per_second": round(len(gold) / seconds, 1),
        "megabytes": round(sum(p.stat().st_size for p in model.rglob("*") if p.is_file()) / 1e6, 1),
        "uses_evidence": uses_evidence,
        "gold": count_gold(cell, uses_evidence),
        "settings": settings_of(method),
        "counts": pack_counts(counts),
    }
    if silver is not None:
        row["silver"] = measure_silver(cell, silver)
        if method == "pool_gold":
            row["gold"] += row["silver"]["documents"]
    rival = counts_path(cell.folder, "llm_labels", calls)
    if method.startswith("ours") and rival.exists():
        row["minus_llm_labels"] = compare(counts, numpy.load(rival))
    return row


def count_gold(cell: Cell, uses_evidence: bool) -> int:
    """RETURNS (int): Sentences of which a method knows the gold."""
    path = cell.all_gold if uses_evidence else cell.corpus / "labelled.spacy"
    return sum(1 for _ in read_docs(path, Vocab()))


def settings_of(method: str) -> Dict[str, Any]:
    settings = dict(SEED_TRAINING if method == "seed" else TRAINING)
    if method.startswith(("ours", "without")):
        settings.update(q=Q, floor=FLOOR, goes_on=True)
    if method in CURVE:
        settings["q"], _ = CURVE[method]
    return settings


def load_predictor(model: Path) -> Language:
    """RETURNS (Language): A student, or a rival that is no spaCy pipeline as the component of one."""
    return load_student(str(model)) if (model / "meta.json").exists() else load_tagger(model)


def measure_silver(cell: Cell, silver: Path) -> Dict[str, Any]:
    """Silver against the pool's hidden gold; recall in the documents that are in the silver."""
    vocab = Vocab()
    docs = list(read_docs(silver, vocab))
    texts = {doc.text for doc in docs}
    gold = [d for d in read_docs(cell.corpus / "pool_gold.spacy", vocab) if d.text in texts]
    quality = silver_quality(docs, gold)
    kept = {
        key: quality[key] for key in ("documents", "spans", "precision", "recall", "wrong_share")
    }
    kept["wrong_share_by_label"] = {
        label: row["wrong_share"] for label, row in quality["per_type"].items()
    }
    return kept


def add_runs(path: Path, runs: Dict[str, Any], work: Path) -> None:
    """Add measured rows to those that are in the file by now, and write the report."""
    report = read_json(path) if path.exists() else {"runs": {}}
    added = {name: with_counts(run, work) for name, run in runs.items()}
    write_json(path, {**report, "runs": {**report["runs"], **added}})
    write_report(path, list_rows())


def main(
    # fmt: off
    data: Path = typer.Option(..., help="Folder with mit_restaurant/, conll03/ and snips/"),
    work: Path = typer.Option(Path(".benchmark"), help="Folder for corpora and models"),
    json: Path = typer.Option(ROOT / "docs" / "benchmark.json", help="File for the rows"),
    only: str = typer.Option("", help="Parts of row names, separated by commas"),
    quick: bool = typer.Option(False, "--quick", help="Two rows, one seed"),
    plan: bool = typer.Option(
        False, "--plan", help="Print the rows that are not measured yet, and stop"
    ),
    merge: str = typer.Option(
        "", help="Files with rows, separated by commas: add these, write the report, and stop"
    ),
    steps: Optional[int] = typer.Option(
        None, help="Train so few steps, to see whether a row can be measured"
    ),
    # fmt: on
) -> None:
    if merge:
        for other in merge.split(","):
            add_runs(json, read_json(Path(other))["runs"], work)
        return
    if steps is not None:
        for settings in (SEED_TRAINING, TRAINING):
            settings["training.max_steps"] = steps
    wanted = [part for part in only.split(",") if part]
    for name, (dataset, shots, llm, method, calls, seed) in list_rows():
        if quick and name not in QUICK or wanted and not any(part in name for part in wanted):
            continue
        known = read_json(json)["runs"] if json.exists() else {}
        if name in known and known[name]["settings"] == settings_of(method):
            continue
        if plan:
            print(name)
            continue
        row = measure(Cell(dataset, shots, llm, seed, work, data), method, calls)
        add_runs(json, {name: row}, work)
        print(f"{name}: F1 {100 * row['f']:.1f}", flush=True)


if __name__ == "__main__":
    typer.run(main)
