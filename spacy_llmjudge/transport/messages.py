"""What goes to a model and what comes back: strings that carry more than their characters.

Any spacy-llm model sees plain strings. Our own models read what a prompt carries beside its text,
and our own tasks read what a reply carries; both fall back to the string alone.
"""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple


class Prompt(str):
    """A prompt that knows what it asks about.

    text (str): The text of the document or window under judgement.
    candidates (Tuple[Tuple[int, int, str], ...]): Start character, end character (both into
        `text`), and label of every candidate in question.
    labels (Dict[str, str]): Label to definition; the definition may be empty.
    demonstrations (Tuple[Mapping[str, Any], ...]): `{"text": ..., "entities": [{"text", "label"}]}`, or
        `{"text": ..., "labels": [...]}` where whole documents are labelled.
    schema (Optional[Dict[str, Any]]): The JSON schema of the reply, where the task has one.
    options (Optional[Tuple[str, ...]]): The answers to choose from, where the task asks for one
        token; a model that returns log-probabilities returns them for these.
    verdicts (Tuple[Dict[str, str], ...]): For every candidate the verdict that each letter stands for,
        where the task asks about each: a reply has a line `number: letter | probability | correction`
        for each, and a model that returns log-probabilities returns them with it.
    sample (int): Which of several draws for the same question this is; each is a request of its own.
    exclusive (Optional[bool]): Where it asks for the labels of the whole document: whether that has
        exactly one.
    logprobs (bool): Whether the task reads the log-probabilities of the reply's own tokens.
    """

    text: str
    candidates: Tuple[Tuple[int, int, str], ...]
    labels: Dict[str, str]
    demonstrations: Tuple[Mapping[str, Any], ...]
    schema: Optional[Dict[str, Any]]
    options: Optional[Tuple[str, ...]]
    verdicts: Tuple[Dict[str, str], ...]
    sample: int
    exclusive: Optional[bool] = None
    logprobs: bool = False

    def __new__(
        cls,
        prompt: str,
        *,
        text: str = "",
        candidates: Sequence[Tuple[int, int, str]] = (),
        labels: Optional[Dict[str, str]] = None,
        demonstrations: Sequence[Mapping[str, Any]] = (),
        schema: Optional[Dict[str, Any]] = None,
        options: Optional[Sequence[str]] = None,
        verdicts: Sequence[Dict[str, str]] = (),
        sample: int = 0,
        exclusive: Optional[bool] = None,
        logprobs: bool = False,
    ) -> "Prompt":
        self = super().__new__(cls, prompt)
        self.text = text
        self.candidates = tuple(candidates)
        self.labels = dict(labels or {})
        self.demonstrations = tuple(demonstrations)
        self.schema = schema
        self.options = None if options is None else tuple(options)
        self.verdicts = tuple(verdicts)
        self.sample = sample
        if exclusive is not None:
            # What a prompt does not carry is no part of a request, so that ledgers keep their replies.
            self.exclusive = exclusive
        if logprobs:
            self.logprobs = True
        return self


class Token(NamedTuple):
    """A token that a model generated.

    data (bytes): What it spells, in UTF-8; a token may be a part of a character.
    logprob (float): The natural logarithm of its probability.
    """

    data: bytes
    logprob: float


class Reply(str):
    """A reply that knows how it came about.

    state (str): "replied", "abstained" (asked, and no usable reply will ever come) or "not_sent" (not
        asked, or the server failed: another run can ask).
    reason (Optional[str]): Why there is no usable reply, a short snake_case word.
    logprobs (Optional[List[Dict[str, float]]]): For every generated token, the log-probabilities of
        its most likely alternatives (natural logarithm).
    tokens (Optional[List[Token]]): The generated tokens themselves, thinking included.
    usage (Dict[str, int]): Tokens: `tokens_in`, `tokens_out`, where the model says so.
    """

    state: str
    reason: Optional[str]
    logprobs: Optional[List[Dict[str, float]]]
    tokens: Optional[List[Token]]
    usage: Dict[str, int]

    def __new__(
        cls,
        reply: str = "",
        *,
        state: str = "replied",
        reason: Optional[str] = None,
        logprobs: Optional[List[Dict[str, float]]] = None,
        tokens: Optional[List[Token]] = None,
        usage: Optional[Dict[str, int]] = None,
    ) -> "Reply":
        self = super().__new__(cls, reply)
        self.state = state
        self.reason = reason
        self.logprobs = logprobs
        self.tokens = tokens
        self.usage = dict(usage or {})
        return self
