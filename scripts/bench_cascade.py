"""What two judges are worth: calls that a cascade saves, whether its promise holds, and what a panel adds.

    python scripts/bench_cascade.py --data DIR --json docs/cascade.json

The strong judge is the frontier LLM whose replies were recorded: for the demo and, where --data has it, for MIT
Restaurant (10 sentences a label). The cheap one is `llmjudge.Embedded.v1`, which learned from the labelled sentences
alone; its replies are recorded first. All documents with a reply are put together, and evidence is drawn from them
again and again. In each draw the step `cuts` finds the cuts from the evidence, and `llmjudge.Cascade.v1` is asked about
the rest. Silver is made by the steps `judge` and `filter` for the first draws. Rows that are measured stay in the
work folder, so that a run that was stopped goes on.
"""

import argparse
import json
import tempfile
from itertools import product
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np
from benchmark import Cell, fetch
from benchmark_data import FRONTIER, ROOT, answered_docs, write_rows
from cascade_report import write_report
from sklearn.metrics import roc_auc_score
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import get_candidates
from spacy_llmjudge.evaluation.scores import silver_quality
from spacy_llmjudge.judge.cascade import make_cascade_model
from spacy_llmjudge.models.recorded import make_recorded_model
from spacy_llmjudge.selection.cascade_cuts import (
    TARGETS,
    Replies,
    Rule,
    Supports,
    describe_cuts,
    find_cuts,
)
from spacy_llmjudge.selection.files import match_gold
from spacy_llmjudge.selection.table import CORRECT, CandidateTable, table_from_docs
from spacy_llmjudge.shards import process_shards
from spacy_llmjudge.steps.annotate import annotate
from spacy_llmjudge.steps.calibrate import calibrate
from spacy_llmjudge.steps.cuts import cuts, read_supports
from spacy_llmjudge.steps.filter import filter_candidates
from spacy_llmjudge.steps.judge import judge
from spacy_llmjudge.steps.judge_config import load_judges, read_judge_config
from spacy_llmjudge.storage import read_docs, read_json_if_there, write_docs, write_json

JUDGES = ROOT / "configs" / "judges"
SETS = {"garden": None, "mit_restaurant": 10}
DELTA = 0.1
RECORDED = '@llm_models = "llmjudge.Recorded.v1"\npath = '
MODELS = {
    "strong": RECORDED + '"{strong}"\n',
    "cheap": RECORDED + '"{cheap}"\n',
    "panel": '@llm_models = "llmjudge.Panel.v1"\n\n[components.llm_judge.model.models]\n\n'
    + f'[components.llm_judge.model.models.strong]\n{RECORDED}"{{strong}}"\n\n'
    + f'[components.llm_judge.model.models.cheap]\n{RECORDED}"{{cheap}}"\n',
    "cascade": '@llm_models = "llmjudge.Cascade.v1"\ncuts = "{cuts}"\n\n'
    + f'[components.llm_judge.model.strong]\n{RECORDED}"{{strong}}"\n\n'
    + f'[components.llm_judge.model.cheap]\n{RECORDED}"{{cheap}}"\n',
}


class World(NamedTuple):
    """A data set of which both judges have judged all documents.

    folder (Path): What is kept of it.
    annotated (List[Doc]): The documents as the student left them.
    gold (List[Doc]): The same with gold.
    prompts (List[List[Any]]): What is asked about each.
    replies (Dict[str, Path]): The recorded replies of "strong" and "cheap".
    supports (Supports): What the cheap judge says.
    right (np.ndarray): Whether gold has the candidates of `supports`.
    verdicts (Dict[str, np.ndarray]): Of each judge, (n, 2): what it calls correct in each document, and how much of
        it gold has.
    n_gold (np.ndarray): (n,) spans of gold.
    """

    folder: Path
    annotated: List[Doc]
    gold: List[Doc]
    prompts: List[List[Any]]
    replies: Dict[str, Path]
    supports: Supports
    right: np.ndarray
    verdicts: Dict[str, np.ndarray]
    n_gold: np.ndarray


def make_world(cell: Cell, student: Optional[Path]) -> World:
    """Train the student, annotate what has a recorded reply, and let each judge judge all of it."""
    folder, labelled = cell.shared / "judges", cell.corpus / "labelled.spacy"
    everything = folder / "all" / "pool.spacy"
    if not everything.exists():
        docs = [
            d
            for s in ("pool", "dev")
            for d in answered_docs(cell.corpus / f"{s}.spacy", cell.replies)
        ]
        write_docs(everything, {doc.text: doc for doc in docs}.values())
    model = student or cell.train("seed", None)
    calibration = folder / "calibration.json"
    if not calibration.exists():
        calibrate(str(model), cell.corpus / "dev.spacy", calibration)
    annotate(str(model), calibration, everything, folder / "annotated", labels=labelled)
    vocab = Vocab()
    annotated = list(read_docs(folder / "annotated", vocab))
    known = [d for s in ("pool_gold", "dev") for d in read_docs(cell.corpus / f"{s}.spacy", vocab)]
    gold = match_gold(annotated, known, cell.corpus)
    fetch(cell.work)
    config = read_judge_config(JUDGES / "embedded.cfg", _paths(cell))
    (embedded,) = load_judges(config, JUDGES / "embedded.cfg")[1]
    embedded._task.load()
    prompts = [list(asked) for asked, _ in embedded._task.generate_prompts(annotated)]
    replies = {"strong": cell.replies, "cheap": folder / "cheap.jsonl"}
    if not replies["cheap"].exists():
        said = zip(annotated, embedded.model(prompts))
        rows = ({"text": doc.text, "response": str(reply)} for doc, (reply,) in said)
        write_rows(replies["cheap"], rows)
    supports, right, verdicts = None, np.zeros(0), {}
    for who in ("cheap", "strong"):
        docs = ask(folder / "annotated", folder / who, cell, replies, who)
        table = table_from_docs(docs, gold)
        verdicts[who] = count_verdicts(table)
        if who == "cheap":
            held = table.take(table.judged)
            supports, right = read_supports(docs, held), held.correct
    assert supports is not None
    n_gold = np.array([len(doc.ents) for doc in gold])
    return World(folder, annotated, gold, prompts, replies, supports, right, verdicts, n_gold)


def _paths(cell: Cell) -> Dict[str, str]:
    return {
        "paths.encoder": str(cell.work / "encoder"),
        "paths.labelled": str(cell.corpus / "labelled.spacy"),
    }


def ask(
    source: Path,
    output: Path,
    cell: Cell,
    replies: Dict[str, Path],
    who: str,
    cuts_file: Optional[Path] = None,
) -> List[Doc]:
    """RETURNS (List[Doc]): What the step `judge` makes of annotated documents."""
    text = (JUDGES / "recorded.cfg").read_text("utf8")
    block = MODELS[who].format(cuts=cuts_file, **replies)
    head = text.replace("replies = null\n", "").partition(RECORDED.partition("\n")[0])[0]
    config = output.with_suffix(".cfg")
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(head + block, encoding="utf8")
    judge(source, output, config, overrides={"paths.labelled": str(cell.corpus / "labelled.spacy")})
    return list(read_docs(output, Vocab()))


def count_verdicts(table: CandidateTable) -> np.ndarray:
    said = table.verdict == CORRECT
    n = len(table.texts)
    columns = (said, said & table.correct)
    return np.stack([np.bincount(table.document, weights=c, minlength=n) for c in columns], 1)


def take(rows: Supports, right: np.ndarray, documents: np.ndarray) -> Any:
    """RETURNS (Tuple[Supports, np.ndarray]): Some of the documents, counted from 0, and whether gold has their
    candidates."""
    assert rows.replies is not None
    number = np.full(len(rows.replies.size), -1)
    number[documents] = np.arange(len(documents))
    kept, named = number[rows.document] >= 0, number[rows.replies.document] >= 0
    replies = Replies(
        number[rows.replies.document][named],
        rows.replies.support[named],
        rows.replies.size[documents],
    )
    return Supports(number[rows.document][kept], rows.support[kept], replies), right[kept]


class Counting:
    """The strong judge, who remembers what it was asked about."""

    def __init__(self, path: Path) -> None:
        self._model = make_recorded_model(path)
        self.texts: List[str] = []

    def __call__(self, prompts: Iterable[Iterable[Any]]) -> Iterator[List[Any]]:
        groups = [list(group) for group in prompts]
        self.texts += [group[0].text for group in groups]
        return iter(self._model(groups))


def draw(world: World, n: int, seed: int) -> Any:
    """RETURNS (Tuple[np.ndarray, np.ndarray]): The documents of the evidence, and the rest."""
    order = np.random.default_rng(seed).permutation(len(world.annotated))
    return np.sort(order[:n]), np.sort(order[n:])


def find(world: World, held: np.ndarray, rest: np.ndarray, q: float, target: str) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What the step `cuts` writes."""
    pool, _ = take(world.supports, world.right, rest)
    evidence, right = take(world.supports, world.right, held)
    found = find_cuts(pool, evidence, right, q=q, delta=DELTA, target=target)
    return describe_cuts(found, q, DELTA, target)


def measure(world: World, n: int, q: float, target: str, n_draws: int) -> Dict[str, Any]:
    """What a cascade does whose cuts come from n documents."""
    cheap, strong = make_recorded_model(world.replies["cheap"]), Counting(world.replies["strong"])
    numbers = {doc.text: i for i, doc in enumerate(world.annotated)}
    path = world.folder / f"cuts-{target}-{q}.json"
    shares, sums, broken, passed = [], np.zeros(5), 0, 0
    for seed in range(n_draws):
        held, rest = draw(world, n, seed)
        found = find(world, held, rest, q, target)
        write_json(path, found)
        strong.texts.clear()
        for _ in make_cascade_model(cheap, strong, path)(world.prompts[i] for i in rest):
            pass
        asked = np.array([numbers[text] for text in strong.texts], dtype=int)
        alone = np.setdiff1d(rest, asked)
        said, right = world.verdicts["cheap"][alone].sum(0)
        more = world.verdicts["strong"][asked].sum(0)
        counted, wrong = count_alone(world, found, alone)
        gold = world.n_gold[rest].sum()
        sums += [said + more[0], right + more[1], gold, counted, wrong]
        shares.append(len(asked) / len(rest))
        broken += wrong > q * counted
        passed += found["low"] is not None
    return {
        "evidence": n,
        "q": q,
        "target": target,
        "draws": n_draws,
        "passed": passed / n_draws,
        "asked": float(np.mean(shares)),
        "broken": broken / n_draws,
        "wrong_alone": None if not sums[3] else float(sums[4] / sums[3]),
        **rates(*sums[:3]),
        "by_chance": by_chance(world, float(np.mean(shares))),
    }


def count_alone(world: World, cuts: Dict[str, Any], alone: np.ndarray) -> Tuple[float, float]:
    """RETURNS (Tuple[float, float]): What the statement counts where the cheap judge decided, and what is wrong."""
    if cuts["low"] is None:
        return 0.0, 0.0
    rows, right = take(world.supports, world.right, alone)
    rule = Rule(cuts["low"], cuts["high"], cuts["most"])
    counted, wrong = rule.add_up(rows, right.astype("float64"), cuts["target"])
    return float(counted.sum()), float(wrong.sum())


def rates(said: float, right: float, gold: float) -> Dict[str, float]:
    return {"precision": right / said, "recall": right / gold, "f": 2 * right / (said + gold)}


def by_chance(world: World, share: float) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): Were the strong judge asked about random documents, as many."""
    totals = {who: counts.sum(0) for who, counts in world.verdicts.items()}
    said, right = share * totals["strong"] + (1 - share) * totals["cheap"]
    return rates(said, right, float(world.n_gold.sum()))


def make_silver(
    world: World, cell: Cell, n: int, seed: int, shares: List[float], target: str
) -> List[Dict[str, Any]]:
    """Make silver of one draw by the steps themselves: by the strong judge alone, by cascades, by a panel."""
    folder = world.folder / f"draw-{seed}"
    parts = dict(zip(("dev", "pool"), draw(world, n, seed)))
    gold = folder / "gold.spacy"
    write_docs(gold, [world.gold[i] for i in parts["dev"]])
    for split, numbers in parts.items():
        docs = [world.annotated[i] for i in numbers]
        process_shards(docs, folder / "annotated" / split, list, fingerprint={"draw": seed})
    rows = []
    for who in ("strong", "cheap", "panel", *shares):
        name, path = (
            (who, None) if isinstance(who, str) else ("cascade", folder / f"cuts-{who}.json")
        )
        if path is not None:
            cuts(folder / "cheap", gold, path, q=float(who), delta=DELTA, target=target)
        judged = folder / str(who)
        docs = {
            split: ask(
                folder / "annotated" / split, judged / split, cell, world.replies, name, path
            )
            for split in parts
        }
        rest = parts["pool"]
        row: Dict[str, Any] = {"judge": name, "q": None if path is None else who, "seed": seed}
        row["asked"] = {"cheap": 0.0}.get(name, 1.0)
        if path is not None:
            held = parts["dev"]
            assert_same(
                find(world, held, rest, float(who), target), json.loads(path.read_text("utf8"))
            )
            cheap = make_recorded_model(world.replies["cheap"])
            strong = Counting(world.replies["strong"])
            for _ in make_cascade_model(cheap, strong, path)(world.prompts[i] for i in rest):
                pass
            row["asked"] = len(strong.texts) / len(rest)
            is_asked = np.isin([world.annotated[i].text for i in rest], strong.texts)
            expected = [
                world.verdicts["strong" if a else "cheap"][i] for i, a in zip(rest, is_asked)
            ]
            truth = [world.gold[i] for i in rest]
            if not np.array_equal(count_verdicts(table_from_docs(docs["pool"], truth)), expected):
                raise SystemExit("the step `judge` gave other verdicts than the two judges")
        row.update(select(judged, gold, [world.gold[i] for i in rest]))
        rows.append(row)
    return rows


def assert_same(found: Dict[str, Any], written: Dict[str, Any]) -> None:
    """The figures of all draws are those of the step itself."""
    for key, value in found.items():
        same = (
            value == written[key]
            if not isinstance(value, float)
            else np.isclose(value, written[key])
        )
        if not same:
            raise SystemExit(f"the step `cuts` has {key} = {written[key]}, and here it is {value}")


def select(judged: Path, gold: Path, truth: List[Doc]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What `filter` makes of it, against the gold of the pool."""
    silver, decided = judged / "silver.spacy", judged / "decided.spacy"
    filter_candidates(
        judged / "pool",
        judged / "dev",
        gold,
        ROOT / "configs" / "filter.cfg",
        silver,
        judged / "selection.json",
        decided=decided,
    )
    quality = silver_quality(read_docs(silver, Vocab()), truth)
    by_text = {doc.text: {ent_key(ent) for ent in doc.ents} for doc in truth}
    pairs = [
        (
            c.probability,
            (doc[c.start].idx, doc[c.start : c.end].end_char, c.label) in by_text[doc.text],
        )
        for doc in read_docs(decided, Vocab())
        for c in get_candidates(doc)
        if c.probability is not None
    ]
    scores, right = zip(*pairs)
    kept = {name: quality[name] for name in ("spans", "precision", "recall", "f")}
    return {**kept, "auroc": float(roc_auc_score(right, scores))}


def ent_key(ent: Any) -> Any:
    return ent.start_char, ent.end_char, ent.label_


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, help="folder that holds mit_restaurant/; None: the demo alone"
    )
    parser.add_argument("--work", type=Path, default=ROOT / "bench" / "cascade")
    parser.add_argument("--student", type=Path, help="the demo's seed student; None: it is trained")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--silver", type=int, default=5, help="draws of which silver is made")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.2, 0.3])
    parser.add_argument(
        "--json", type=Path, required=True, help="where to write; a page stands beside"
    )
    parser.add_argument(
        "--targets",
        nargs="+",
        choices=TARGETS,
        default=["precision", "recall"],
        help="as `cuts` has them; silver is made with the first",
    )
    options = parser.parse_args()
    work, data = options.work.resolve(), options.data or Path(tempfile.gettempdir())
    found: Dict[str, Any] = {}
    for name in SETS if options.data is not None else ["garden"]:
        cell = Cell(name, SETS[name], FRONTIER, 0, work, data)
        world = make_world(cell, options.student if name == "garden" else None)
        n = len(world.annotated) // 2
        alone = {
            who: rates(*counts.sum(0), world.n_gold.sum()) for who, counts in world.verdicts.items()
        }
        one = found[name] = {
            "documents": len(world.annotated),
            "alone": alone,
            "rows": [],
            "silver": [],
        }
        for target, q in product(options.targets, options.shares):
            kept = world.folder / f"row-{n}-{target}-{q}-{options.draws}.json"
            row = read_json_if_there(kept) or measure(world, n, q, target, options.draws)
            write_json(kept, row)
            one["rows"].append(row)
            print(name, row, flush=True)
            write_report(options.json, found)
        for seed in range(options.silver):
            kept = world.folder / f"silver-{n}-{options.targets[0]}-{seed}-{options.shares}.json"
            rows = read_json_if_there(kept) or make_silver(
                world, cell, n, seed, options.shares, options.targets[0]
            )
            write_json(kept, rows)
            one["silver"] += rows
            print(name, rows, flush=True)
            write_report(options.json, found)


if __name__ == "__main__":
    main()
