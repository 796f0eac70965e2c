"""The step `review`: from the files of a round to a review, and from its answers to files."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..candidates import DECIDED, get_candidates
from ..corpora.guidelines import find_definitions
from ..errors import Errors, LLMJudgeError, Warnings
from ..evaluation.scores import in_characters
from ..review.agreement import find_agreement, people_of
from ..review.answers import Answers
from ..review.certify import certify, count_left, describe_pac
from ..review.items import Given, Spans, Task, is_right
from ..review.reviewed import apply_answers
from ..review.session import Session
from ..review.tasks import (
    AUDIT,
    CERTIFY,
    DISAGREEMENTS,
    GOLD,
    NAMES,
    Draw,
    Labelled,
    make_audit,
    make_certify,
    make_disagreements,
    make_gold,
)
from ..selection.audit import Row, read_answer, read_audit
from ..selection.certificate import write_certificate
from ..storage import (
    read_docs,
    read_json_if_there,
    require_file,
    sha256_path,
    write_docs,
    write_json,
    write_json_lines,
)
from ..targets.base import Key, Target, find_target, labels_in_corpus

# answers that are planned where nobody says how many
PLANNED = {CERTIFY: 150, AUDIT: 0, DISAGREEMENTS: 100, GOLD: 50}
FOLDER = "review"
REVIEWED = "reviewed.spacy"


@dataclass(frozen=True)
class ReviewInputs:
    """What is reviewed.

    round_folder (Path): The folder of a round, with its silver and the judged pool.
    task (str): One of `review.tasks.NAMES`.
    metrics (Path): The folder of metrics of the round; gets the certificate.
    audit (Optional[Path]): The file that `audit` drew; None: audit.jsonl in the folder of the round.
    n (Optional[int]): How many answers are planned; None: PLANNED.
    seed (int): Another seed, another draw.
    share (float): The share of wrong spans that is wanted.
    pac (bool): People answer what is unsure until at most `share` of all spans is wrong.
    people (int): So many people answer each item.
    """

    round_folder: Path
    task: str
    metrics: Path
    audit: Optional[Path] = None
    n: Optional[int] = None
    seed: int = 0
    share: float = 0.1
    pac: bool = False
    people: int = 1

    @property
    def silver(self) -> Path:
        return self.round_folder / "silver.spacy"

    @property
    def folder(self) -> Path:
        """Where answers and gold are kept."""
        return self.round_folder / FOLDER

    @property
    def audit_file(self) -> Path:
        return self.audit or self.round_folder / "audit.jsonl"

    @property
    def written(self) -> Path:
        """Which answers were last written into the file of an audit."""
        return self.folder / "audit-written.json"

    @property
    def planned(self) -> int:
        return PLANNED[self.task] if self.n is None else self.n


def open_session(inputs: ReviewInputs) -> Session:
    """Read what is reviewed, and the answers that there are.

    inputs (ReviewInputs): What is reviewed.
    RETURNS (Session): The review, where it was left.
    RAISES (LLMJudgeError): J931 where the answers are about something else, J934 where there is nothing to ask.
    """
    if inputs.task not in NAMES:
        raise LLMJudgeError(Errors.J935.format(found=inputs.task, choices=", ".join(NAMES)))
    makers: Dict[str, Callable[[ReviewInputs], Task]] = {
        CERTIFY: _make_certify,
        AUDIT: _make_audit,
        DISAGREEMENTS: _make_disagreements,
        GOLD: _make_gold,
    }
    task = makers[inputs.task](inputs)
    if not task.items:
        raise LLMJudgeError(Errors.J934.format(task=task.name, path=inputs.round_folder))
    facts = {"task": task.name, "frame": task.frame, "planned": task.planned}
    path = inputs.folder / f"{task.name}.jsonl"
    is_new = not path.exists()
    answers = Answers(path, facts)
    if task.name == AUDIT:
        _take_over(inputs, task, answers, {} if is_new else read_json_if_there(inputs.written))
    planned = answers.facts["planned"]
    if inputs.n is not None and task.planned != planned:
        warnings.warn(Warnings.JW930.format(planned=planned, path=answers.path), stacklevel=2)
    meanings = find_definitions(inputs.round_folder.parent)
    return Session(replace(task, planned=planned), answers, inputs.people, meanings)


def _make_certify(inputs: ReviewInputs) -> Task:
    docs, target = _read_silver(inputs)
    probability = _read_probabilities(inputs.silver.with_name(DECIDED), inputs.pac)

    def save(task: Task, given: Given) -> None:
        found = certify(task, given)
        pac = None
        if task.epsilon is not None:
            left = count_left(task, given)
            pac = {"left": left, "epsilon": task.epsilon, "statement": describe_pac(task, given)}
            if not left:
                fresh = list(read_docs(inputs.silver, Vocab()))
                reviewed = apply_answers(fresh, task.items, given, target)
                write_docs(inputs.folder / REVIEWED, reviewed)
        agreement = [one._asdict() for one in find_agreement(given)]
        more = {"people": people_of(given), "agreement": agreement, "pac": pac}
        write_certificate(inputs.metrics, found, task.units, **more)

    return make_certify(
        docs,
        target,
        _labels(inputs, docs, target),
        Draw(sha256_path(inputs.silver), inputs.seed, inputs.planned),
        save,
        probability=probability,
        epsilon=inputs.share if inputs.pac else None,
        share=inputs.share,
    )


def _make_audit(inputs: ReviewInputs) -> Task:
    path = inputs.audit_file

    def save(rows: List[Row]) -> None:
        write_json_lines(path, rows)
        write_json(inputs.written, {row["id"]: read_answer(row) for row in rows})

    return make_audit(read_audit(path), save)


def _make_disagreements(inputs: ReviewInputs) -> Task:
    pool = inputs.round_folder / "judged" / "pool"
    docs, target = list(read_docs(pool, Vocab())), find_target(pool)
    draw = Draw(sha256_path(pool), inputs.seed, inputs.planned)
    save = _labelled_writer(inputs, DISAGREEMENTS, target)
    return make_disagreements(docs, target, _labels(inputs, docs, target), draw, save)


def _make_gold(inputs: ReviewInputs) -> Task:
    docs, target = _read_silver(inputs)
    draw = Draw(sha256_path(inputs.silver), inputs.seed, inputs.planned)
    save = _labelled_writer(inputs, GOLD, target)
    return make_gold(docs, target, _labels(inputs, docs, target), draw, save)


def _read_silver(inputs: ReviewInputs) -> Tuple[List[Doc], Target]:
    path = require_file(inputs.silver, "Run the step `filter` first.")
    return list(read_docs(path, Vocab())), find_target(path)


def _labels(inputs: ReviewInputs, docs: Sequence[Doc], target: Target) -> List[str]:
    """RETURNS (List[str]): The labels of the labelled set, and those that documents have."""
    found = {label for doc in docs for _, _, label in target.keys(doc)}
    return sorted(found | labels_in_corpus(inputs.round_folder, target))


def _read_probabilities(decided: Path, is_needed: bool) -> Callable[[Doc, Key], Optional[float]]:
    """RETURNS (Callable[[Doc, Key], Optional[float]]): The probability of a span of the silver."""
    if not is_needed:
        return lambda doc, key: None
    require_file(decided, "PAC labelling needs the probabilities that the step `filter` writes.")
    known = {
        (doc.text, candidate.key): candidate.probability
        for doc in read_docs(decided, Vocab())
        for candidate in get_candidates(doc)
    }
    return lambda doc, key: known.get((doc.text, key))


def _labelled_writer(
    inputs: ReviewInputs, name: str, target: Target
) -> Callable[[List[Labelled]], None]:
    path = inputs.folder / f"labelled-{name}.jsonl"

    def save(labelled: List[Labelled]) -> None:
        rows = (_labelled_row(doc, spans, target) for doc, spans in labelled)
        write_json_lines(path, rows, errors="surrogatepass")

    return save


def _labelled_row(doc: Doc, spans: Spans, target: Target) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): A document as `prepare` reads it."""
    if target.name == "cats":
        labels = [label for _, _, label in spans]
        is_exclusive = target.to_dict()["exclusive"]
        return {"text": doc.text, **({"label": labels[0]} if is_exclusive else {"labels": labels})}
    found = in_characters(doc, spans)
    return {
        "text": doc.text,
        "spans": [{"start": s, "end": e, "label": label} for s, e, label in sorted(found)],
    }


def _take_over(
    inputs: ReviewInputs, task: Task, answers: Answers, written: Dict[str, Optional[bool]]
) -> None:
    """Take over what the file of an audit says: a row that somebody changed since it was written counts.

    written (Dict[str, Optional[bool]]): What was written last, by item.
    """
    for item, row in zip(task.items, read_audit(inputs.audit_file)):
        said, given = read_answer(row), answers.given.get(item.id, {})
        stands = is_right(item, given) if given else None
        # a server that was killed may not have written the last answer
        if said in (stands, written.get(item.id, stands)):
            continue
        for by in list(given):
            answers.add("undo", item.id, by)
        if said is not None:
            answers.add("answer", item.id, "the file", item.spans if said else ())
