"""What a student was trained on, as far as that says whether its confidence can be trusted on some documents."""

from pathlib import Path
from typing import TYPE_CHECKING, Dict, Optional, Sequence, Set

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..corpora.duplicates import texts_of
from ..selection.caveats import ELSEWHERE, LEARNED, SEEN
from ..storage import read_docs, sha256_path
from ..training.origin import origin_of

if TYPE_CHECKING:
    from spacy.language import Language


def find_origin_caveats(nlp: "Language", docs: Sequence[Doc]) -> Dict[str, bool]:
    """Find what its training says against a student's confidence on documents.

    nlp (Language): The student. Its config names the gold and the silver; where the silver is gone nobody knows
        what was in it, and it counts as these documents.
    docs (Sequence[Doc]): The documents.
    RETURNS (Dict[str, bool]): Those keys of `CAVEATS` that hold.
    """
    paths = nlp.config.get("paths", {})
    gold, silver = (Path(paths[x]) if paths.get(x) else None for x in ("gold", "silver"))
    origin = origin_of(nlp.meta)
    is_known = gold is not None and gold.exists()
    if origin is not None:
        is_known = is_known and gold is not None and sha256_path(gold) == origin["gold"]
    ours = texts_of(docs)
    found = {
        LEARNED: silver is not None and (not silver.exists() or bool(ours & _texts(silver))),
        SEEN: bool(ours & _texts(gold)),
        ELSEWHERE: origin is not None and not is_known,
    }
    return {key: True for key, holds in found.items() if holds}


def _texts(path: Optional[Path]) -> Set[str]:
    return texts_of(read_docs(path, Vocab())) if path is not None and path.exists() else set()
