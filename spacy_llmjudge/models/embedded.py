"""A judge without an LLM: a verifier over embeddings, fitted on the labelled set, offline, in seconds."""
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from ..storage import sha256_json
from .messages import Prompt, Reply

if TYPE_CHECKING:
    from .verifier import Verifier

LISTED = 0.5


def make_embedded_model(
    encoder: Union[Path, str] = "assets/encoder", seed: int = 0
) -> "EmbeddedModel":
    """Make the model `llmjudge.Embedded.v1`. Nothing is loaded before the first prompt.

    encoder (Union[Path, str]): A folder with a transformers model, or its name on the hub.
    seed (int): Draws the negatives that the verifier learns from.
    RETURNS (EmbeddedModel): The model.
    """
    return EmbeddedModel(encoder, seed)


class EmbeddedModel:
    """Answers in the reply format of the annotating task, about the candidates that a prompt carries.

    It reads the prompt's candidates and its demonstrations (all labelled documents), never the prompt
    itself, so it proposes nothing and no text can talk to it.
    """

    def __init__(self, encoder: Union[Path, str], seed: int) -> None:
        self._encoder_name = encoder
        self._seed = seed
        self._encoder = None
        self._verifiers: Dict[str, "Verifier"] = {}
        self._last: Optional[Tuple[Any, "Verifier"]] = None

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Answer prompts.

        prompts (Iterable[Iterable[str]]): The prompts of each document.
        RETURNS (Iterable[Iterable[str]]): The replies, in the same order.
        """
        nested = [list(of_doc) for of_doc in prompts]
        flat = [prompt for of_doc in nested for prompt in of_doc]
        replies: List[Reply] = [Reply("", state="abstained", reason="plain_prompt")] * len(flat)
        groups: Dict[int, Tuple["Verifier", List[int]]] = {}
        for i, prompt in enumerate(flat):
            if isinstance(prompt, Prompt):
                verifier = self._get_verifier(prompt)
                groups.setdefault(id(verifier), (verifier, []))[1].append(i)
        for verifier, members in groups.values():
            scores = verifier.probabilities(
                [flat[i].text for i in members], [flat[i].candidates for i in members]
            )
            for i, probabilities in zip(members, scores):
                replies[i] = Reply(make_reply(flat[i].text, flat[i].candidates, probabilities))
        queue = iter(replies)
        return [[next(queue) for _ in of_doc] for of_doc in nested]

    def _get_verifier(self, prompt: Prompt) -> "Verifier":
        if self._last is not None and self._last[0] is prompt.demonstrations:
            return self._last[1]
        from .span_features import SpanEncoder
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
            "confidence": round(min(max(100 * probability, 1.0), 99.0), 2),
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
