"""spacy-llm's own text classification as a judge: its `llm` component writes what `llm_judge` would.

A config with a component `llm` whose task sets `doc.cats`, such as "spacy.TextCat.v3", is given the labels
of the corpus. What it says becomes verdicts on the candidates, supports, proposals and a status.
"""

from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Tuple,
)

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch
from spacy_llm.ty import supports_sharding

from ..candidates import KEY
from ..errors import Errors, LLMJudgeError
from ..targets.cats import THRESHOLD, Cats
from .classification import Classification, set_classification
from .reply_json import ReplyError, find_text
from .tasks.base import is_cut_off, read_outcome
from .verdicts import Outcome

if TYPE_CHECKING:
    from thinc.api import Config

FACTORY = "llm"
# documents that go to the model together: a model that breaks loses no more
BATCH = 64
TOKENS = 8
NO_LABEL = "no_label_in_reply"

Said = Tuple[Outcome, Optional[Classification]]


def find_textcat(config: "Config") -> Optional[str]:
    """Find the component of a config that can judge in the place of `llm_judge`.

    config (Config): The config.
    RETURNS (Optional[str]): The name of its only `llm` component with a task that is not ours; None
        where there is an `llm_judge`, or no such component.
    RAISES (LLMJudgeError): J258 where there are several.
    """
    blocks = config.get("components", {})
    if any(block.get("factory") == "llm_judge" for block in blocks.values()):
        return None
    names = [name for name, block in blocks.items() if _is_foreign(block)]
    if len(names) > 1:
        raise LLMJudgeError(Errors.J258.format(found=", ".join(names)))
    return names[0] if names else None


def _is_foreign(block: Dict[str, Any]) -> bool:
    task = str(block.get("task", {}).get("@llm_tasks", ""))
    return block.get("factory") == FACTORY and not task.startswith("llmjudge.")


def label_settings(name: str, target: Cats) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Settings of a config, by their dotted names, that tell the task of a
    component which labels there are."""
    task = f"components.{name}.task"
    return {
        f"{task}.labels": list(target.labels),
        f"{task}.exclusive_classes": target.exclusive,
    }


class TextCatJudge:
    """Asks an `llm` component about documents, and writes what it says into their candidate groups.

    nlp (Language): The pipeline.
    name (str): The name of its `llm` component.
    target (Cats): The labels.
    """

    def __init__(self, nlp: Language, name: str, target: Cats) -> None:
        self._nlp = nlp
        self.name = name
        self._target = target
        component: Any = nlp.get_pipe(name)
        self._watched = component._model = _Watched(component._model)
        self.on_judged: Optional[Callable[[Doc], None]] = None

    @property
    def model(self) -> Any:
        """The model that is asked."""
        return self._watched.model

    @property
    def task(self) -> "TextCatPrompts":
        """The prompts that it would send, for a plan."""
        component: Any = self._nlp.get_pipe(self.name)
        return TextCatPrompts(self._nlp.make_doc, component.task, self.model)

    def pipe(self, stream: Iterable[Doc]) -> Iterator[Doc]:
        """Judge documents, batch by batch.

        stream (Iterable[Doc]): The documents.
        YIELDS (Doc): The same ones, in order.
        """
        for batch in minibatch(stream, BATCH):
            docs = [doc for doc in batch if _has_words(doc)]
            answered = dict(zip(map(id, docs), self._ask(docs)))
            for doc in batch:
                no_words: Said = (Outcome("not_sent", "no_words"), None)
                outcome, found = answered.get(id(doc), no_words)
                set_classification(doc, outcome, found, self._target, KEY)
                yield doc
                if self.on_judged is not None:
                    self.on_judged(doc)

    def _ask(self, docs: List[Doc]) -> Iterator[Said]:
        self._watched.seen = []
        plain = [self._nlp.make_doc(doc.text) for doc in docs]
        try:
            answered = list(self._nlp.pipe(plain)) if plain else []
        except LLMJudgeError:
            raise
        except Exception as error:
            # a model of somebody else's may raise anything
            summary = f"{type(error).__name__}: {error}"[:200]
            raise LLMJudgeError(Errors.J257.format(name=self.name, error=summary)) from error
        seen = self._watched.seen
        if len(seen) != len(docs):
            seen = [_Seen(Outcome("judged"))] * len(docs)
        for doc, one in zip(answered, seen):
            yield self._read(doc, one)

    def _read(self, doc: Doc, seen: "_Seen") -> Said:
        if seen.outcome.state != "judged":
            return seen.outcome, None
        values = {label: float(doc.cats.get(label, 0.0)) for label in self._target.labels}
        named = {label: value for label, value in values.items() if value > 0}
        least = max(named.values(), default=0.0) if self._target.exclusive else THRESHOLD
        given = [label for label, value in named.items() if value >= least]
        is_clear = len(given) == 1 if self._target.exclusive else bool(named) or seen.says_none
        if not doc.cats or not is_clear:
            return Outcome("abstained", NO_LABEL), None
        # 1.0 stands for a label without a number
        shares = {label: value if value < 1 else None for label, value in named.items()}
        others = {label: share for label, share in shares.items() if label not in given}
        return seen.outcome, Classification({label: shares[label] for label in given}, others)


class TextCatPrompts:
    """Makes the prompts of a task of spacy-llm, one document at a time, and sends none.

    make_doc (Callable[[str], Doc]): The tokenizer.
    task (Any): The task.
    model (Any): The model that would be asked: where it tells its context length, long texts are cut.
    """

    def __init__(self, make_doc: Callable[[str], Doc], task: Any, model: Any) -> None:
        self._make_doc = make_doc
        self._task = task
        self._context_length = getattr(model, "context_length", None)

    def load(self) -> None:
        """Nothing is read from files."""

    def make_prompts(self, doc: Doc) -> List[str]:
        """RETURNS (List[str]): The prompts about a document, in order; none where it has no words."""
        if not _has_words(doc):
            return []
        plain = [self._make_doc(doc.text)]
        if not supports_sharding(self._task):
            return [str(prompt) for prompt in self._task.generate_prompts(plain)]
        made = self._task.generate_prompts(plain, self._context_length)
        return [str(prompt) for prompts, _ in made for prompt in prompts]

    def expect_reply(self, prompt: str) -> int:
        """RETURNS (int): About how many tokens a reply to a prompt has: a label and a confidence."""
        return TOKENS


class _Seen(NamedTuple):
    """What became of the replies about a document, and whether they say that no label fits."""

    outcome: Outcome
    says_none: bool = False


class _Watched:
    """A model that remembers what became of its replies, and takes their thinking out: a parser that
    takes a string would hear of neither."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.seen: List[_Seen] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def __call__(self, prompts: Iterable[Iterable[Any]]) -> Iterable[Iterable[Any]]:
        for replies in self.model(prompts):
            pairs = [_clean(reply) for reply in replies]
            failed = [outcome for outcome, _ in pairs if outcome.state != "judged"]
            says_none = any("none" in text.lower() for _, text in pairs)
            self.seen.append(_Seen(failed[0] if failed else Outcome("judged"), says_none))
            yield [text for _, text in pairs]


def _has_words(doc: Doc) -> bool:
    return any(not token.is_space for token in doc)


def _clean(reply: Any) -> Tuple[Outcome, str]:
    outcome = read_outcome(reply)
    if outcome.state != "judged":
        return outcome, ""
    try:
        text = find_text(reply)
        if is_cut_off(reply):
            raise ReplyError("truncated")
    except ReplyError as error:
        return Outcome("abstained", str(error)), ""
    return outcome, text
