"""Names for tags that are numbers, as the library `datasets` keeps them beside its files."""

from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple

from ..storage import read_json
from .tables import read_parquet_names

FILES = ("dataset_info.json", "dataset_infos.json")


def find_class_names(path: Path) -> Dict[str, Tuple[str, ...]]:
    """Find the names of the classes of a file's columns.

    path (Path): The file. A parquet file holds them itself, other files have `dataset_info.json` or
        `dataset_infos.json` beside them.
    RETURNS (Dict[str, Tuple[str, ...]]): The names by column; empty where nothing says them.
    """
    names: Dict[str, Tuple[str, ...]] = {}
    for features in _find_features(path):
        for column, feature in features.items():
            found = _names_of(feature)
            if found is not None:
                names.setdefault(column, found)
    return names


def _find_features(path: Path) -> Iterator[Dict[str, Any]]:
    if path.suffix.lower() == ".parquet":
        yield read_parquet_names(path)
    for name in FILES:
        if (path.parent / name).is_file():
            data = read_json(path.parent / name, "")
            infos = [data] if name == FILES[0] else list(data.values())
            found = (info.get("features") for info in infos if isinstance(info, dict))
            yield from (features for features in found if isinstance(features, dict))


def _names_of(feature: Any) -> Optional[Tuple[str, ...]]:
    while isinstance(feature, dict) and "names" not in feature:
        feature = feature.get("feature")
    if isinstance(feature, dict) and isinstance(feature["names"], list):
        return tuple(map(str, feature["names"]))
    return None
