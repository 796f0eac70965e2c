"""What an LLM says a document is about: labels from a column, or asked for with spacy-llm.

Both give the same files: `doc.cats` is what it said, empty where it gave no usable answer, and the
candidate group holds how sure it said it was.
"""

from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence

from spacy.tokens import Doc

from ..candidates import count_statuses
from ..corpora.rows import read_rows, require_string
from ..errors import Errors, LLMJudgeError
from ..shards import process_shards
from ..steps.judge import hash_paths, is_asked
from ..storage import PathLike, read_docs, require_file, sha256_bytes, sha256_path
from .data import HINT, LABELS, Choice, Task, read_task, set_judged
from .rows import read_choice, require_column

# documents of a shard: what a killed run has to ask again at most
SHARD = 64


class Opinion(NamedTuple):
    """What the judge said of one text: labels (None: no usable answer), how sure it was of each, and
    what became of the question."""

    choice: Choice
    support: Dict[str, float]
    state: Optional[str] = None
    reason: Optional[str] = None


Judge = Callable[[List[Doc]], List[Opinion]]


def judge_texts(
    corpus: PathLike,
    output: PathLike,
    *,
    column: Optional[Dict[str, Any]] = None,
    config: Optional[PathLike] = None,
    overrides: Optional[Dict[str, Any]] = None,
    splits: Sequence[str] = ("pool",),
    progress: Optional[Callable[[int], None]] = None,
) -> Dict[str, Any]:
    """Judge documents, shard by shard; a run that was stopped goes on with the shards that are missing.

    corpus (PathLike): The folder that `prepare` wrote.
    output (PathLike): Gets a folder of shards for each split.
    column (Optional[Dict[str, Any]]): Take the labels from a JSONL file: `path`, `label` (column),
        `confidence` (column or None), `refusals` (labels that stand for no answer).
    config (Optional[PathLike]): Or ask: a spaCy config with one `llm` component whose task sets
        `doc.cats`, such as spacy-llm's own "spacy.TextCat.v3". It is given the labels of the corpus.
    overrides (Optional[Dict[str, Any]]): Settings of the config by their dotted names.
    splits (Sequence[str]): "pool", and "test" where the LLM is to be measured there too.
    RETURNS (Dict[str, Any]): By split how many documents were judged, abstained from (by reason), or
        not sent; `labels`: how often the LLM gave each label to the pool.
    """
    from spacy.vocab import Vocab

    corpus, output = Path(corpus), Path(output)
    task = read_task(corpus)
    if column is not None:
        ask, inputs = read_column(task, **column), {"column": [column, sha256_path(column["path"])]}
    else:
        ask, inputs = load_llm(config, task, dict(overrides or {}))
    report: Dict[str, Any] = {}
    for split in splits:
        path = require_file(corpus / f"{split}.spacy", HINT)
        docs = list(read_docs(path, Vocab()))

        def process(batch: List[Doc]) -> List[Doc]:
            for doc, opinion in zip(batch, ask(batch)):
                set_judged(doc, opinion.choice, task, *opinion[1:])
            return batch

        process_shards(
            docs,
            output / split,
            process,
            fingerprint={
                "docs": sha256_path(path),
                "task": sha256_path(corpus / LABELS),
                "inputs": inputs,
            },
            shard_size=SHARD,
            is_complete=is_asked,
            on_shard=progress,
        )
        report[split] = count_statuses(read_docs(output / split, Vocab()))
    pool = list(read_docs(output / "pool", Vocab())) if "pool" in splits else []
    all_sent = not any(state.startswith("not_sent") for state in report.get("pool", ()))
    if pool and all_sent and not any(doc.cats for doc in pool):
        raise LLMJudgeError(Errors.J911.format(path=output / "pool", n=len(pool)))
    labels = Counter(x for doc in pool for x, value in doc.cats.items() if value)
    return {**report, "labels": dict(labels.most_common())}


def read_column(
    task: Task,
    path: PathLike,
    label: str = "llm_label",
    confidence: Optional[str] = None,
    refusals: Sequence[str] = (),
) -> Judge:
    """Read an LLM's labels from a file.

    task (Task): The task.
    path (PathLike): A JSONL file with the texts; of several rows for the same text the last counts.
    label (str): The column with a label, or a list of labels; null stands for no answer.
    confidence (Optional[str]): The column that says how sure the LLM was, from 0 to 1 or to 100; null where
        it did not say.
    refusals (Sequence[str]): Labels that stand for no answer as well, such as "-1".
    RETURNS (Judge): Finds what was said of a document by its text.
    """
    path = require_file(path, "Name the JSONL file with the LLM's labels.")
    known: Dict[str, Opinion] = {}
    sure: Dict[str, float] = {}
    for where, row in read_rows(path):
        text = require_string(require_column(row, "text", where), "text", where)
        value = require_column(row, label, where)
        choice = None if value is None else read_choice(value, label, where)
        if choice is not None and set(choice) & set(refusals):
            choice = None
        for one in choice or ():
            if one not in task.labels:
                labels = ", ".join(task.labels)
                raise LLMJudgeError(Errors.J909.format(where=where, label=one, labels=labels))
        if choice is not None and task.exclusive and len(choice) != 1:
            found = ", ".join(choice) or "no label"
            raise LLMJudgeError(Errors.J910.format(where=where, found=found, column=label))
        if confidence is not None:
            stated = require_column(row, confidence, where)
            sure.pop(text, None)
            # null: it did not say
            if stated is not None:
                sure[text] = _read_confidence(stated, confidence, where)
        known[text] = Opinion(choice, {}, reason="refused" if choice is None else None)
    scale = 100.0 if max(sure.values(), default=0.0) > 1 else 1.0

    def ask(docs: List[Doc]) -> List[Opinion]:
        missing = Opinion(None, {}, reason="not_in_column")
        found = [known.get(doc.text, missing) for doc in docs]
        return [
            opinion._replace(support={x: sure[doc.text] / scale for x in opinion.choice or ()})
            if doc.text in sure
            else opinion
            for doc, opinion in zip(docs, found)
        ]

    return ask


def _read_confidence(value: Any, column: str, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        raise LLMJudgeError(Errors.J912.format(where=where, column=column, found=repr(value)))
    return float(value)


class _Watched:
    """A model that remembers what became of its replies: those of ours say so, and a parser that
    takes a string would not hear of it."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.states: List[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def __call__(self, prompts: Iterable[Iterable[Any]]) -> Iterable[Iterable[Any]]:
        for replies in self.model(prompts):
            replies = list(replies)
            states = [(getattr(r, "state", None), getattr(r, "reason", None)) for r in replies]
            bad = [state for state in states if state[0] not in (None, "replied")]
            self.states.append(bad[0] if bad else (None, None))
            yield replies


def load_llm(config: PathLike, task: Task, overrides: Dict[str, Any]) -> Any:
    """Load the pipeline that asks an LLM, and what its answers depend on.

    config (PathLike): A spaCy config with one `llm` component.
    task (Task): Its labels and kind are given to the component's task, unless the overrides do.
    RETURNS (Tuple[Judge, Dict[str, Any]]): The judge, and the inputs for the fingerprint.
    """
    from spacy.util import load_config, load_model_from_config

    path = require_file(config, "There is one to copy: configs/judges/textcat.cfg.")
    raw = load_config(path, interpolate=False)
    blocks = raw.get("components", {})
    names = [name for name, block in blocks.items() if block.get("factory") == "llm"]
    if len(names) != 1:
        found = ", ".join(blocks) or "no component"
        raise LLMJudgeError(Errors.J913.format(path=path, found=found))
    name = names[0]
    ours = {"labels": list(task.labels), "exclusive_classes": task.exclusive}
    given = {f"components.{name}.task.{key}": value for key, value in ours.items()}
    loaded = load_config(path, overrides={**given, **overrides}, interpolate=True)
    nlp = load_model_from_config(loaded, auto_fill=True)
    component = nlp.get_pipe(name)
    watched = component._model = _Watched(component._model)
    inputs = {"config": sha256_bytes(loaded.to_bytes()), "files": hash_paths(loaded)}

    def ask(docs: List[Doc]) -> List[Opinion]:
        watched.states = []
        try:
            answered = list(nlp.pipe([nlp.make_doc(doc.text) for doc in docs]))
        except LLMJudgeError:
            raise
        except Exception as error:
            # a model of somebody else's may raise anything
            summary = f"{type(error).__name__}: {error}"[:200]
            raise LLMJudgeError(Errors.J914.format(name=name, error=summary)) from error
        states = watched.states if len(watched.states) == len(docs) else [(None, None)] * len(docs)
        return [_read_answer(doc, state, task) for doc, state in zip(answered, states)]

    return ask, inputs


def _read_answer(doc: Doc, state: Any, task: Task) -> Opinion:
    """An exclusive task whose `doc.cats` are all 0 had an answer that names no label, or several."""
    if state[0] is not None:
        return Opinion(None, {}, *state)
    values = {label: float(doc.cats.get(label, 0.0)) for label in task.labels}
    said = tuple(label for label, value in values.items() if value > 0)
    if task.exclusive and len(said) > 1:
        said = (max(said, key=values.__getitem__),)
    if not doc.cats or (task.exclusive and not said):
        return Opinion(None, {}, reason="no_label_in_reply")
    return Opinion(said, {x: values[x] for x in said if values[x] < 1})
