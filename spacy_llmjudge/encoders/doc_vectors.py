"""Vectors of documents for the denoisers, computed once and kept beside the hash of what they are of.

They are the means of the encoder's middle and last layer, side by side. The last layer of a sentence
encoder knows what a text is about, but has washed out how it is said, such as whether it asks: on the
topics of the demo the log-loss on LLM labels that were held out is 1.24 with the last layer, 1.22 with
the middle one, and 1.12 with both, as well as with all (`scripts/topics_layers.py`).
"""

import io
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, TypedDict, Union
from zipfile import BadZipFile

import numpy as np

from ..errors import Errors, LLMJudgeError
from ..storage import (
    PathLike,
    read_docs,
    require_file,
    sha256_json,
    write_bytes,
)
from .fetch import NONE, verify_encoder
from .layers import load_layers, middle_and_last

SPLITS = ("pool", "test")
MAX_PIECES = 256
BATCH = 32
# without an encoder: words and pairs of words, reduced to this width
TFIDF_WIDTH = 200


class Features(TypedDict):
    """What `make_features` has made: documents by split, the width of a vector, and whether anything was
    computed (False where all was there)."""

    documents: Dict[str, int]
    width: int
    computed: bool


def make_features(
    corpus: PathLike,
    encoder: PathLike,
    output: PathLike,
    *,
    progress: Optional[Callable[[int], None]] = None,
) -> Features:
    """Write the vectors of pool and test, unless they are there already.

    corpus (PathLike): The folder that `prepare` wrote.
    encoder (PathLike): The folder that `encoder` wrote. The encoder "none" stands for TF-IDF, reduced
        by an SVD that is fitted on the pool.
    output (PathLike): The folder; gets `pool.npz` and `test.npz`.
    progress (Optional[Callable[[int], None]]): Called with the number of documents that are done.
    RETURNS (Features): What was made.
    """
    from spacy.vocab import Vocab

    corpus, encoder, output = Path(corpus), Path(encoder), Path(output)
    vocab = Vocab()
    texts: Dict[str, List[str]] = {}
    for split in SPLITS:
        path = corpus / f"{split}.spacy"
        if split == "pool" or path.exists():
            require_file(path, "Run the step `prepare` first.")
            texts[split] = [doc.text for doc in read_docs(path, vocab)]
    record = verify_encoder(encoder)
    mark = sha256_json([record["name"], record["sha256"], texts])
    files = {split: output / f"{split}.npz" for split in texts}
    documents = {split: len(of_split) for split, of_split in texts.items()}
    kept = [one for one in map(_load, files.values()) if one and one.texts and one.mark == mark]
    if len(kept) == len(files):
        width = int(kept[0].features.shape[1])
        return {"documents": documents, "width": width, "computed": False}
    if record["name"] == NONE:
        found = embed_words(texts)
    else:
        embed = load_encoder(encoder)
        found = centre_layers({s: embed(of_split, progress) for s, of_split in texts.items()})
    for split, path in files.items():
        stream = io.BytesIO()
        digest = np.array(sha256_json(texts[split]))
        np.savez(stream, features=found[split], mark=np.array(mark), texts=digest)
        write_bytes(path, stream.getvalue())
    return {"documents": documents, "width": int(found["pool"].shape[1]), "computed": True}


def read_features(path: PathLike, texts: Sequence[str]) -> np.ndarray:
    """Read the vectors of a split.

    path (PathLike): A file that `make_features` wrote.
    texts (Sequence[str]): The texts of the split, shape (n,).
    RETURNS (np.ndarray): Shape (n, width), float32.
    RAISES (LLMJudgeError): J908 where they are the vectors of other texts.
    """
    path = require_file(path, "Run `textcat features` first.")
    found = _load(path)
    if found is None or found.texts != sha256_json(list(texts)):
        rows = None if found is None else len(found.features)
        raise LLMJudgeError(Errors.J908.format(path=path, rows=rows, n=len(texts)))
    return found.features


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


class _Kept(NamedTuple):
    """The content of a file: vectors, the hash of all that they depend on, the hash of the split's texts."""

    features: np.ndarray
    mark: str
    texts: str


def _load(path: Path) -> Optional[_Kept]:
    try:
        with np.load(path, allow_pickle=False) as file_:
            marks = (str(file_[name]) if name in file_.files else "" for name in _Kept._fields[1:])
            return _Kept(file_["features"], *marks)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
