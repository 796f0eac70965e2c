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
        None,
        "--metrics",
        help="Folder whose judged.json tells the performance, or the one that `loop` wrote to",
    ),
    encoder: Optional[Path] = Opt(
        None, "--encoder", help="Folder that `encoder` wrote, for the name of the encoder"
    ),
    corpus: Optional[Path] = Opt(
        None,
        "--corpus",
        help="Folder that `prepare` wrote: the README becomes a model card, with the speed on its test set",
    ),
    assets: Optional[Path] = Opt(
        None,
        "--assets",
        help="Folder whose rules.txt, where it exists, defines the labels in the card",
    ),
    licence: str = Opt("", "--licence", help="Licence of the package, for the card"),
    pipe_name: str = Opt(
        "auto",
        "--pipe-name",
        help="Component whose confidence --calibration is about; auto: the one that fits",
    ),
    # fmt: on
) -> None:
    """Make a wheel that loads with spacy.load, without this project and without an LLM."""
    from ..storage import read_json_if_there
    from ..training.package import describe_student

    metrics = scores_folder(metrics) if metrics is not None else None
    judged = read_json_if_there(metrics and metrics / "judged.json")
    description, scores = describe_student(model, judged.get("spacy", {}))
    readme = ""
    if corpus is not None:
        from ..steps.card import make_model_card

        rules = assets / "rules.txt" if assets else None
        readme = make_model_card(
            model,
            corpus,
            metrics,
            name=name,
            version=version,
            rules=rules if rules and rules.exists() else None,
            encoder=encoder / "encoder.json" if encoder else None,
            licence=licence,
        )
    build_wheel(
        model,
        output,
        metrics,
        encoder,
        readme=readme,
        name=name,
        version=version,
        description=description,
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


def scores_folder(metrics: Path) -> Path:
    """RETURNS (Path): The folder with the scores of the student that `loop` kept; without a loop this one."""
    from ..storage import read_json

    record = metrics / "loop.json"
    return metrics / read_json(record)["metrics"] if record.exists() else metrics


def show_wheel(packages: Optional[Path]) -> None:
    """Say how to install the newest wheel under a folder, if there is one."""
    wheels = list(packages.glob("**/dist/*.whl")) if packages else []
    if wheels:
        newest = max(wheels, key=lambda wheel: wheel.stat().st_mtime_ns)
        name = newest.name.split("-")[0]
        msg.good(f'pip install {newest}, then spacy.load("{name}")')


def register(app) -> None:
    app.command("package")(package_cli)
