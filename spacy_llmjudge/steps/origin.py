"""What a student was trained on, as far as that says whether its confidence can be trusted on some documents."""

from pathlib import Path
from typing import TYPE_CHECKING, Dict, Iterable

import numpy as np

from ..corpora.duplicates import hash_texts
from ..selection.caveats import ELSEWHERE, LEARNED, SEEN
from ..storage import read_texts, sha256_path
from ..training.origin import origin_of

if TYPE_CHECKING:
    from spacy.language import Language


def find_origin_caveats(nlp: "Language", texts: Iterable[str]) -> Dict[str, bool]:
    """Find what its training says against a student's confidence on documents.

    nlp (Language): The student. Its config names the gold and the silver; where the silver is gone nobody knows
        what was in it, and it counts as these documents.
    texts (Iterable[str]): Those of the documents.
    RETURNS (Dict[str, bool]): Those keys of `CAVEATS` that hold.
    """
    paths = nlp.config.get("paths", {})
    gold, silver = (Path(paths[x]) if paths.get(x) else None for x in ("gold", "silver"))
    origin = origin_of(nlp.meta)
    is_known = gold is not None and gold.exists()
    if origin is not None:
        is_known = is_known and gold is not None and sha256_path(gold) == origin["gold"]
    ours = hash_texts(texts)
    found = {
        LEARNED: silver is not None and (not silver.exists() or _shares_text(silver, ours)),
        SEEN: gold is not None and gold.exists() and _shares_text(gold, ours),
        ELSEWHERE: origin is not None and not is_known,
    }
    return {key: True for key, holds in found.items() if holds}


def _shares_text(path: Path, hashes: np.ndarray) -> bool:
    return bool(np.isin(hash_texts(read_texts(path)), hashes).any())
