"""Vectors of spans as a choice of a config, for what is not a judge but learns from how spans look."""

from pathlib import Path
from typing import Optional, Sequence, Union

import numpy as np

from .span_features import Characters, SpanEncoder, span_features


def make_span_vectors(encoder: Union[Path, str] = "assets/encoder") -> "SpanVectors":
    """Make the function `llmjudge.SpanVectors.v1`. Nothing is loaded before the first call.

    encoder (Union[Path, str]): A folder with a transformers model, or its name on the hub.
    RETURNS (SpanVectors): From texts and spans to vectors.
    """
    return SpanVectors(encoder)


class SpanVectors:
    """Describes spans by what stands inside, at the edges and beside them, see `span_features`.

    encoder (Union[Path, str]): A folder with a transformers model, or its name on the hub.
    """

    def __init__(self, encoder: Union[Path, str]) -> None:
        self._name = encoder
        self._encoder: Optional[SpanEncoder] = None

    def __call__(self, texts: Sequence[str], spans: Sequence[Sequence[Characters]]) -> np.ndarray:
        """Describe the spans of some texts.

        texts (Sequence[str]): The texts, each with at least one span.
        spans (Sequence[Sequence[Characters]]): For each text: start and end character.
        RETURNS (np.ndarray): Shape (n_spans, 5 * width), float32, in the order of texts and spans.
        """
        if self._encoder is None:
            self._encoder = SpanEncoder(self._name)
        encoded = self._encoder.encode(texts)
        rows = [span_features(text, found) for text, found in zip(encoded, spans)]
        return np.concatenate(rows).astype("float32")
