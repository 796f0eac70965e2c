"""Mining task rules: an LLM reads the labelled set once and says in a few sentences how it was marked."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from spacy.tokens import Doc

from ...errors import Errors, LLMJudgeError
from ...storage import write_bytes
from ...targets.base import target_of
from ...transport.messages import Prompt
from ..data_block import DEFAULT_SALT, make_nonce
from ..demonstrations import (
    Demonstration,
    choose_demonstrations,
    demonstrate,
    labels_of,
    near_misses,
)
from ..folding import fold_words
from ..prompts import compile_template, read_template
from ..reply_json import ReplyError, read_object
from .base import is_cut_off, read_outcome, split_labels

TEMPLATE = "rules.v1"
MAX_WORDS = 30
MAX_CHARS = 240
MIN_MENTIONS = 2
# A rule stands outside of the data block of every later prompt, and comes from a reply about data.
_ADDRESSED = re.compile(
    r"[{}<>\[\]|]|https?:|\b(instructions?|prompts?|json|option [A-D]|letter [A-D]|you must|your answer"
    r"|(?:always|only|never) (?:answer|reply|respond|output))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class MinedRule:
    """A rule and what speaks for it.

    label (str): The label.
    text (str): The rule, one line.
    mentions (Tuple[str, ...]): The labelled mentions that support it.
    """

    label: str
    text: str
    mentions: Tuple[str, ...]


def make_rules_task(
    labels: Optional[Union[List[str], str]] = None,
    label_definitions: Optional[Dict[str, str]] = None,
    max_rules: int = 6,
    n_documents: int = 100,
    seed: int = 0,
    template: Union[Path, str] = TEMPLATE,
    salt: str = DEFAULT_SALT,
) -> "RulesTask":
    """Make the task `llmjudge.Rules.v1`.

    labels (Optional[Union[List[str], str]]): The labels, as a list or separated by commas; None takes
        those of the labelled documents.
    label_definitions (Optional[Dict[str, str]]): What a label means.
    max_rules (int): Rules a label at most.
    n_documents (int): How many labelled documents a prompt shows at most.
    seed (int): Chooses which.
    template (Union[Path, str]): The name of one of our templates, or the path of another.
    salt (str): A secret that makes the mark of the data block impossible to guess.
    RETURNS (RulesTask): The task.
    """
    return RulesTask(
        split_labels(labels), label_definitions or {}, max_rules, n_documents, seed, template, salt
    )


class RulesTask:
    """One prompt a label, about all labelled documents together; the rules gather in `rules`.

    rules (List[MinedRule]): What was mined so far, by label.
    dropped (Counter): Why others were not kept.
    salt (str): A secret that makes the mark of the data block impossible to guess.
    """

    def __init__(
        self,
        labels: Optional[List[str]],
        label_definitions: Dict[str, str],
        max_rules: int,
        n_documents: int,
        seed: int,
        template: Union[Path, str],
        salt: str,
    ) -> None:
        self.rules: List[MinedRule] = []
        self.dropped: Counter = Counter()
        self._labels = labels
        self._label_definitions = label_definitions
        self._max_rules = max_rules
        self._n_documents = n_documents
        self._seed = seed
        self._template_name = template
        self.salt = salt

    @property
    def prompt_template(self) -> str:
        return read_template(self._template_name)

    def generate_prompts(
        self, docs: Iterable[Doc], context_length: Optional[int] = None
    ) -> Iterable[Tuple[Iterable[str], Iterable[Doc]]]:
        """Make one prompt for each label, about all documents together.

        docs (Iterable[Doc]): The labelled documents.
        context_length (Optional[int]): Not used: `n_documents` bounds the prompt.
        YIELDS (Tuple[Iterable[str], Iterable[Doc]]): All prompts, and all documents.
        """
        docs = list(docs)
        rows = _rows_of(docs)
        labels = self._labels or labels_of(rows)
        asked = self._find_labels(rows)
        yield [self._make_prompt(label, labels, rows) for label in asked], docs

    def _find_labels(self, rows: Sequence[Demonstration]) -> List[str]:
        """The labels with enough mentions to support a rule."""
        counts = Counter(e["label"] for row in rows for e in row["entities"])
        asked = [n for n in self._labels or labels_of(rows) if counts[n] >= MIN_MENTIONS]
        if not asked:
            raise LLMJudgeError(Errors.J251.format(n=len(rows), least=MIN_MENTIONS))
        return asked

    def _make_prompt(self, label: str, labels: Sequence[str], rows: List[Demonstration]) -> Prompt:
        own = [_keep_label(row, label) for row in rows]
        shown = []
        for row in choose_demonstrations(own, self._n_documents, self._seed):
            shown.append({"text": row["text"], "marked": [e["text"] for e in row["entities"]]})
            unmarked = near_misses(row, own)
            if unmarked:
                shown[-1]["unmarked"] = unmarked
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in shown)
        prompt = compile_template(self.prompt_template).render(
            label=label,
            definition=self._label_definitions.get(label, ""),
            others=[other for other in labels if other != label],
            max_rules=self._max_rules,
            max_words=MAX_WORDS,
            min_mentions=MIN_MENTIONS,
            nonce=make_nonce(self.salt, text),
            rows=shown,
        )
        definitions = {label: self._label_definitions.get(label, "")}
        return Prompt(prompt, text=text, labels=definitions, demonstrations=own, schema=SCHEMA)

    def parse_responses(
        self, shards: Iterable[Iterable[Doc]], responses: Iterable[Iterable[str]]
    ) -> Iterable[Doc]:
        """Keep the rules of the replies that the labelled documents support.

        shards (Iterable[Iterable[Doc]]): The labelled documents, all together.
        responses (Iterable[Iterable[str]]): The replies, one for each label.
        YIELDS (Doc): The documents, as they were.
        """
        for docs, replies in zip(shards, responses):
            docs = list(docs)
            rows = _rows_of(docs)
            for label, reply in zip(self._find_labels(rows), replies):
                self.rules += self._read(reply, label, rows)
            yield from docs

    def _read(self, reply: str, label: str, rows: List[Demonstration]) -> List[MinedRule]:
        outcome = read_outcome(reply)
        try:
            if outcome.state != "judged":
                raise ReplyError(outcome.reason or outcome.state)
            entries = read_object(reply, "rules", is_cut_off(reply))["rules"]
            if not isinstance(entries, list):
                raise ReplyError("wrong_shape")
        except ReplyError as error:
            self.dropped[str(error)] += 1
            return []
        known = Counter(
            fold_words(e["text"]) for row in rows for e in row["entities"] if e["label"] == label
        )
        kept: List[MinedRule] = []
        for entry in entries:
            try:
                rule = _check(entry, label, known)
                if rule.text.lower() in {other.text.lower() for other in kept}:
                    raise _Unusable("repeated")
                if len(kept) == self._max_rules:
                    raise _Unusable("too_many")
            except _Unusable as reason:
                self.dropped[str(reason)] += 1
            else:
                kept.append(rule)
        return kept


class _Unusable(ValueError):
    """A rule that is not kept; its only argument says why."""


def _check(entry: Any, label: str, known: Counter) -> MinedRule:
    """Read a rule. One that nothing in the labelled set shows is a guess."""
    text = entry.get("rule") if isinstance(entry, dict) else None
    cited = entry.get("mentions") if isinstance(entry, dict) else None
    if not isinstance(text, str) or not isinstance(cited, list):
        raise _Unusable("wrong_type")
    text = " ".join(text.split())
    text = re.sub(rf"^{re.escape(label)}\s*:\s*", "", text, flags=re.IGNORECASE)
    if not text or not text.isprintable():
        raise _Unusable("wrong_type")
    if len(text) > MAX_CHARS or len(text.split()) > MAX_WORDS:
        raise _Unusable("too_long")
    if _ADDRESSED.search(text):
        raise _Unusable("speaks_to_the_judge")
    shown = {fold_words(w): " ".join(w.lower().split()) for w in cited if isinstance(w, str)}
    mentions = {folded: words for folded, words in shown.items() if folded in known}
    if sum(known[folded] for folded in mentions) < MIN_MENTIONS:
        raise _Unusable("unsupported")
    return MinedRule(label, text, tuple(mentions.values()))


def format_rules(rules: Sequence[MinedRule]) -> str:
    """Write rules as the text that judge tasks read and a person edits: `LABEL: rule` a line, and above
    it, as a comment, the mentions that support it.

    EXAMPLE:
        >>> print(format_rules([MinedRule("PEST", "Any snail.", ("slugs", "snail"))]), end="")
        # supported by: slugs; snail
        PEST: Any snail.
    """
    lines = []
    for rule in rules:
        shown = "; ".join(rule.mentions)
        lines += [f"# supported by: {shown}", f"{rule.label}: {rule.text}"]
    return "".join(f"{line}\n" for line in lines)


def mine_rules(
    docs: Iterable[Doc], task: RulesTask, model: Any, output: Union[Path, str]
) -> RulesTask:
    """Ask a model for the rules of a labelled set, and write those that it supports.

    docs (Iterable[Doc]): The labelled documents.
    task (RulesTask): The task.
    model (Any): Any model of spacy-llm's registry `llm_models`.
    output (Union[Path, str]): Gets the rules; it is written only where there are some.
    RETURNS (RulesTask): The task, with `rules` and `dropped`.
    """
    task.salt = getattr(model, "salt", None) or task.salt
    ((prompts, docs),) = task.generate_prompts(docs)
    (replies,) = [list(group) for group in model([prompts])]
    for _ in task.parse_responses([docs], [replies]):
        pass
    if task.rules:
        write_bytes(output, format_rules(task.rules).encode("utf8"))
    return task


def _rows_of(docs: Sequence[Doc]) -> List[Demonstration]:
    target = target_of(docs)
    return [demonstrate(doc, target) for doc in docs]


def _keep_label(row: Demonstration, label: str) -> Demonstration:
    entities = [entity for entity in row["entities"] if entity["label"] == label]
    return {"text": row["text"], "entities": entities}


SCHEMA = {
    "type": "object",
    "properties": {
        "rules": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "rule": {"type": "string"},
                    "mentions": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["rule", "mentions"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["rules"],
    "additionalProperties": False,
}
