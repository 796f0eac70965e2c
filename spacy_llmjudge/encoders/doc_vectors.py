"""Vectors of documents for the denoisers, computed once and kept beside the hash of what they are of.

They are the means of the encoder's middle and last layer, side by side. The last layer of a sentence
encoder knows what a text is about, but has washed out how it is said, such as whether it asks: on the
topics of the demo the log-loss on LLM labels that were held out is 1.24 with the last layer, 1.22 with
the middle one, and 1.12 with both, as well as with all (`scripts/topics_layers.py`).
"""

from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Union

import numpy as np

from .fetch import NONE, verify_encoder
from .layers import load_layers, middle_and_last

MAX_PIECES = 256
BATCH = 32
# without an encoder: words and pairs of words, reduced to this width
TFIDF_WIDTH = 200


def embed_documents(encoder: Path, texts: Sequence[str]) -> np.ndarray:
    """Compute the vectors of documents, centred on their own mean.

    encoder (Path): The folder that `encoder` wrote. The encoder "none" stands for TF-IDF, reduced by an SVD.
    texts (Sequence[str]): The documents.
    RETURNS (np.ndarray): Shape (documents, width), float32, rows of length 1.
    """
    if verify_encoder(encoder)["name"] == NONE:
        return embed_words({"pool": list(texts)})["pool"]
    return centre_layers({"pool": load_encoder(encoder)(texts)})["pool"]


def load_encoder(
    name: Union[Path, str], layers: Optional[Sequence[int]] = None
) -> Callable[..., np.ndarray]:
    """Load a transformer that turns a text into the means of some of its layers.

    name (Union[Path, str]): A folder, or the name of a model on the hub.
    layers (Optional[Sequence[int]]): Which, from 1; 0 is the embeddings of the word pieces. None takes the
        middle and the last one.
    RETURNS (Callable): From texts (and a function that hears of progress) to shape (texts, layers, width).
        Texts of more than 256 word pieces are read up to there.
    """
    tokenizer, model = load_layers(name)

    def embed(texts: Sequence[str], progress: Optional[Callable[[int], None]] = None) -> np.ndarray:
        import torch

        order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))
        out: Dict[int, np.ndarray] = {}
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            pieces = tokenizer(
                [texts[i] for i in chosen],
                padding=True,
                truncation=True,
                max_length=MAX_PIECES,
                return_tensors="pt",
            )
            with torch.inference_mode():
                found = model(**pieces, output_hidden_states=True).hidden_states
                chosen_layers = middle_and_last(len(found) - 1) if layers is None else layers
                hidden = torch.stack([found[i] for i in chosen_layers], dim=1)
                mask = pieces["attention_mask"][:, None, :, None]
                mean = ((hidden * mask).sum(dim=2) / mask.sum(dim=2)).numpy()
            for row, i in enumerate(chosen):
                out[i] = mean[row]
            if progress is not None:
                progress(len(chosen))
        return np.stack([out[i] for i in range(len(texts))]).astype("float32")

    return embed


def centre_layers(vectors: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Put layers side by side, each without the pool's mean, each with the same share of the length.

    vectors (Dict[str, np.ndarray]): By split, shape (texts, layers, width); "pool" must be there.
    RETURNS (Dict[str, np.ndarray]): By split, shape (texts, layers * width), rows of length 1.

    >>> both = centre_layers({"pool": np.array([[[1.0, 0.0]], [[0.0, 1.0]]])})
    >>> (both["pool"] > 0).tolist()
    [[True, False], [False, True]]
    """
    mean = vectors["pool"].mean(axis=0, keepdims=True)
    found = {}
    for split, rows in vectors.items():
        moved = rows - mean
        length = np.maximum(np.linalg.norm(moved, axis=2, keepdims=True), 1e-8)
        unit = moved / length / np.sqrt(rows.shape[1])
        found[split] = unit.reshape(len(rows), -1).astype("float32")
    return found


def embed_words(texts: Dict[str, List[str]]) -> Dict[str, np.ndarray]:
    """TF-IDF of words and pairs of words, reduced by an SVD; both are fitted on the pool.

    texts (Dict[str, List[str]]): By split; "pool" must be there.
    RETURNS (Dict[str, np.ndarray]): Vectors of length 1 by split, shape (texts, width).
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
    pool = vectorizer.fit_transform(texts["pool"])
    # with as many dimensions as texts, every text would be a direction of its own
    width = max(1, min(TFIDF_WIDTH, min(pool.shape) // 4))
    svd = TruncatedSVD(width, random_state=0).fit(pool)
    return {
        split: normalize(svd.transform(vectorizer.transform(of_split))).astype("float32")
        for split, of_split in texts.items()
    }
