"""What is LLM-judged self-training worth? Every method from the same student, judge and steps.

    python scripts/benchmark.py --data DIR --work DIR

DIR of --data holds `mit_restaurant/`, `conll03/` and `snips/`. Each row (data set, shots, LLM, method, LLM calls, seed) is kept in
docs/benchmark.json as soon as it is measured; a run that was stopped resumes where it was, and
models that several rows share are kept in --work. docs/benchmark.md is written from the rows.
`--quick` measures two rows with one seed; `--only` takes parts of names ("10/ours/300").

No row chooses a model, a cut or a step on dev: 200 dev sentences with recorded replies are the
evidence of calibration, fusion and selection, and rows that use them say so.
"""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy
import typer
from benchmark_data import (
    FRONTIER,
    ROOT,
    asked_texts,
    cell_folder,
    doubted_texts,
    keep_replies,
    make_corpus,
    write_pool_gold,
)
from benchmark_report import write_report
from spacy.vocab import Vocab

from spacy_llmjudge.encoders.fetch import MINILM, fetch_encoder
from spacy_llmjudge.evaluation.scores import (
    count_matches,
    evaluate_model,
    labels_of,
    silver_quality,
)
from spacy_llmjudge.evaluation.significance import compare, micro_f1
from spacy_llmjudge.steps.annotate import annotate
from spacy_llmjudge.steps.baselines import label_with_judge
from spacy_llmjudge.steps.calibrate import calibrate
from spacy_llmjudge.steps.filter import filter_candidates
from spacy_llmjudge.steps.judge import judge
from spacy_llmjudge.storage import read_docs, read_json, write_bytes, write_docs, write_json
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.training.student import load_student, train_student

RECORDED = ROOT / "configs" / "judges" / "recorded.cfg"
CALLS = (300, 750, 1500)
CURVE_CALLS = (300,)
# dev sentences that ours asks about as well
EVIDENCE_CALLS = 200
WEAK = "qwen2.5-coder-0.5b"
# What differs from configs/student.cfg, the same for all students without silver, and for all with it
SEED_TRAINING = {"training.max_steps": 150, "training.batcher.size": 16}
TRAINING = {
    "training.max_steps": 400,
    "training.batcher.size": 24,
    "training.optimizer.learn_rate.initial_rate": 2e-4,
    "corpora.train.gold_per_batch": 3,
    "corpora.train.silver_per_batch": 21,
}


@dataclass
class Cell:
    """One data set, one number of shots, one LLM, one seed: its corpus, its seed student, its folder."""

    dataset: str
    shots: Optional[int]
    llm: str
    seed: int
    work: Path
    data: Path
    config: Path = ROOT / "configs" / "student.cfg"

    @property
    def shared(self) -> Path:
        """What does not depend on the seed."""
        return cell_folder(self.work, self.dataset, self.shots, self.llm)

    @property
    def folder(self) -> Path:
        return self.shared / f"seed-{self.seed}"

    @property
    def corpus(self) -> Path:
        return make_corpus(self.dataset, self.shots, self.data, self.shared, self.llm)

    @property
    def replies(self) -> Path:
        _ = self.corpus  # makes the folder
        return self.shared / "replies.jsonl"

    @property
    def all_gold(self) -> Path:
        """The labelled set, and the evidence, whose gold may train once its duty is done."""
        path = self.shared / "all_gold.spacy"
        if not path.exists():
            vocab = Vocab()
            parts = (self.corpus / f"{split}.spacy" for split in ("labelled", "dev"))
            write_docs(path, [doc for part in parts for doc in read_docs(part, vocab)])
        return path

    def train(
        self,
        name: str,
        silver: Optional[Path],
        start: Optional[Path] = None,
        gold: Optional[Path] = None,
    ) -> Path:
        """Train a student, from the pretrained encoder or further, or find it. RETURNS (Path): The model."""
        overrides: Dict[str, Any] = {
            "paths.encoder": str(fetch(self.work)),
            "paths.gold": str(gold or self.corpus / "labelled.spacy"),
            "paths.dev": str(self.corpus / "dev.spacy"),
            "system.seed": self.seed,
            **(TRAINING if silver else SEED_TRAINING),
        }
        if silver:
            overrides["paths.silver"] = str(silver)
        folder = self.folder / "models" / name
        train_student(self.config, folder, start=start, overrides=overrides)
        return folder / "model-best"

    def annotate(self, name: str, model: Path) -> Path:
        """Pseudo-label pool and dev with a student, its calibration fitted on dev."""
        folder = self.folder / "annotated" / name
        calibration = folder / "calibration.json"
        if not calibration.exists():
            calibrate(str(model), self.corpus / "dev.spacy", calibration)
        for split in ("pool", "dev"):
            annotate(
                str(model),
                calibration,
                self.corpus / f"{split}.spacy",
                folder / split,
                out_of_fold=split == "dev",
                labels=self.corpus / "labelled.spacy",
            )
        return folder

    def judge(
        self, annotated: Path, name: str, texts: List[str], likelihood: Optional[str] = None
    ) -> Path:
        """Replay the replies for some pool sentences, and for dev.

        name (str): Of this choice of sentences.
        likelihood (Optional[str]): How their log-probabilities are read.
        """
        folder = annotated.with_name(f"{annotated.name}-judged-{name}")
        overrides: Dict[str, Any] = {}
        if likelihood is not None:
            folder = folder.with_name(f"{folder.name}-{likelihood}")
            overrides["components.llm_judge.task.likelihood"] = likelihood
        replies = keep_replies(self.corpus, self.replies, texts, folder / "replies.jsonl")
        for split in ("pool", "dev"):
            judge(
                annotated / split,
                folder / split,
                RECORDED,
                overrides={
                    "paths.replies": str(replies),
                    "paths.labelled": str(self.corpus / "labelled.spacy"),
                    **overrides,
                },
            )
        return folder

    def select(self, name: str, judged: Path, text: str) -> Path:
        """Filter with the selector and the policy in a config's text. RETURNS (Path): The silver."""
        config = self.folder / "silver" / f"{name}.cfg"
        write_bytes(config, text.encode("utf8"))
        silver = config.with_suffix(".spacy")
        filter_candidates(
            judged / "pool",
            judged / "dev",
            self.corpus / "dev.spacy",
            config,
            silver,
            config.with_suffix(".json"),
        )
        return silver


def fetch(work: Path) -> Path:
    fetch_encoder(MINILM, work / "encoder")
    return work / "encoder"


def conformal(q: float, policy: str = "") -> str:
    return f'[selector]\n@llmjudge_selectors = "llmjudge.Conformal.v1"\nq = {q}\nfloor = {FLOOR}\n\n[silver]\n{policy}'


def threshold(cut: float, policy: str = "") -> str:
    return f'[selector]\n@llmjudge_selectors = "llmjudge.Threshold.v1"\ncut = {cut}\n\n[silver]\n{policy}'


COLLABORATIVE = '[selector]\n@llmjudge_selectors = "llmjudge.Collaborative.v1"\ntau = 0.9\nunit = "{unit}"\n\n[silver]\nmasking = false\n'
# Without missing tokens: what is not accepted is outside.
HARD = "masking = false\nnegatives = false\n"
# The share of wrong spans that ours accepts, and the least probability of one
Q, FLOOR = 0.25, 0.3
# As in configs/filter.cfg: what is likely but not accepted is missing
MASKED = f"doubt_cut = {FLOOR}\noutside_cut = 0.0\nnegatives = false\n"

Made = Tuple[Path, Optional[Path]]


def seed_student(cell: Cell, calls: int) -> Made:
    return cell.train("seed", None), None


def seed_annotated(cell: Cell) -> Path:
    return cell.annotate("seed", cell.train("seed", None))


def self_training(cell: Cell, calls: int) -> Made:
    """Classic: the student's predictions over one cut that was set beforehand, the rest outside."""
    silver = cell.select("self_training", seed_annotated(cell), threshold(0.8, HARD))
    return cell.train("self_training", silver), silver


def bond(cell: Cell, calls: int) -> Made:
    """After BOND: only what the teacher is sure of, token by token; the student becomes the teacher."""
    model, silver = cell.train("seed", None), None
    for number in (1, 2):
        annotated = cell.annotate(f"bond-{number}", model)
        silver = cell.select(f"bond-{number}", annotated, threshold(0.9, "max_missing = 1.0\n"))
        model = cell.train(f"bond-{number}", silver)
    return model, silver


def collaborative(cell: Cell, calls: int) -> Made:
    """The published filter: predictions of the student only, sentences in which all pass."""
    judged = judge_first(cell, calls)
    silver = cell.select("collaborative", judged, COLLABORATIVE.format(unit="sentence"))
    return cell.train("collaborative", silver), silver


def judge_first(cell: Cell, calls: int) -> Path:
    """Ask about the pool's first sentences, which are in no order."""
    return cell.judge(
        seed_annotated(cell), str(calls), asked_texts(cell.corpus, cell.replies, calls)
    )


def label_as_judged(cell: Cell, name: str, judged: Path, gold: Optional[Path] = None) -> Made:
    silver = cell.folder / "silver" / f"{name}.spacy"
    label_with_judge(judged / "pool", silver)
    return cell.train(name, silver, gold=gold), silver


def llm_labels(cell: Cell, calls: int) -> Made:
    return label_as_judged(cell, f"llm_labels-{calls}", judge_first(cell, calls))


def llm_labels_long(cell: Cell, calls: int) -> Made:
    """Trained as long as ours: the student is trained further on the same labels."""
    start, silver = llm_labels(cell, calls)
    return cell.train(f"llm_labels_long-{calls}", silver, start), silver


def llm_labels_equal(cell: Cell, calls: int) -> Made:
    """With all that ours has: the gold of dev, as many calls as ours makes about pool and dev together,
    and as many steps."""
    total = calls + EVIDENCE_CALLS
    name = f"llm_labels_equal-{calls}"
    start, silver = label_as_judged(cell, name, judge_first(cell, total), cell.all_gold)
    return cell.train(f"{name}-long", silver, start, cell.all_gold), silver


def teach(cell: Cell, calls: int, likelihood: Optional[str] = None) -> Tuple[Path, Path]:
    """Round 1 of ours: the judge reads what the seed student is least certain about, and a student of its
    labels annotates the pool. The seed student's own labels of the rest would drown them.

    RETURNS (Tuple[Path, Path]): That student, and the judged pool and dev that it annotated.
    """
    texts = doubted_texts(seed_annotated(cell), cell.replies, calls)
    name = f"doubted-{calls}"
    if set(texts) == set(asked_texts(cell.corpus, cell.replies, calls)):
        # nothing was left to choose
        name, teacher = f"llm_labels-{calls}", llm_labels(cell, calls)[0]
    else:
        judged = cell.judge(seed_annotated(cell), name, texts)
        teacher = label_as_judged(cell, name, judged)[0]
    return teacher, cell.judge(cell.annotate(name, teacher), str(calls), texts, likelihood)


def ours(cell: Cell, calls: int) -> Made:
    """Round 2: judge and student fused, conformal, on the whole pool; the student is trained further on that."""
    return selected("ours", conformal(Q, HARD), cell, calls)


def selected(name: str, text: str, cell: Cell, calls: int) -> Made:
    """Ours with the selection and the policy in a config's text."""
    teacher, judged = teach(cell, calls)
    silver = cell.select(f"{name}-{calls}", judged, text)
    return cell.train(f"{name}-{calls}", silver, teacher), silver


def ours_gold(cell: Cell, calls: int, likelihood: Optional[str] = None) -> Made:
    """As the command does it: once selection is done, the evidence's gold trains the last student too."""
    name = f"ours_{likelihood or 'gold'}-{calls}"
    teacher, judged = teach(cell, calls, likelihood)
    silver = cell.select(name, judged, conformal(Q, HARD))
    return cell.train(name, silver, teacher, cell.all_gold), silver


def pool_gold(cell: Cell, calls: int) -> Made:
    """The ceiling: the pool's own gold, on the sentences that the LLM answered or on all."""
    texts = asked_texts(cell.corpus, cell.replies, calls) if calls else None
    silver = cell.folder / "silver" / f"pool_gold-{calls or 'all'}.spacy"
    write_pool_gold(cell.corpus, silver, texts)
    return cell.train(f"pool_gold-{calls or 'all'}", silver), silver


# method: how it is made, the numbers of LLM calls, and whether it uses the evidence
METHODS: Dict[str, Tuple[Callable[[Cell, int], Made], Tuple[int, ...], bool]] = {
    "seed": (seed_student, (0,), False),
    "self_training": (self_training, (0,), True),
    "bond": (bond, (0,), True),
    "collaborative": (collaborative, (1500,), True),
    "llm_labels": (llm_labels, CALLS, False),
    "llm_labels_long": (llm_labels_long, (300, 1500), False),
    "llm_labels_equal": (llm_labels_equal, (300,), True),
    "ours": (ours, CALLS, True),
    "ours_gold": (ours_gold, (300,), True),
    "ours_likelihood": (partial(ours_gold, likelihood="label"), (300,), True),
    "pool_gold": (pool_gold, (1500, 0), False),
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
FEW = ("seed", "llm_labels", "ours", "pool_gold")
EQUAL = ("seed", "llm_labels", "llm_labels_equal", "ours_gold", "pool_gold")
ALL = tuple(name for name in METHODS if name != "ours_likelihood")
SEEDS = (0, 1, 2, 3, 4)
Seeds, Names, Calls = Tuple[int, ...], Tuple[str, ...], Tuple[int, ...]
# (data set, shots, LLM): its seeds, its methods, and its numbers of calls
CELLS: Dict[Tuple[str, Optional[int], str], Tuple[Seeds, Names, Calls]] = {
    ("mit_restaurant", 10, FRONTIER): (SEEDS, ALL, (0, *CALLS)),
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
                if method in CURVE and seed:
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
    nlp = load_student(str(model))
    gold = list(read_docs(cell.corpus / "test.spacy", nlp.vocab))
    predicted = evaluate_model(nlp, gold)
    labels = labels_of(gold, predicted, target=Ents())
    counts = count_matches(gold, predicted, labels).sum(axis=1)
    numpy.save(counts_path(cell, method, calls), counts)
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
        "uses_evidence": uses_evidence,
        "gold": count_gold(cell, uses_evidence),
        "settings": settings_of(method),
    }
    if silver is not None:
        row["silver"] = measure_silver(cell, silver)
        if method == "pool_gold":
            row["gold"] += row["silver"]["documents"]
    rival = counts_path(cell, "llm_labels", calls)
    if method.startswith("ours") and rival.exists():
        row["minus_llm_labels"] = compare(counts, numpy.load(rival))
    return row


def count_gold(cell: Cell, uses_evidence: bool) -> int:
    """RETURNS (int): Sentences of which a method knows the gold."""
    path = cell.all_gold if uses_evidence else cell.corpus / "labelled.spacy"
    return sum(1 for _ in read_docs(path, Vocab()))


def settings_of(method: str) -> Dict[str, Any]:
    settings = dict(SEED_TRAINING if method == "seed" else TRAINING)
    if method.startswith("ours"):
        settings.update(q=Q, floor=FLOOR, goes_on=True)
    if method in CURVE:
        settings["q"], _ = CURVE[method]
    return settings


def counts_path(cell: Cell, method: str, calls: int) -> Path:
    path = cell.folder / "counts" / f"{method}-{calls}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


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
    # fmt: on
) -> None:
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
        # another process may have written rows meanwhile
        known = read_json(json)["runs"] if json.exists() else {}
        write_json(json, {"runs": {**known, name: row}})
        write_report(json, list_rows(), work)
        print(f"{name}: F1 {100 * row['f']:.1f}", flush=True)


if __name__ == "__main__":
    typer.run(main)
