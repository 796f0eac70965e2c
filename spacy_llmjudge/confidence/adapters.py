"""One interface to the probabilities of `ner`, `beam_ner`, `spancat` and `textcat`.

An adapter scores documents once (`score`), turns scores into posteriors as often as it is asked
(`posteriors`), tells what the component itself predicted from what somebody else set (`split`), and
what is correct according to gold (`gold`).
"""

import warnings
from dataclasses import dataclass, field
from typing import Any, Callable, List, Optional, Sequence, Set, Tuple

import numpy as np
from spacy.tokens import Doc
from spacy.training import Example

from ..errors import Errors, LLMJudgeError, Warnings
from .posterior import (
    CUT,
    TIE,
    SpanKey,
    SpanPosteriors,
    agrees_with_predict,
    entity_regrets,
    posteriors_from_scores,
    span_keys,
    unset_copy,
)
from .states import is_exact_for, require_encoder_output, score_states

BEAM_WIDTH = 16
_TEST_DOCS = 8


@dataclass
class Gold:
    """What is known to be right in one document.

    spans (Set[Tuple[int, int, str]]): The correct spans, on the tokens of the predicted document.
    is_known (Callable): Whether a span can be judged at all: gold may be partial.
    """

    spans: Set[SpanKey] = field(default_factory=set)
    is_known: Callable[[SpanKey], bool] = lambda key: True

    def is_correct(self, key: SpanKey) -> Optional[bool]:
        """RETURNS (Optional[bool]): None where the annotation does not say."""
        if key in self.spans:
            return True
        return False if self.is_known(key) else None


class NerAdapter:
    """The stock greedy `ner`, by the exact pass.

    has_temperature (bool): Whether a temperature inside of the pass changes anything.
    keeps_all (bool): Whether all that it scores are candidates, however unlikely.
    """

    has_temperature = True
    keeps_all = False

    def __init__(self, ner: Any) -> None:
        self.component = ner

    def score(self, docs: Sequence[Doc]) -> List[Any]:
        return score_states(self.component, docs)

    def posteriors(
        self,
        scores: Sequence[Any],
        *,
        temperature: float = 1.0,
        cut: float = CUT,
        forced: Optional[Sequence[Sequence[SpanKey]]] = None,
    ) -> List[SpanPosteriors]:
        return posteriors_from_scores(scores, temperature=temperature, cut=cut, forced=forced)

    def predicted(self, doc: Doc) -> List[SpanKey]:
        """RETURNS (List[SpanKey]): The entities of an annotated document, whoever set them."""
        return span_keys(doc.ents)

    def split(self, doc: Doc, scores: Any) -> Tuple[List[SpanKey], List[SpanKey]]:
        """Entities that the component predicts by itself, and those that others must have set."""
        keys = self.predicted(doc)
        regrets, _ = entity_regrets(scores, keys)
        predicted = [key for key, regret in zip(keys, regrets) if regret <= TIE]
        return predicted, [key for key in keys if key not in predicted]

    def gold(self, example: Example) -> Gold:
        return _gold_entities(example)


class BeamAdapter(NerAdapter):
    """The shares of the beams that hold an entity: for `beam_ner`, and for parsers of others."""

    has_temperature = False

    def score(self, docs: Sequence[Doc]) -> List[Any]:
        require_encoder_output(self.component, docs)
        copies = [unset_copy(doc) for doc in docs if len(doc)]
        width = max(self.component.cfg.get("beam_width", 1), BEAM_WIDTH)
        found = iter(())
        if copies:
            beams = self.component.beam_parse(copies, beam_width=width)
            found = iter(self.component.scored_ents(beams))
        return [(len(doc), next(found) if len(doc) else {}) for doc in docs]

    def posteriors(
        self,
        scores: Sequence[Any],
        *,
        temperature: float = 1.0,
        cut: float = CUT,
        forced: Optional[Sequence[Sequence[SpanKey]]] = None,
    ) -> List[SpanPosteriors]:
        forced = [()] * len(scores) if forced is None else forced
        results = []
        for (length, shares), blocked in zip(scores, forced):
            outside = np.ones(length)
            taken = {i for start, end, _ in blocked for i in range(start, end)}
            spans = {}
            for (start, end, label), share in sorted(shares.items()):
                if share < cut or taken.intersection(range(start, end)):
                    continue
                spans[(start, end, label)] = min(float(share), 1.0)
                outside[start:end] -= share
            outside[sorted(taken)] = 0.0
            results.append(SpanPosteriors(spans, np.clip(outside, 0.0, 1.0)))
        return results

    def split(self, doc: Doc, scores: Any) -> Tuple[List[SpanKey], List[SpanKey]]:
        keys = self.predicted(doc)
        predicted = [key for key in keys if scores[1].get(key, 0.0) > 0.0]
        return predicted, [key for key in keys if key not in predicted]


class SpancatAdapter:
    """The scores of `spancat` and `spancat_singlelabel` for every span that the suggester proposes, near
    misses included, each independent of the others."""

    has_temperature = True
    keeps_all = False

    def __init__(self, spancat: Any) -> None:
        self.component = spancat
        self.key = spancat.cfg["spans_key"]

    def score(self, docs: Sequence[Doc]) -> List[Any]:
        require_encoder_output(self.component, docs)
        scored: List[Any] = [(len(doc), {}) for doc in docs]
        rows = [i for i, doc in enumerate(docs) if len(doc)]
        if rows:
            indices, scores = self.component.predict([docs[i] for i in rows])
            to_numpy = self.component.model.ops.to_numpy
            spans, values = to_numpy(indices.dataXd), to_numpy(scores)
            lengths = to_numpy(indices.lengths)
            owner = np.repeat(np.array(rows), lengths)
            labels = self.component.labels
            for row, column in zip(*np.nonzero(values[:, : len(labels)] >= CUT)):
                start, end = (int(n) for n in spans[row])
                key = (start, end, labels[column])
                scored[owner[row]][1][key] = float(values[row, column])
        return scored

    def posteriors(
        self,
        scores: Sequence[Any],
        *,
        temperature: float = 1.0,
        cut: float = CUT,
        forced: Optional[Sequence[Sequence[SpanKey]]] = None,
    ) -> List[SpanPosteriors]:
        results = []
        for length, values in scores:
            outside = np.ones(length)
            spans = {}
            for key, value in sorted(values.items()):
                spans[key] = _temper(value, temperature)
                outside[key[0] : key[1]] *= 1.0 - spans[key]
            results.append(SpanPosteriors(spans, outside))
        return results

    def predicted(self, doc: Doc) -> List[SpanKey]:
        return span_keys(doc.spans.get(self.key, ()))

    def split(self, doc: Doc, scores: Any) -> Tuple[List[SpanKey], List[SpanKey]]:
        return self.predicted(doc), []

    def gold(self, example: Example) -> Gold:
        if self.key not in example.reference.spans:
            return Gold(is_known=lambda key: False)
        spans = example.reference.spans[self.key]
        aligned = example.get_aligned_spans_y2x(spans, allow_overlap=True)
        return Gold(set(span_keys(aligned)))


class TextcatAdapter:
    """The probabilities of `textcat` and `textcat_multilabel`: a candidate is the whole document with a
    label, and all labels are candidates."""

    has_temperature = True
    keeps_all = True

    def __init__(self, textcat: Any) -> None:
        from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer

        self.component = textcat
        self.is_exclusive = not isinstance(textcat, MultiLabel_TextCategorizer)

    def score(self, docs: Sequence[Doc]) -> List[Any]:
        labels = self.component.labels
        return [
            (
                len(doc),
                {
                    (0, len(doc), label): float(doc.cats[label])
                    for label in labels
                    if label in doc.cats and len(doc)
                },
            )
            for doc in docs
        ]

    def posteriors(
        self,
        scores: Sequence[Any],
        *,
        temperature: float = 1.0,
        cut: float = CUT,
        forced: Optional[Sequence[Sequence[SpanKey]]] = None,
    ) -> List[SpanPosteriors]:
        results = []
        for _, values in scores:
            spans = {key: _temper(value, temperature) for key, value in values.items()}
            results.append(SpanPosteriors(spans, None))
        return results

    def predicted(self, doc: Doc) -> List[SpanKey]:
        threshold = self.component.cfg.get("threshold") or 0.5
        labels = [label for label, p in doc.cats.items() if p >= threshold]
        if self.is_exclusive and doc.cats:
            labels = [max(doc.cats, key=doc.cats.__getitem__)]
        return [(0, len(doc), label) for label in labels if len(doc)]

    def split(self, doc: Doc, scores: Any) -> Tuple[List[SpanKey], List[SpanKey]]:
        return self.predicted(doc), []

    def gold(self, example: Example) -> Gold:
        cats, length = example.reference.cats, len(example.predicted)
        spans = {(0, length, label) for label, value in cats.items() if value >= 0.5}
        return Gold(spans, is_known=lambda key: key[2] in cats)


def make_adapter(pipe: Any, docs: Sequence[Doc]) -> Any:
    """Choose the adapter of a component, and test the exact pass before it is trusted.

    pipe (Any): The component.
    docs (Sequence[Doc]): Documents for the self-test; a few are enough.
    RETURNS (Any): The adapter.
    RAISES (LLMJudgeError): J105 where the component has no probabilities that we can read.
    """
    from spacy.pipeline import EntityRecognizer, SpanCategorizer, TextCategorizer

    if isinstance(pipe, EntityRecognizer):
        if pipe.cfg.get("beam_width", 1) != 1:
            return BeamAdapter(pipe)
        sample = [doc for doc in docs if len(doc)][:_TEST_DOCS]
        require_encoder_output(pipe, sample)
        if is_exact_for(pipe) and agrees_with_predict(pipe, sample):
            return NerAdapter(pipe)
        warnings.warn(Warnings.JW101.format(name=pipe.name, width=BEAM_WIDTH), stacklevel=2)
        return BeamAdapter(pipe)
    if isinstance(pipe, SpanCategorizer):
        return SpancatAdapter(pipe)
    if isinstance(pipe, TextCategorizer):
        return TextcatAdapter(pipe)
    raise LLMJudgeError(
        Errors.J105.format(name=getattr(pipe, "name", pipe), found=type(pipe).__name__)
    )


def _gold_entities(example: Example) -> Gold:
    tags = example.get_aligned_ner()
    unknown = np.array([tag is None for tag in tags], dtype=bool)
    spans = example.get_aligned_spans_y2x(example.reference.ents)
    if not unknown.any():
        return Gold(set(span_keys(spans)))
    return Gold(
        set(span_keys(spans)),
        is_known=lambda key: not unknown[key[0] : key[1]].any(),
    )


def _temper(p: float, temperature: float) -> float:
    """sigmoid(logit(p) / T), without overflow at 0 and 1."""
    if temperature == 1.0:
        return p
    right, wrong = p ** (1.0 / temperature), (1.0 - p) ** (1.0 / temperature)
    return right / (right + wrong)
