"""Vectors of spans from a pretrained encoder: what stands inside, at the edges and beside a span.

They are read from the middle layer: the last one of a sentence encoder has washed out which word is
which. On two corpora the verifier's AUROC is .86 and .83 with the last layer of all-MiniLM-L6-v2,
.89 and .89 with its third.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from .layers import load_layers

Characters = Tuple[int, int]

MAX_PIECES = 256
STRIDE = 64
BATCH_PIECES = 8192


@dataclass
class EncodedText:
    """The word pieces of a text, in chunks that the encoder can take at once.

    vectors (List[np.ndarray]): For every chunk, shape (n_pieces, width).
    offsets (List[np.ndarray]): For every chunk, shape (n_pieces, 2): start and end character; both 0
        for the pieces that stand for no characters.
    """

    vectors: List[np.ndarray]
    offsets: List[np.ndarray]


class SpanEncoder:
    """The lower half of a transformer, loaded once, on the CPU, without gradients.

    name (Union[Path, str]): A folder, or the name of a model on the hub.
    """

    def __init__(self, name: Union[Path, str]) -> None:
        self._tokenizer, self._model = load_layers(name, lower_half=True)
        limit = getattr(self._model.config, "max_position_embeddings", MAX_PIECES)
        self._max_pieces = min(MAX_PIECES, limit)

    def encode(self, texts: Sequence[str]) -> List[EncodedText]:
        """Encode texts; long ones in chunks that overlap.

        texts (Sequence[str]): The texts.
        RETURNS (List[EncodedText]): In the same order.
        """
        if not texts:
            return []
        pieces = self._tokenizer(
            list(texts),
            truncation=True,
            max_length=self._max_pieces,
            stride=min(STRIDE, self._max_pieces // 4),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        owners = pieces.pop("overflow_to_sample_mapping")
        offsets = pieces.pop("offset_mapping")
        encoded = [EncodedText([], []) for _ in texts]
        vectors = self._run(pieces)
        for chunk, owner in enumerate(owners):
            encoded[owner].vectors.append(vectors[chunk])
            encoded[owner].offsets.append(np.asarray(offsets[chunk], dtype=int).reshape(-1, 2))
        return encoded

    def _run(self, pieces: Mapping[str, Any]) -> List[np.ndarray]:
        import torch
        from torch.nn.utils.rnn import pad_sequence

        lengths = [len(ids) for ids in pieces["input_ids"]]
        vectors: List[np.ndarray] = [np.zeros((0, 0))] * len(lengths)
        order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
        start = 0
        while start < len(order):
            size = 1
            while (
                start + size < len(order)
                and (size + 1) * lengths[order[start + size]] <= BATCH_PIECES
            ):
                size += 1
            batch = order[start : start + size]
            ids = [torch.tensor(pieces["input_ids"][i]) for i in batch]
            mask = [torch.ones(len(row), dtype=torch.long) for row in ids]
            padding = self._tokenizer.pad_token_id or 0
            with torch.inference_mode():
                output = self._model(
                    input_ids=pad_sequence(ids, batch_first=True, padding_value=padding),
                    attention_mask=pad_sequence(mask, batch_first=True),
                ).last_hidden_state.numpy()
            for row, i in enumerate(batch):
                vectors[i] = output[row, : lengths[i]]
            start += size
        return vectors


def span_features(encoded: EncodedText, spans: Sequence[Characters]) -> np.ndarray:
    """Describe spans by the vectors inside them, at both edges, and on both sides.

    encoded (EncodedText): The text.
    spans (Sequence[Characters]): Start and end character of each span.
    RETURNS (np.ndarray): Shape (n_spans, 5 * width): the mean of the pieces inside, the first and the
        last piece, and the pieces before and after the span.
    """
    return np.stack([_describe(*_find_pieces(encoded, span)) for span in spans])


def _find_pieces(encoded: EncodedText, span: Characters) -> Tuple[np.ndarray, int, int]:
    """The chunk that shows most of a span with context on both sides, and the pieces inside."""
    best = None
    for vectors, offsets in zip(encoded.vectors, encoded.offsets):
        inside = np.flatnonzero((offsets[:, 0] < span[1]) & (offsets[:, 1] > span[0]))
        if len(inside):
            first, last = int(inside[0]), int(inside[-1])
            margin = min(first, len(offsets) - 1 - last)
            key = (last - first, margin)
            if best is None or key > best[0]:
                best = (key, vectors, first, last)
    if best is None:
        # White space has no pieces: the whole text stands for it.
        return encoded.vectors[0], 0, len(encoded.vectors[0]) - 1
    return best[1:]


def _describe(vectors: np.ndarray, first: int, last: int) -> np.ndarray:
    before, after = max(first - 1, 0), min(last + 1, len(vectors) - 1)
    parts = [
        vectors[first : last + 1].mean(axis=0),
        vectors[first],
        vectors[last],
        vectors[before],
        vectors[after],
    ]
    return np.concatenate(parts)


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
        self.encoder = encoder
        self._encoder: Optional[SpanEncoder] = None

    def __call__(self, texts: Sequence[str], spans: Sequence[Sequence[Characters]]) -> np.ndarray:
        """Describe the spans of some texts.

        texts (Sequence[str]): The texts, each with at least one span.
        spans (Sequence[Sequence[Characters]]): For each text: start and end character.
        RETURNS (np.ndarray): Shape (n_spans, 5 * width), float32, in the order of texts and spans.
        """
        if self._encoder is None:
            self._encoder = SpanEncoder(self.encoder)
        encoded = self._encoder.encode(texts)
        rows = [span_features(text, found) for text, found in zip(encoded, spans)]
        return np.concatenate(rows).astype("float32")
