"""Make a plain spaCy package of a student: the wheel, its meta data, and the README that comes of them.

The wheel needs neither this project nor an LLM.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Tuple, cast

from ..configs import read_config
from ..errors import Errors, LLMJudgeError
from ..stages import once
from ..storage import read_json, replace_folder, require_file, require_ours
from ..targets.cats import Cats
from ..targets.spans import SPANS_KEY, Spans
from .names import check_package_name
from .strings import strip_strings
from .student import load_student

if TYPE_CHECKING:
    from spacy.language import Language

OURS = ("calibrated_confidence", "llm_judge")
HINT = "Train the student first."
# what marks the folder of a package
MARKS = ("MANIFEST.in",)
NOTES = (
    "The package holds no texts and no words of the texts that it was trained on: its string store has the labels and what "
    "its language and its components need. The weights were fitted to those texts."
)
# what only training reads, and what may name files of this machine
TRAINING_SECTIONS = ("paths", "system", "corpora", "training", "pretraining", "initialize")


def export_package(
    model: Path,
    output: Path,
    *,
    name: str,
    version: str,
    description: str = "",
    scores: Optional[Dict[str, Any]] = None,
    calibration: Optional[Path] = None,
    encoder: Optional[Path] = None,
    pipe_name: str = "ner",
    readme: str = "",
) -> Path:
    """Package a pipeline as a wheel with its standard components only.

    model (Path): The pipeline.
    output (Path): The folder of packages.
    name (str): The name of the package, without the language.
    version (str): Its version.
    description (str): One sentence for its meta data.
    scores (Optional[Dict[str, Any]]): What its meta data says about its performance.
    calibration (Optional[Path]): What `calibrate` wrote for this model: with it, the package holds the
        component `calibrated_confidence` and requires spacy_llmjudge.
    encoder (Optional[Path]): The record of the encoder, for its name in the package's config.
    pipe_name (str): The component whose confidence that is; "auto" takes the first that predicts
        entities, spans or labels of documents.
    readme (str): The README, in Markdown; without one spaCy makes it of the meta data.
    RETURNS (Path): The wheel. One that was made of the same before is not made again.
    """
    check_package_name(name, version)
    meta = read_json(require_file(model, HINT) / "meta.json")
    folder = output / f"{meta['lang']}_{name}-{version}"
    about = {"description": description, "performance": dict(scores or {})}
    inputs = {
        "model": model,
        "name": [name, version],
        "about": about,
        "calibration": calibration,
        "encoder": encoder,
        "pipe_name": pipe_name,
        "readme": readme,
    }

    def work() -> Dict[str, Any]:
        nlp = _plain_pipeline(model)
        notes = "\n\n".join(part for part in (nlp.meta.get("notes"), NOTES) if part)
        nlp.meta.update(about, notes=notes)
        if calibration is not None:
            _add_confidence(nlp, calibration, pipe_name)
        return {"wheel": _write(nlp, folder, name, version, encoder, readme)}

    found = once("package", inputs, [folder], work)
    return folder / "dist" / str(found["wheel"])


def describe_student(model: Path, scores: Mapping[str, Any]) -> Tuple[str, Dict[str, Any]]:
    """Say what a student does, and name its scores as spaCy names them for its component.

    model (Path): The pipeline.
    scores (Mapping[str, Any]): `p`, `r`, `f` and `per_type`; empty where it was not scored.
    RETURNS (Tuple[str, Dict[str, Any]]): A description for the meta data, and its performance.
    """
    config = read_config(model / "config.cfg", interpolate=False, hint=HINT)
    what, prefix, per_type = "Named entity recognition", "ents", "ents_per_type"
    for settings in config.get("components", {}).values():
        if settings.get("factory") in Spans.factories:
            key = settings.get("spans_key", SPANS_KEY)
            what, prefix, per_type = "Span categorization", f"spans_{key}", f"spans_{key}_per_type"
        elif settings.get("factory") in Cats.factories:
            what, prefix, per_type = "Text classification", "cats_macro", "cats_f_per_type"
    named = {f"{prefix}_{key}": scores[key] for key in ("p", "r", "f") if key in scores}
    if "per_type" in scores:
        named[per_type] = scores["per_type"]
    return f"{what}, trained on pseudo-labels that an LLM judged", named


def _add_confidence(nlp: "Language", calibration: Path, pipe_name: str) -> None:
    from ..confidence.calibrate import Calibration
    from ..confidence.component import CalibratedConfidence
    from .student import component_name

    pipe_name = component_name(nlp, None, pipe_name)
    component = nlp.add_pipe("calibrated_confidence", config={"pipe_name": pipe_name})
    fitted = Calibration.from_dict(read_json(calibration))
    cast(CalibratedConfidence, component).calibration = fitted


def _write(
    nlp: "Language", folder: Path, name: str, version: str, encoder: Optional[Path], readme: str
) -> str:
    """Write the package where there was none: what an earlier model left in a folder would be in the wheel.

    RETURNS (str): The name of the wheel.
    """
    from spacy.cli.package import package

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        require_ours(folder, MARKS)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".package-") as temporary:
            model, fresh = Path(temporary) / "model", Path(temporary) / "package"
            nlp.to_disk(model)
            strip_strings(nlp, model)
            _clean_config(model / "config.cfg", encoder)
            if readme:
                card = f"{readme.rstrip()}\n\n{NOTES}\n"
                (model / "README.md").write_text(card, encoding="utf8")
            fresh.mkdir()
            package(
                model,
                fresh,
                name=name,
                version=version,
                create_sdist=False,
                create_wheel=False,
                force=True,
                silent=True,
            )
            (made,) = fresh.iterdir()
            wheel = _build_wheel(made, name)
            shutil.rmtree(made / "build", ignore_errors=True)
            replace_folder(made, folder, MARKS)
    except OSError as error:
        raise LLMJudgeError(Errors.J003.format(path=folder, error=error)) from error
    return wheel.name


def _plain_pipeline(model: Path) -> "Language":
    nlp = load_student(str(require_file(model, HINT)))
    for component in list(nlp.pipe_names):
        if nlp.get_pipe_meta(component).factory in OURS:
            nlp.remove_pipe(component)
    return nlp


def _clean_config(path: Path, encoder: Optional[Path]) -> None:
    """Put spaCy's defaults in the place of what only this training read."""
    from spacy.language import DEFAULT_CONFIG
    from thinc.api import Config

    config = Config().from_disk(path, interpolate=True)
    defaults = DEFAULT_CONFIG.copy()
    for section in TRAINING_SECTIONS:
        config.pop(section, None)
        if section in defaults:
            config[section] = defaults[section]
    if encoder is not None and encoder.exists():
        # the weights are inside; the name only says where they came from
        for component in config["components"].values():
            model = component.get("model", {})
            if "TransformerModel" in model.get("@architectures", ""):
                model["name"] = read_json(encoder)["name"]
    config.to_disk(path)


def _build_wheel(folder: Path, name: str) -> Path:
    # without isolation, since an isolated build would fetch its tools from the network
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = sorted((folder / "dist").glob("*.whl"))
    if done.returncode != 0 or not wheels:
        error = " ".join((done.stderr or done.stdout).split())[-300:]
        raise LLMJudgeError(Errors.J808.format(name=name, error=error))
    return wheels[0]
