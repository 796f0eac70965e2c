"""`package`: a wheel with the standard components only."""

from pathlib import Path
from typing import Any, Optional

from .arguments import Arg, Opt
from .printer import msg
from .progress import spinner
from .timing import timed
from .user_errors import user_errors


@user_errors
def package_cli(
    # fmt: off
    model: Path = Arg(..., help="The pipeline"),
    output: Path = Arg(..., help="Folder of packages"),
    name: str = Opt(
        "selftrained_ner", "--name", "-n", help="Name of the package, without the language"
    ),
    version: str = Opt("0.1.0", "--version", "-v", help="Version of the package"),
    with_confidence: Optional[Path] = Opt(
        None,
        "--with-confidence",
        help="Add calibrated_confidence with this calibration (made for this model), and the requirement on spacy_llmjudge",
    ),
    metrics: Optional[Path] = Opt(
        None, "--metrics", help="Folder whose judged.json tells the performance"
    ),
    encoder: Optional[Path] = Opt(
        None, "--encoder", help="Folder that `encoder` wrote, for the name of the encoder"
    ),
    pipe_name: str = Opt(
        "auto",
        "--pipe-name",
        help="Component whose confidence --calibration is about; auto: the one that fits",
    ),
    # fmt: on
) -> None:
    """Make a wheel that loads with spacy.load, without this project and without an LLM."""
    from ..storage import read_json

    scores = {}
    if metrics is not None and (metrics / "judged.json").exists():
        result = read_json(metrics / "judged.json")["spacy"]
        scores = {f"ents_{key}": result[key] for key in ("p", "r", "f")}
        scores["ents_per_type"] = result["per_type"]
    build_wheel(
        model,
        output,
        metrics,
        encoder,
        name=name,
        version=version,
        description="Named entity recognition, trained on pseudo-labels that an LLM judged",
        scores=scores,
        calibration=with_confidence,
        pipe_name=pipe_name,
    )


def build_wheel(
    model: Path, output: Path, metrics: Optional[Path], encoder: Optional[Path], **settings: Any
) -> None:
    """Build a wheel and say where it is; for the settings see `export_package`."""
    from ..training.package import export_package

    with timed("package", metrics), spinner("Building the wheel..."):
        record = encoder / "encoder.json" if encoder else None
        wheel = export_package(model, output, encoder=record, **settings)
    msg.good(f"{wheel} ({wheel.stat().st_size / 1e6:.0f} MB)")


def show_wheel(packages: Optional[Path]) -> None:
    """Say how to install the newest wheel under a folder, if there is one."""
    wheels = list(packages.glob("**/dist/*.whl")) if packages else []
    if wheels:
        newest = max(wheels, key=lambda wheel: wheel.stat().st_mtime_ns)
        name = newest.name.split("-")[0]
        msg.good(f'pip install {newest}, then spacy.load("{name}")')


def register(app) -> None:
    app.command("package")(package_cli)
