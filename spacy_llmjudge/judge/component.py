"""The component `llm_judge`: verdicts of an LLM on what any pipeline predicts, be it entities, spans or labels."""

import warnings
from collections import Counter
from contextlib import closing
from typing import Any, Callable, Dict, Generator, Iterable, Iterator, List, Optional, Set, Tuple

from spacy.language import Language
from spacy.scorer import PRFScore
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.util import minibatch, raise_error
from spacy.vocab import Vocab
from spacy_llm.pipeline.llm import LLMWrapper
from spacy_llm.ty import validate_type_consistency

from ..candidates import KEY, get_candidates, get_status, register_extensions, set_stated
from ..errors import Errors, LLMJudgeError, Warnings
from ..targets.base import NAMES, Key, Target
from ..transport.credentials import describe_error
from ..transport.messages import Reply
from .actions import Action, act
from .cascade import read_stated
from .panel import Panel

DEFAULT_TASK = {"@llm_tasks": "llmjudge.Annotate.v1"}
JUDGE_SCORES = ("judge_p", "judge_r", "judge_f")
# what was there before, by target
BEFORE = {name: tuple(f"{name}_before_{part}" for part in "prf") for name in NAMES}
SCORES = [*(score for scores in BEFORE.values() for score in scores), *JUDGE_SCORES]


@Language.factory(
    "llm_judge",
    # It requires doc.ents, doc.spans or doc.cats, as its task says, or none where there are candidates.
    assigns=["doc.spans", "doc._.llmjudge", "span._.llmjudge"],
    default_config={
        "task": DEFAULT_TASK,
        "model": None,
        "spans_key": KEY,
        "action": "annotate",
        "save_io": False,
        "validate_types": True,
    },
    default_score_weights={**dict.fromkeys(SCORES), "judge_abstained": None},
)
def make_llm_judge(
    nlp: Language,
    name: str,
    task: Any,
    model: Optional[Callable[[Iterable[Iterable[Any]]], Iterable[Iterable[Any]]]],
    spans_key: str,
    action: Action,
    save_io: bool,
    validate_types: bool,
) -> "LLMJudge":
    """Make the component.

    nlp (Language): The pipeline.
    name (str): The name of the component.
    task (Any): A judge task, such as `llmjudge.Annotate.v1`.
    model (Optional[Callable]): Any model of spacy-llm's registry `llm_models`.
    spans_key (str): The key of the candidate group in `doc.spans`.
    action (Action): "annotate" leaves the predictions alone (`doc.ents`, a span group or `doc.cats`, as
        the task says); "drop" takes out those that the judge rejects; "replace" puts those that it lists
        in their place. A label of the document that goes gets 0, one that comes 1.
    save_io (bool): Keep prompts and replies in `doc.user_data["llm_io"]`.
    validate_types (bool): Check that task and model fit together.
    RETURNS (LLMJudge): The component.
    """
    if not all(hasattr(task, attr) for attr in ("spans_key", "load", "labels", "target")):
        raise LLMJudgeError(Errors.J202.format(name=name, found=type(task).__name__))
    if model is None:
        raise LLMJudgeError(Errors.J203.format(name=name))
    if isinstance(model, Panel) and task.after_list:
        raise LLMJudgeError(Errors.J367.format(task=f"{name} with after_list = true"))
    if validate_types:
        validate_type_consistency(task, model)
    register_extensions()
    task.spans_key = spans_key
    return LLMJudge(
        nlp.vocab, task, model, name, spans_key=spans_key, action=action, save_io=save_io
    )


class _NoCache:
    """Stands where spacy-llm's cache would: that one serves the wrong document and loses replies."""

    prompt_template = None

    def initialize(self, vocab: Vocab, task: Any) -> None:
        """Nothing is kept: a ledger around the model keeps replies by prompt."""


class LLMJudge(LLMWrapper):
    """Asks a judge about the candidates of each document, and writes its verdicts beside them.

    A judge that fails leaves a document as it was, its candidates abstained. A document that fails
    reaches the pipeline's error handler alone.

    on_judged (Optional[Callable[[Doc], None]]): Called with each document as soon as its replies were
        read.
    """

    def __init__(
        self,
        vocab: Vocab,
        task: Any,
        model: Callable[[Iterable[Iterable[Any]]], Iterable[Iterable[Any]]],
        name: str = "llm_judge",
        *,
        spans_key: str = KEY,
        action: Action = "annotate",
        save_io: bool = False,
    ) -> None:
        super().__init__(
            name, vocab=vocab, task=task, model=model, cache=_NoCache(), save_io=save_io
        )
        self.name = name
        self.spans_key = spans_key
        self.action = action
        self.on_judged: Optional[Callable[[Doc], None]] = None

    def _check_sharding(self) -> None:
        """Judge tasks make windows of their own, so spacy-llm's advice on context lengths is moot."""

    @property
    def labels(self) -> Tuple[str, ...]:
        return tuple(self._task.labels)

    @property
    def target(self) -> Target:
        """What is labelled, as the task has it."""
        target: Target = self._task.target
        return target

    def use_target(self, target: Target) -> None:
        """Judge what a corpus has labelled, where a corpus says it."""
        self._task.use_target(target)

    @property
    def model(self) -> Callable[[Iterable[Iterable[Any]]], Iterable[Iterable[Any]]]:
        """The model that is asked."""
        return self._model

    def __call__(self, doc: Doc) -> Doc:
        """Judge one document."""
        (judged,) = self._process_docs([doc])
        return judged

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Judge a stream of documents, batch by batch, in order.

        stream (Iterable[Doc]): The documents.
        batch_size (int): Documents whose prompts go to the model together.
        YIELDS (Doc): The documents.
        """
        for docs in minibatch(stream, batch_size):
            yield from self._process_docs(docs, self.get_error_handler())

    def _process_docs(
        self, docs: List[Doc], error_handler: Callable[..., None] = raise_error
    ) -> List[Doc]:
        # What is wrong with the task's own files is no document's fault: not for the handler.
        self._task.load()
        # A ledger keeps a secret for the marks of the data blocks: the text cannot know it.
        self._task.salt = getattr(self._model, "salt", None) or self._task.salt
        asked: List[Tuple[Doc, List[Any]]] = []
        for doc in docs:
            try:
                ((prompts, _),) = self._task.generate_prompts([doc])
                asked.append((doc, list(prompts)))
            except Exception as error:
                error_handler(self._name, self, [doc], error)
        judged = []
        # Closed at once when something stops it, so that what is under way can still come home.
        with closing(self._ask_all(asked)) as answered:
            for doc, prompts, replies in answered:
                try:
                    (doc,) = self._task.parse_responses([[doc]], [replies])
                    # The verb `cuts` reads it: what a cascade would have decided on.
                    set_stated(doc, read_stated(prompts, replies), self.spans_key)
                    act(doc, self.action, self.target, self.spans_key)
                except Exception as error:
                    error_handler(self._name, self, [doc], error)
                    continue
                if self._save_io:
                    self._keep_io(doc, prompts, replies)
                judged.append(doc)
                if self.on_judged is not None:
                    self.on_judged(doc)
        return judged

    def _ask_all(
        self, asked: List[Tuple[Doc, List[Any]]]
    ) -> Generator[Tuple[Doc, List[Any], List[Any]], None, None]:
        """Yield each document with its prompts and its replies, as they come."""
        failures: Counter = Counter()
        filled = [prompts for _, prompts in asked if prompts]
        replies: Iterator[List[Any]] = iter(())
        if type(self._model).__module__.startswith("spacy_llm."):
            # These answer one prompt after another anyway, and one failure loses all replies of a call.
            replies = (self._ask_each(prompts, failures) for prompts in filled)
        elif filled:
            replies = self._ask(filled, failures)
        for doc, prompts in asked:
            yield doc, prompts, next(replies) if prompts else []
        for _ in replies:
            pass  # to its end, where a ledger says what it has to say
        if failures:
            kinds = ", ".join(f"{kind} ({n})" for kind, n in failures.most_common(3))
            count = sum(failures.values())
            warnings.warn(Warnings.JW201.format(count=count, kinds=kinds), stacklevel=2)

    def _ask(self, prompts: List[List[Any]], failures: Counter) -> Iterator[List[Any]]:
        """Yield the replies of each document; after a failure the rest are asked one by one."""
        n_answered = 0
        try:
            for found in self._model(prompts):
                replies = list(found)
                n_answered += 1
                if n_answered <= len(prompts):
                    yield replies
        except LLMJudgeError:
            raise
        except Exception as error:
            rest = prompts[n_answered:]
            if len(prompts) > 1:
                for one in rest:
                    yield from self._ask([one], failures)
            elif rest and len(rest[0]) > 1:
                yield self._ask_each(rest[0], failures)
            elif rest:
                failures[describe_error(error)] += 1
                yield [Reply("", state="abstained", reason="judge_failed")]
            return
        yield from ([] for _ in prompts[n_answered:])

    def _ask_each(self, prompts: List[Any], failures: Counter) -> List[Any]:
        """Ask the prompts of one document one by one, so that none costs another its reply."""
        missing = Reply("", state="abstained", reason="no_reply")
        return [[*next(self._ask([[one]], failures)), missing][0] for one in prompts]

    def _keep_io(self, doc: Doc, prompts: List[Any], replies: List[Any]) -> None:
        kept = doc.user_data.setdefault("llm_io", {})
        kept[self._name] = {
            "prompt": [str(prompt) for prompt in prompts],
            "response": [str(reply) for reply in replies],
        }

    @property
    def scorer(self) -> Callable:
        """RETURNS (Callable): `score`, by the name under which `spacy find-threshold` looks for it."""
        return self.score

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
        """Score what was there before the judge, and what it calls correct.

        examples (Iterable[Example]): Judged documents and their gold.
        RETURNS (Dict[str, Any]): Precision, recall and F of both, and the share of documents without
            an answer. What was there before is not known where `action` changed it: None.
        """
        examples = list(examples)
        validate_examples(examples, "LLMJudge.score")
        target = self.target
        gold_known = [eg for eg in examples if target.is_annotated(eg.reference)]
        before, after = PRFScore(), PRFScore()
        for example in gold_known:
            gold = _characters(example.reference, target.keys(example.reference))
            doc = example.predicted
            correct = [c.key for c in get_candidates(doc, self.spans_key) if c.verdict == "correct"]
            before.score_set(_characters(doc, target.keys(doc)), gold)
            after.score_set(_characters(doc, correct), gold)
        scores: Dict[str, Any] = dict.fromkeys(SCORES)
        if gold_known:
            if self.action == "annotate":
                of_target = BEFORE[target.name]
                scores.update(zip(of_target, (before.precision, before.recall, before.fscore)))
            scores.update(zip(JUDGE_SCORES, (after.precision, after.recall, after.fscore)))
        states = [get_status(eg.predicted, self.spans_key)["state"] for eg in examples]
        unanswered = sum(state != "judged" for state in states)
        scores["judge_abstained"] = unanswered / len(states) if states else None
        return scores


def _characters(doc: Doc, keys: Iterable[Key]) -> Set[Key]:
    """Start and end character, and label: gold may have other tokens."""
    return {
        (doc[start].idx, doc[start:end].end_char, label)
        for start, end, label in keys
        if start < end
    }
