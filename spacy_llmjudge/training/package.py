"""Make a plain spaCy package of a student: the wheel, its meta data, and the README that comes of them.

The wheel needs neither this project nor an LLM.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, cast

from ..errors import Errors, LLMJudgeError
from ..storage import read_json, require_file
from .names import check_package_name
from .student import load_student

if TYPE_CHECKING:
    from spacy.language import Language

OURS = ("calibrated_confidence", "llm_judge")
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
    RETURNS (Path): The wheel.
    """
    from spacy.cli.package import package

    check_package_name(name, version)
    nlp = _plain_pipeline(model)
    nlp.meta.update(description=description, performance=dict(scores or {}))
    if calibration is not None:
        from ..confidence.calibrate import Calibration
        from ..confidence.component import CalibratedConfidence
        from .student import component_name

        pipe_name = component_name(nlp, None, pipe_name)
        component = nlp.add_pipe("calibrated_confidence", config={"pipe_name": pipe_name})
        fitted = Calibration.from_dict(read_json(calibration))
        cast(CalibratedConfidence, component).calibration = fitted
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            nlp.to_disk(folder / "model")
            _clean_config(folder / "model" / "config.cfg", encoder)
            if readme:
                (folder / "model" / "README.md").write_text(readme, encoding="utf8")
            package(
                folder / "model",
                output,
                name=name,
                version=version,
                create_sdist=False,
                create_wheel=False,
                force=True,
                silent=True,
            )
    except OSError as error:
        raise LLMJudgeError(Errors.J003.format(path=output, error=error)) from error
    return _build_wheel(output / f"{nlp.lang}_{name}-{version}", name)


def _plain_pipeline(model: Path) -> "Language":
    nlp = load_student(str(require_file(model, "Run the step `retrain` first.")))
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
