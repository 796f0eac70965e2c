"""What is the order of a reply's schema worth? The same LLM in the task's order and in alphabetical order.

    python scripts/schema_order.py --base-url URL --model NAME --data DIR --work DIR [--n 100]

A server that holds a reply to a schema writes its properties in the schema's order: in alphabetical order the LLM
states how sure it is before it has named the entity. DIR holds `dev.jsonl` and `labelled_10shot.jsonl`. Replies stay
in two ledgers in the work folder, so that a run which was stopped goes on; `--output` gets the figures as JSON.
"""

import json
import random
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional

import numpy
import typer
from benchmark_data import read_rows
from compare_students import to_docs
from spacy.tokens import Doc

from spacy_llmjudge.candidates import get_candidates, get_status
from spacy_llmjudge.confidence.reliability import auroc
from spacy_llmjudge.evaluation.significance import micro_f1
from spacy_llmjudge.judge.tasks.annotate import AnnotateTask, make_annotate_task
from spacy_llmjudge.ledger.model import LedgerModel, make_ledger_model
from spacy_llmjudge.models.openai import make_openai_model
from spacy_llmjudge.storage import write_docs, write_json
from spacy_llmjudge.transport.messages import Prompt

ORDERS = ("task", "alphabetical")
SCORES = ("confidence", "likelihood")
N_RESAMPLES = 2000


class Entry(NamedTuple):
    """An entity that a reply lists.

    right (bool): Whether it is gold.
    confidence (Optional[float]): How sure the LLM says it is, 0 to 1.
    likelihood (Optional[float]): How likely it found the label that it wrote, 0 to 1.
    """

    right: bool
    confidence: Optional[float]
    likelihood: Optional[float]


class Answered(NamedTuple):
    """What came of one document.

    state (str): What became of the question.
    n_gold (int): Entities that it has.
    entries (List[Entry]): Entities that were listed.
    """

    state: str
    n_gold: int
    entries: List[Entry]


def sort_names(data: Any) -> Any:
    """RETURNS (Any): A schema whose properties stand in alphabetical order, in `required` too."""
    if isinstance(data, list):
        return [sort_names(item) for item in data]
    if not isinstance(data, dict):
        return data
    ordered = {name: sort_names(data[name]) for name in sorted(data)}
    if isinstance(ordered.get("required"), list):
        ordered["required"] = sorted(ordered["required"])
    return ordered


def ask(task: AnnotateTask, model: LedgerModel, docs: List[Doc], order: str) -> List[Answered]:
    """Ask about every document in one of ORDERS."""
    prompts: List[Prompt] = [task.make_prompts(doc)[0] for doc in docs]
    if order == "alphabetical":
        for prompt in prompts:
            prompt.schema = sort_names(prompt.schema)
    answered = []
    for doc, (reply,) in zip(docs, model([prompt] for prompt in prompts)):
        gold = {(span.start, span.end, span.label_) for span in doc.ents}
        asked = doc.copy()
        asked.ents = []
        task.set_replies(asked, [reply])
        entries = [
            Entry((c.start, c.end, c.label) in gold, c.support, c.likelihood)
            for c in get_candidates(asked)
            if c.verdict == "correct"
        ]
        answered.append(Answered(get_status(asked)["state"] or "", len(gold), entries))
    return answered


def score(answered: Iterable[Answered]) -> Dict[str, Optional[float]]:
    """RETURNS (Dict[str, Optional[float]]): F1 of the lists (0 to 1), AUROC by score; None where only
    right or only wrong entries have that score."""
    rows = list(answered)
    entries = [entry for row in rows for entry in row.entries]
    right = sum(entry.right for entry in entries)
    counts = numpy.array([right, len(entries) - right, sum(row.n_gold for row in rows) - right])
    found: Dict[str, Optional[float]] = {"f1": float(micro_f1(counts[None])[0])}
    for name in SCORES:
        pairs = [(getattr(e, name), e.right) for e in entries if getattr(e, name) is not None]
        values = numpy.array(pairs, dtype=float).reshape(-1, 2)
        found[name] = auroc(values[:, 0], values[:, 1].astype(int)) if pairs else None
    return found


def score_some(answered: List[Answered], chosen: List[int]) -> Dict[str, Optional[float]]:
    return score(answered[i] for i in chosen)


def bootstrap(n: int, measure: Callable[[List[int]], Dict[str, Optional[float]]]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Each figure of a measure over documents with its 95 % interval."""
    drawn = random.Random(0)
    draws = [measure(drawn.choices(range(n), k=n)) for _ in range(N_RESAMPLES)]
    figures: Dict[str, Any] = {}
    for name, value in measure(list(range(n))).items():
        values = [draw[name] for draw in draws if draw[name] is not None]
        figures[name] = {"value": value}
        if value is not None and values:
            figures[name]["low"], figures[name]["high"] = numpy.percentile(values, [2.5, 97.5])
    return figures


def subtract(by_order: Dict[str, List[Answered]], chosen: List[int]) -> Dict[str, Optional[float]]:
    """RETURNS (Dict[str, Optional[float]]): The task's order minus the other one, over the same documents."""
    ours, other = (score(by_order[order][i] for i in chosen) for order in ORDERS)
    return {name: None if None in (a, b := other[name]) else a - b for name, a in ours.items()}


def describe(name: str, figures: Dict[str, Any]) -> str:
    cells = [
        f"{key} "
        + ("-" if "low" not in f else f"{f['value']:.3f} ({f['low']:.3f} to {f['high']:.3f})")
        for key, f in figures.items()
    ]
    return f"{name:<13} " + ", ".join(cells)


def main(
    base_url: str = typer.Option(...),
    model: str = typer.Option(...),
    data: Path = typer.Option(..., exists=True, file_okay=False),
    work: Path = typer.Option(...),
    n: int = typer.Option(100, min=2, help="sentences, drawn from dev"),
    demonstrations: int = typer.Option(8, min=0),
    max_tokens: int = typer.Option(256, min=1),
    timeout: float = typer.Option(600.0, help="seconds for one request"),
    output: Optional[Path] = typer.Option(None),
) -> None:
    """Ask in both orders, and compare."""
    rows = read_rows(data / "dev.jsonl")
    # in an order of its own, so that a larger n goes on where a smaller one ended
    random.Random(0).shuffle(rows)
    docs = to_docs(rows[:n])
    work.mkdir(parents=True, exist_ok=True)
    labelled = work / "labelled.spacy"
    write_docs(labelled, to_docs(read_rows(data / "labelled_10shot.jsonl")))
    by_order: Dict[str, List[Answered]] = {}
    figures: Dict[str, Any] = {"model": model, "documents": len(docs)}
    for order in ORDERS:
        task = make_annotate_task(
            demonstrations=labelled, n_demonstrations=demonstrations, likelihood="label"
        )
        server = make_openai_model(
            base_url,
            model,
            use_schema=True,
            top_logprobs=1,
            max_tokens=max_tokens,
            concurrency=1,
            timeout=timeout,
        )
        by_order[order] = ask(
            task, make_ledger_model(server, work / f"{order}.sqlite"), docs, order
        )
        entries = [entry for row in by_order[order] for entry in row.entries]
        states = [row.state for row in by_order[order]]
        figures[order] = {
            "states": {state: states.count(state) for state in sorted(set(states))},
            "listed": len(entries),
            "right": sum(entry.right for entry in entries),
            "confidences": sum(entry.confidence is not None for entry in entries),
            **bootstrap(len(docs), partial(score_some, by_order[order])),
        }
    figures["difference"] = bootstrap(len(docs), partial(subtract, by_order))
    for name in (*ORDERS, "difference"):
        print(describe(name, {key: figures[name][key] for key in ("f1", *SCORES)}))
    print(
        json.dumps(
            {
                order: {k: figures[order][k] for k in ("states", "listed", "right", "confidences")}
                for order in ORDERS
            }
        )
    )
    if output is not None:
        write_json(output, figures)


if __name__ == "__main__":
    typer.run(main)
