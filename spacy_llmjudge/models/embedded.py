"""A judge without an LLM: a verifier over embeddings, fitted on the labelled set, offline, in seconds."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from ..storage import sha256_json
from ..transport.in_process import InProcess
from ..transport.messages import Prompt, Reply
from .verdict_lines import LEAST, MOST, Finding, write_verdict_lines

if TYPE_CHECKING:
    from ..encoders.span_features import SpanEncoder
    from .verifier import Verifier

LISTED = 0.5

Candidate = Tuple[int, int, str]


def make_embedded_model(
    encoder: Union[Path, str] = "assets/encoder", seed: int = 0
) -> "EmbeddedModel":
    """Make the model `llmjudge.Embedded.v1`. Nothing is loaded before the first prompt.

    encoder (Union[Path, str]): A folder with a transformers model, or its name on the hub.
    seed (int): Draws the negatives that the verifier learns from.
    RETURNS (EmbeddedModel): The model.
    """
    return EmbeddedModel(encoder, seed)


class EmbeddedModel(InProcess):
    """Replies about the candidates that a prompt carries, in the reply format of the task that asks.

    It reads the prompt's candidates and its demonstrations (all labelled documents), never the prompt
    itself, so no text can talk to it. Asked for a list it proposes nothing; asked about each candidate
    it proposes what is nearer to what was labelled: another label, or a word more or less.
    """

    def __init__(self, encoder: Union[Path, str], seed: int) -> None:
        self._encoder_name = encoder
        self._seed = seed
        self._encoder: Optional[SpanEncoder] = None
        self._verifiers: Dict[str, Verifier] = {}
        self._last: Optional[Tuple[Any, Verifier]] = None

    def describe(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What tells this model from others, as JSON."""
        # As the ledgers have it that were written so far.
        settings: Dict[str, Any] = {"class": "spacy_llmjudge.models.embedded:EmbeddedModel"}
        settings.update({"seed": self._seed, "verifiers": {}})
        if isinstance(self._encoder_name, str):
            settings["encoder_name"] = self._encoder_name
        return settings

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Reply to prompts.

        prompts (Iterable[Iterable[str]]): The prompts of each document.
        RETURNS (Iterable[Iterable[str]]): The replies, in the same order.
        """
        nested = [list(of_doc) for of_doc in prompts]
        flat = [prompt for of_doc in nested for prompt in of_doc]
        replies: List[Reply] = [Reply("", state="abstained", reason="plain_prompt")] * len(flat)
        groups: Dict[int, Tuple[Verifier, List[Tuple[int, Prompt]]]] = {}
        for i, prompt in enumerate(flat):
            if isinstance(prompt, Prompt):
                verifier = self._get_verifier(prompt)
                groups.setdefault(id(verifier), (verifier, []))[1].append((i, prompt))
        for verifier, members in groups.values():
            asked = [_list_spans(prompt) for _, prompt in members]
            scores = verifier.probabilities([prompt.text for _, prompt in members], asked)
            for (i, prompt), spans, probabilities in zip(members, asked, scores):
                replies[i] = Reply(_write_reply(prompt, dict(zip(spans, probabilities))))
        queue = iter(replies)
        return [[next(queue) for _ in of_doc] for of_doc in nested]

    def _get_verifier(self, prompt: Prompt) -> "Verifier":
        if self._last is not None and self._last[0] is prompt.demonstrations:
            return self._last[1]
        from ..encoders.span_vectors import SpanEncoder
        from .verifier import fit_verifier

        key = sha256_json([list(prompt.demonstrations), sorted(prompt.labels)])
        if key not in self._verifiers:
            if self._encoder is None:
                self._encoder = SpanEncoder(self._encoder_name)
            self._verifiers[key] = fit_verifier(
                self._encoder, prompt.demonstrations, sorted(prompt.labels), self._seed
            )
        self._last = (prompt.demonstrations, self._verifiers[key])
        return self._verifiers[key]


def _list_spans(prompt: Prompt) -> List[Candidate]:
    """The candidates, and what else they could be where the task wants to know that."""
    spans = list(prompt.candidates)
    if prompt.verdicts:
        from .verifier import find_words, shift

        words = find_words(prompt.text)
        for start, end, label in prompt.candidates:
            spans += [(start, end, other) for other in sorted(prompt.labels)]
            spans += [(*place, label) for place in shift(words, [(start, end)])]
    return list(dict.fromkeys(spans))


def _write_reply(prompt: Prompt, probabilities: Dict[Candidate, float]) -> str:
    candidates = prompt.candidates
    if not prompt.verdicts:
        return make_reply(prompt.text, candidates, [probabilities[c] for c in candidates])
    findings = [find_verdict(prompt.text, c, probabilities) for c in candidates]
    return write_verdict_lines(findings, prompt.verdicts)


def find_verdict(text: str, candidate: Candidate, probabilities: Dict[Candidate, float]) -> Finding:
    """Choose the verdict on a candidate: the likeliest reading, if one is over LISTED.

    text (str): The text of the prompt.
    candidate (Candidate): Start character, end character and label.
    probabilities (Dict[Candidate, float]): Of the candidate, of its span with other labels, and of
        spans with its label that share words with it.
    RETURNS (Finding): The verdict, the probability of the candidate, and the reading that is better.
    """
    start, end, label = candidate
    probability = probabilities[candidate]
    if probability >= LISTED:
        return Finding("correct", probability)
    others = [
        (p, other)
        for other, p in probabilities.items()
        if other[:2] == (start, end) or (other[2] == label and other[0] < end and start < other[1])
    ]
    best, (best_start, best_end, best_label) = max(others)
    if best < LISTED:
        return Finding("not_entity", probability)
    if (best_start, best_end) == (start, end):
        return Finding("wrong_label", probability, best_label)
    return Finding("wrong_boundary", probability, text[best_start:best_end])


def make_reply(
    text: str, candidates: Sequence[Tuple[int, int, str]], probabilities: Sequence[float]
) -> str:
    """Put probabilities into the reply format of the annotating task.

    The best candidates over LISTED that do not overlap are the entities, the rest are alternatives.
    Each entry says where it starts, as the same words may stand in a text more than once.

    text (str): The text of the prompt.
    candidates (Sequence[Tuple[int, int, str]]): Start character, end character and label.
    probabilities (Sequence[float]): Of each to be correct.
    RETURNS (str): JSON.
    """
    ranked = sorted(zip(probabilities, candidates), key=lambda pair: (-pair[0], pair[1]))
    entities: List[Dict[str, Any]] = []
    alternatives: List[Dict[str, Any]] = []
    covered: List[Tuple[int, int]] = []
    for probability, (start, end, label) in ranked:
        entry = {
            "text": text[start:end],
            "label": label,
            # With a percent sign: where all are at the least, 1.0 would be read as certainty.
            "confidence": f"{round(min(max(100 * probability, LEAST), MOST), 2):g}%",
            "start": start,
        }
        if probability >= LISTED and all(end <= s or e <= start for s, e in covered):
            covered.append((start, end))
            entities.append(entry)
        else:
            alternatives.append(entry)
    for entries in (entities, alternatives):
        entries.sort(key=lambda entry: (entry["start"], len(entry["text"]), entry["label"]))
    return json.dumps({"entities": entities, "alternatives": alternatives}, ensure_ascii=False)
