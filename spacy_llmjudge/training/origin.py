"""What a student was trained on: in its meta data, so that it is still known where it comes as a package."""

from pathlib import Path
from typing import Any, Dict, Mapping, Optional, TypedDict, cast

from ..configs import read_config
from ..stages import hash_named
from ..storage import read_json, sha256_path, write_json

META = "spacy_llmjudge"
POOL = "pool.spacy"


class Origin(TypedDict):
    """The hash of the gold, that of the pool beside it (None without one), the seed, and whether any silver was
    learned from, here or by the student that it continues."""

    gold: Optional[str]
    pool: Optional[str]
    seed: Optional[int]
    silver: bool


def origin_of(meta: Mapping[str, Any]) -> Optional[Origin]:
    """RETURNS (Optional[Origin]): What the meta data of a pipeline says; None for one that is not ours."""
    return cast(Optional[Origin], meta.get(META))


def read_origin(model: Path) -> Optional[Origin]:
    """RETURNS (Optional[Origin]): The same for a folder or the name of a package."""
    meta = model / "meta.json"
    return origin_of(read_json(meta)) if meta.exists() else None


def write_origin(model: Path, config: Mapping[str, Any], start: Optional[Path]) -> None:
    """Write what a pipeline was trained on into its meta data.

    model (Path): The folder of the pipeline.
    config (Mapping[str, Any]): What it was trained with, interpolated.
    start (Optional[Path]): The pipeline that it continues from.
    """
    paths = config.get("paths", {})
    before = None if start is None else read_origin(start)
    gold = Path(paths["gold"]) if paths.get("gold") else None
    origin: Origin = {
        "gold": None if gold is None else _hash(gold),
        "pool": None if gold is None else _hash(gold.parent / POOL),
        "seed": config.get("system", {}).get("seed"),
        "silver": bool(paths.get("silver")) or bool(before and before["silver"]),
    }
    write_json(model / "meta.json", {**read_json(model / "meta.json"), META: origin})


def hash_model(model: str) -> Optional[str]:
    """Hash a pipeline by all its files.

    model (str): The folder or the name of an installed package, of which a new version has the same name.
    RETURNS (Optional[str]): The hash; None where there is neither.
    """
    from spacy.util import get_package_path, is_package

    if not Path(model).exists() and is_package(model):
        return sha256_path(get_package_path(model))
    return _hash(Path(model))


def hash_learned(model: str) -> Dict[str, Optional[str]]:
    """RETURNS (Dict[str, Optional[str]]): The gold and silver that the config of a pipeline names, by content."""
    config = Path(model) / "config.cfg"
    return hash_named(read_config(config).get("paths", {})) if config.exists() else {}


def _hash(path: Path) -> Optional[str]:
    return sha256_path(path) if path.exists() else None


def same_data(one: Optional[Origin], other: Optional[Origin]) -> bool:
    """RETURNS (bool): Whether two students come from the same corpus with the same seed, as far as is known: the gold
    may differ, as the last student learns from that of dev as well, but another corpus has another pool."""
    if one is None or other is None:
        return True
    keys = ("pool", "seed")
    known: Dict[str, Any] = {key: (one.get(key), other.get(key)) for key in keys}
    return all(a == b for a, b in known.values())
