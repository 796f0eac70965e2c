"""Where a run came from: hashes of what went in and came out, versions, seeds, commands."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Dict, Optional, Sequence

from ..configs import read_config
from ..stages import read_commands
from ..storage import sha256_path
from .details import Provenance

PACKAGES = (
    "spacy_llmjudge",
    "spacy",
    "spacy-llm",
    "spacy-transformers",
    "transformers",
    "torch",
    "thinc",
    "numpy",
    "scikit-learn",
)


def find_provenance(
    metrics: Path, files: Sequence[Path], model: Optional[Path], q: Optional[float]
) -> Provenance:
    """Gather where a run came from.

    metrics (Path): The folder of metrics of a round; what its parent holds about all rounds counts as well.
    files (Sequence[Path]): Files and folders; those that are not there are left out.
    model (Optional[Path]): The student, whose config names seeds.
    q (Optional[float]): The share of wrong that was asked for.
    RETURNS (Provenance): All of it.
    """
    existing = [path for path in files if path.exists()]
    return Provenance(
        files={str(path): sha256_path(path)[:16] for path in existing},
        versions=_find_versions(),
        settings={**_read_settings(model), **({} if q is None else {"q": f"{q:g}"})},
        commands={**read_commands(metrics.parent), **read_commands(metrics)},
    )


def _find_versions() -> Dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.system()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _read_settings(model: Optional[Path]) -> Dict[str, str]:
    if model is None or not (model / "config.cfg").exists():
        return {}
    config = read_config(model / "config.cfg")
    named = {
        "seed": config.get("training", {}).get("seed"),
        "training steps": config.get("training", {}).get("max_steps"),
        "language": config.get("nlp", {}).get("lang"),
        "pipeline": ", ".join(config.get("nlp", {}).get("pipeline", [])),
    }
    return {name: str(value) for name, value in named.items() if value is not None}
