"""The step `report`: one HTML file on a round, and its plots as files."""

from bisect import insort
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..candidates import DECIDED, is_judged
from ..corpora.guidelines import find_guidelines
from ..errors import Errors, LLMJudgeError
from ..report.compare import confusion_of, count_confusions
from ..report.details import (
    confusion_table,
    describe_disagreements,
    describe_labels,
    describe_money,
    describe_provenance,
)
from ..report.examples import (
    Cuts,
    Example,
    compare_with_gold,
    make_silver_example,
    make_test_example,
)
from ..report.page import MOST_EXAMPLES, Sample, make_browser, render_page
from ..report.plots import Kept
from ..report.pool import PoolReader
from ..report.provenance import find_provenance
from ..report.sections import (
    Section,
    Table,
    describe_confidence,
    describe_kept,
    describe_run,
    describe_silver,
    describe_students,
)
from ..selection.audit import read_answer, read_audit
from ..selection.certificate import read_certificate
from ..stages import read_seconds
from ..storage import read_docs, read_json_if_there, sha256_bytes, staged, write_bytes
from ..streams import Documents, find_by_text
from ..targets.base import Key, Target, find_target
from .evaluate import PREDICTED

PAGE = "index.html"
SETS = ("labelled", "dev", "test", "pool")


@dataclass(frozen=True)
class ReportInputs:
    """What a report is made of. What is not there is left out, and the page says so.

    corpus (Path): The folder that `prepare` wrote.
    metrics (Path): The folder of metrics of a round.
    silver (Path): The silver of the round; `filter` wrote the decisions beside it.
    model (Optional[Path]): The judged student.
    audit (Optional[Path]): An audit of this pool that a person has answered.
    title (str): The title of the page.
    """

    corpus: Path
    metrics: Path
    silver: Path
    model: Optional[Path] = None
    audit: Optional[Path] = None
    title: str = "Report"

    def read(self, name: str) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): A file of metrics; empty where there is none."""
        return read_json_if_there(self.metrics / name)


@dataclass
class _Chosen:
    """Documents that are shown: those with an error first, in an order that looks random but is fixed."""

    examples: List[Tuple[Tuple[bool, str, int], Example]] = field(default_factory=list)
    n_wrong: int = 0
    total: int = 0

    def offer(self, text: str, is_wrong: bool, make: Callable[[], Example]) -> None:
        """Take in a document. What is shown is made at once: a document keeps the words of its file in memory."""
        self.n_wrong += is_wrong
        # the number keeps examples from being compared
        rank = (not is_wrong, sha256_bytes(text.encode("utf8", "surrogatepass")), self.total)
        self.total += 1
        if len(self.examples) < MOST_EXAMPLES or rank < self.examples[-1][0]:
            insort(self.examples, (rank, make()))
            del self.examples[MOST_EXAMPLES:]

    def sample(self, name: str, title: str) -> Sample:
        return Sample(name, title, [one for _, one in self.examples], self.n_wrong, self.total)


def make_report(inputs: ReportInputs, output: Path) -> Path:
    """Write the report on a round.

    inputs (ReportInputs): What it is made of.
    output (Path): Gets `index.html`, and the plots as PNG files.
    RETURNS (Path): The page.
    RAISES (LLMJudgeError): J841 where there is nothing to report on.
    """
    selection, summary = inputs.read("selection.json"), inputs.read("summary.json")
    if not selection and not summary:
        raise LLMJudgeError(Errors.J841.format(path=inputs.metrics))
    target = find_target(inputs.corpus / "labelled.spacy")
    seconds = read_seconds(inputs.metrics)
    judge = inputs.read("judge.json")
    pool, kept_sample = _read_pool(inputs, selection, target)
    confusions, test_sample = _read_test(inputs, target)
    kept = _measure(pool, selection)
    students = describe_students(summary, inputs.read("judged.json"))
    if confusions is not None:
        students = students._replace(tables=[*students.tables, confusions])
    q = (selection.get("promise") or {}).get("q")
    names = [inputs.corpus / f"{name}.spacy" for name in SETS]
    files = [*names, inputs.silver, inputs.metrics / "selection.json"]
    if inputs.model is not None:
        files.append(inputs.model)
    sections: List[Section] = [
        describe_run(
            {"judge": judge, **summary},
            selection,
            seconds,
            target.units,
            read_certificate(inputs.metrics),
        ),
        students,
        describe_confidence(selection),
        describe_kept(selection, kept, target.units),
        describe_silver(selection, summary.get("silver") or {}),
        describe_disagreements(pool.disagreements() if pool is not None else None),
    ]
    labels = read_json_if_there(find_guidelines(inputs.corpus))
    details = [
        *([describe_labels(labels)] if labels else []),
        describe_money(judge, seconds),
        describe_provenance(find_provenance(inputs.metrics, files, inputs.model, q)),
    ]
    plots = [plot for section in sections for plot in section.plots]
    browser = make_browser([sample for sample in (test_sample, kept_sample) if sample is not None])
    images = [f"{plot.name}.png" for plot in plots]
    page = render_page(inputs.title, sections, browser, details, images)
    # the page and its plots belong together
    with staged(output, [*images, PAGE]) as stage:
        for image, plot in zip(images, plots):
            write_bytes(stage / image, plot.png)
        write_bytes(stage / PAGE, page.encode("utf8", "replace"))
    return output / PAGE


def find_rounds(metrics: Path) -> List[Path]:
    """RETURNS (List[Path]): The folders of metrics of the rounds of a loop, in their order.
    RAISES (LLMJudgeError): J841 where there is none."""
    found = [path.parent for path in metrics.glob("round-*/selection.json")]
    if not found:
        raise LLMJudgeError(Errors.J841.format(path=metrics))
    return sorted(found, key=lambda path: (len(path.name), path.name))


def _measure(pool: Optional[PoolReader], selection: Dict[str, Any]) -> List[Kept]:
    rows = selection.get("by_q") or []
    if pool is None:
        return [Kept(row["q"], row["accepted"]) for row in rows]
    return [pool.measure(row["q"], row["cut"], row["accepted"]) for row in rows]


def _read_test(inputs: ReportInputs, target: Target) -> Tuple[Optional[Table], Optional[Sample]]:
    """The documents of the test set, and which label was taken for which in them."""
    test, predicted = inputs.corpus / "test.spacy", inputs.metrics / PREDICTED
    if not test.exists() or not predicted.exists():
        return None, None
    vocab = Vocab()
    gold, said = list(read_docs(test, vocab)), list(read_docs(predicted, vocab))
    if [doc.text for doc in gold] != [doc.text for doc in said]:
        found = {"predicted": predicted, "n": len(said), "test": test, "of": len(gold)}
        raise LLMJudgeError(Errors.J842.format(**found))
    chosen, pairs = _Chosen(), Counter[Tuple[str, str]]()
    for truth, doc in zip(gold, said):
        differences = compare_with_gold(truth, doc, target)
        pairs.update(map(confusion_of, differences))
        is_wrong = any(one.kind != "right" for one in differences)
        chosen.offer(truth.text, is_wrong, partial(make_test_example, truth, doc, target))
    confusions = count_confusions(pairs.elements())
    table = confusion_table(confusions, "Gold by row, the judged student by column", "gold")
    title = "The judged student on the test set"
    return table, chosen.sample("test", title)


def _read_pool(
    inputs: ReportInputs, selection: Dict[str, Any], target: Target
) -> Tuple[Optional[PoolReader], Optional[Sample]]:
    """What there is to say about the decided pool, and its documents."""
    decided = inputs.silver.with_name(DECIDED)
    if not decided.exists():
        return None, None
    docs, gold = Documents(decided), inputs.corpus / "pool_gold.spacy"
    has_gold = gold.exists()
    answers = _read_answers(inputs.audit)
    cuts = Cuts(selection.get("cut"), (selection.get("unjudged") or {}).get("cut"))
    has_parts = "unjudged" in selection
    reader, chosen = PoolReader(target), _Chosen()
    beside = (_find_beside(docs, path, decided) for path in (gold, inputs.silver))
    for doc, truth, kept in zip(docs, *beside):
        reader.read(doc, truth, has_parts and not is_judged(doc))
        said = dict(_answers_about(doc, answers.get(doc.text, [])))
        if (has_gold or answers) and truth is None and not said:
            continue
        is_wrong = False in said.values()
        if truth is not None and target.is_annotated(truth):
            keys = [] if kept is None else target.keys(kept)
            is_wrong |= set(keys) != set(target.keys(truth))
        make = partial(make_silver_example, doc, kept, truth, said, cuts, target)
        chosen.offer(doc.text, is_wrong, make)
    known = "with hidden gold" if has_gold else "that were audited" if answers else "without gold"
    title = f"The pool and its silver, documents {known}"
    return reader, chosen.sample("silver", title)


def _find_beside(docs: Documents, path: Path, decided: Path) -> Iterator[Optional[Doc]]:
    """What another file says about each document."""
    others = Documents(path) if path.exists() else ()
    return find_by_text(docs.texts, others, decided.with_name(f".{path.name}.beside"))


def _read_answers(audit: Optional[Path]) -> Dict[str, List[Dict[str, Any]]]:
    """RETURNS (Dict[str, List[Dict[str, Any]]]): The answered rows of an audit by their text."""
    found: Dict[str, List[Dict[str, Any]]] = {}
    for row in read_audit(audit) if audit is not None else ():
        if read_answer(row) is not None:
            found.setdefault(row["text"], []).append(row)
    return found


def _answers_about(doc: Doc, rows: List[Dict[str, Any]]) -> Iterator[Tuple[Key, bool]]:
    for row in rows:
        span = doc.char_span(row["start"], row["end"])
        if span is not None:
            yield (span.start, span.end, row["label"]), bool(read_answer(row))
