"""Train a student with `spacy train`, once: a finished training with the same inputs is not repeated."""

import os
import re
import shutil
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, TypedDict, cast

from spacy.pipeline import TrainablePipe

from ..configs import read_config
from ..encoders.fetch import RECORD, cached_revision, verify_encoder
from ..errors import Errors, LLMJudgeError
from ..locks import alone
from ..registries import factories_of
from ..stages import RECORD as STAGES
from ..stages import Stages, count_made, once
from ..storage import (
    read_json,
    replace_folder,
    require_file,
    require_ours,
    sha256_bytes,
    sha256_json,
    sha256_path,
)
from ..targets.base import Target, find_target, labels_in
from ..targets.cats import Cats
from ..targets.ents import Ents
from ..targets.spans import Spans
from .config import fit_config
from .limits import check_training
from .origin import hash_model, write_origin
from .run import train

if TYPE_CHECKING:
    from spacy.language import Language
    from thinc.api import Config

AUTO = "auto"
_FACTORIES = (*Ents.factories, *Spans.factories, *Cats.factories)
MODEL = "model-best"
# what marks a folder that a training made
_MARKS = (MODEL, STAGES)
HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


class TrainedStudent(TypedDict):
    """A training: the hash of all that it depends on, how long it took, the score on the config's dev
    corpus at the last step, and whether it was done now (False where an earlier run had finished it)."""

    fingerprint: str
    seconds: float
    score: Optional[float]
    trained: bool


class AdoptedStudent(TypedDict):
    """A pipeline that was there already: the labels that it knows."""

    labels: List[str]


def require_device(gpu_id: int) -> None:
    """Use a GPU from now on.

    gpu_id (int): Its number; under 0 nothing happens.
    RAISES (LLMJudgeError): J660 where there is none that can be used.
    """
    from thinc.api import require_gpu

    if gpu_id >= 0:
        try:
            require_gpu(gpu_id)
        except (ValueError, RuntimeError) as error:
            raise LLMJudgeError(Errors.J660.format(gpu_id=gpu_id, error=error)) from error


def load_student(model: str, gpu_id: int = -1) -> "Language":
    """Load a pipeline, on a GPU where one is asked for."""
    import spacy
    from spacy.util import load_config

    require_device(gpu_id)
    config = Path(model) / "config.cfg"
    try:
        # a package says what it needs only once it is loaded
        with factories_of(load_config(config)) if config.is_file() else nullcontext():
            return spacy.load(model)
    except LLMJudgeError:
        raise
    except Exception as error:
        if not isinstance(error, OSError) or Path(model).exists():
            # a damaged file fails in whatever reads it
            text = f"{type(error).__name__}: {error}"
            raise LLMJudgeError(Errors.J683.format(path=model, error=text)) from error
        hint = "Give the folder or the package of a spaCy pipeline."
        raise LLMJudgeError(Errors.J001.format(path=model, hint=hint)) from error


def component_name(nlp: "Language", target: Optional[Target], name: Optional[str] = None) -> str:
    """Find the component that predicts a target.

    nlp (Language): The pipeline.
    target (Optional[Target]): What is labelled; None where nobody knows, so that any target will do.
    name (Optional[str]): Its name, where somebody knows it; "auto" is the same as None.
    RETURNS (str): The name: of several that fit, the first.
    RAISES (LLMJudgeError): J655 where there is none.
    """
    name = None if name == AUTO else name
    factories = _FACTORIES if target is None else target.factories
    fitting = [x for x in nlp.pipe_names if nlp.get_pipe_meta(x).factory in factories]
    if name is None and fitting:
        return fitting[0]
    if name is None or name not in nlp.pipe_names:
        expected = name or " or ".join(factories)
        found = ", ".join(nlp.pipe_names) or "nothing"
        raise LLMJudgeError(
            Errors.J655.format(path=nlp.path or "This", expected=expected, found=found)
        )
    return name


def train_student(
    config: Path,
    output: Path,
    *,
    start: Optional[Path] = None,
    overrides: Optional[Dict[str, Any]] = None,
    gpu_id: int = -1,
) -> TrainedStudent:
    """Train a pipeline with `spacy train` into `output/model-best`.

    config (Path): A spaCy training config.
    output (Path): The folder; it appears when the training is over and not before.
    start (Optional[Path]): A pipeline to continue from: its components take the place of those in the config.
        None begins with the pretrained encoder and a head that knows nothing.
    overrides (Optional[Dict[str, Any]]): Settings of the config by their dotted names.
    gpu_id (int): The GPU, or -1 for the CPU.
    RETURNS (TrainedStudent): What came of it.
    """
    config, output = require_file(config, "Run `init` to get the configs."), Path(output)
    with alone(output):
        return _train(config, output, start, overrides, gpu_id)


def _train(
    config: Path,
    output: Path,
    start: Optional[Path],
    overrides: Optional[Dict[str, Any]],
    gpu_id: int,
) -> TrainedStudent:
    require_device(gpu_id)
    overrides = dict(overrides or {})
    loaded = read_config(config, overrides)
    check_training(loaded)
    paths = loaded.get("paths", {})
    fitted = _fit(config, overrides, paths.get("gold"), start)
    fingerprint = _fingerprint(config, overrides, start, fitted)
    known = Stages(output).find("train", {"fingerprint": fingerprint}, [output / MODEL])
    if known is not None:
        return cast(TrainedStudent, {**known, "trained": False})
    require_ours(output, _MARKS)
    unfinished = output.with_name(f".{output.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    begin = time.perf_counter()
    written = unfinished.with_suffix(".cfg")
    try:
        if fitted is not None:
            written.parent.mkdir(parents=True, exist_ok=True)
            fitted.to_disk(written)
            config, overrides = written, {}
        train(config, unfinished, gpu_id, overrides)
        # the number of steps is fixed: the last model is the one that was asked for
        shutil.rmtree(unfinished / MODEL)
        os.replace(unfinished / "model-last", unfinished / MODEL)
        write_origin(unfinished / MODEL, loaded, start)
        performance = read_json(unfinished / MODEL / "meta.json")["performance"]
        result = {
            "fingerprint": fingerprint,
            "seconds": round(time.perf_counter() - begin, 2),
            "score": _score_of(performance),
        }
        made = [unfinished / MODEL]
        count_made()
        Stages(unfinished).keep("train", {"fingerprint": fingerprint}, made, result)
        replace_folder(unfinished, output, _MARKS)
    except OSError as error:
        if error.errno is None:
            # from a library that found no model or file under a name
            summary = str(error).strip().splitlines()[0]
            raise LLMJudgeError(
                Errors.J661.format(error=summary, config=config, encoder=paths.get("encoder"))
            ) from error
        raise LLMJudgeError(Errors.J003.format(path=output, error=error)) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        written.unlink(missing_ok=True)
    return cast(TrainedStudent, {**result, "trained": True})


def _score_of(performance: Dict[str, Any]) -> Optional[float]:
    names = ("ents_f", "cats_score", *(x for x in performance if x.startswith("spans_")))
    return next((performance[x] for x in names if x in performance and x[-2:] != "_p"), None)


def adopt_student(
    model: str, output: Path, target: Target = Ents(), pipe_name: Optional[str] = None
) -> AdoptedStudent:
    """Take a pipeline that the user already has as the seed student.

    model (str): The folder or the name of an installed package.
    output (Path): Gets `model-best`.
    target (Target): What is labelled.
    pipe_name (Optional[str]): The component that predicts it; None takes the one that fits.
    RETURNS (AdoptedStudent): The labels of that component.
    """
    output = Path(output)
    inputs = {"model": hash_model(model), "target": target.to_dict(), "pipe_name": pipe_name}
    with alone(output):
        require_ours(output, _MARKS)
        work = partial(_adopt, model, output, target, pipe_name)
        found = once("adopt", inputs, [output / MODEL], work, beside=output)
        return cast(AdoptedStudent, found)


def _adopt(model: str, output: Path, target: Target, pipe_name: Optional[str]) -> Dict[str, Any]:
    nlp = load_student(model)
    pipe_name = component_name(nlp, target, pipe_name)
    unfinished = output.with_name(f".{output.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(parents=True)
        nlp.to_disk(unfinished / MODEL)
        replace_folder(unfinished, output, _MARKS)
    except OSError as error:
        raise LLMJudgeError(Errors.J003.format(path=output, error=error)) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return {"labels": _known_labels(nlp, pipe_name)}


def go_on_from(start: Path, config: Path, overrides: Dict[str, Any]) -> "Config":
    """Put the components of a trained pipeline into a training config instead of its own.

    start (Path): The pipeline.
    config (Path): A spaCy training config.
    overrides (Dict[str, Any]): Settings of the config by their dotted names.
    RETURNS (Config): The config, not interpolated.
    RAISES (LLMJudgeError): J658 where the pipeline lacks a component, or that a label of the gold, or
        where an override is about a component.
    """
    nlp = load_student(str(start))
    check_components(start, overrides)
    loaded = read_config(config, overrides, interpolate=False)
    gold = loaded.get("paths", {}).get("gold")
    target = None if gold is None else find_target(Path(gold))
    if target is not None:
        loaded = fit_config(config, target, overrides) or loaded
    names = loaded["nlp"]["pipeline"]
    reason = None
    if set(names) - set(nlp.pipe_names):
        reason = f"it has {nlp.pipe_names}, and the config trains {names}"
    elif target is not None:
        name = component_name(nlp, target)
        new = labels_in(Path(gold), target) - set(_known_labels(nlp, name))
        reason = f"its component '{name}' does not know the labels {sorted(new)}" if new else None
    if reason is not None:
        raise LLMJudgeError(Errors.J658.format(path=start, reason=reason))
    loaded["components"] = {name: {"source": str(start)} for name in names}
    return loaded


def _known_labels(nlp: "Language", name: str) -> List[str]:
    return list(cast(TrainablePipe, nlp.get_pipe(name)).labels)


def check_components(start: Path, overrides: Dict[str, Any]) -> None:
    """RAISES (LLMJudgeError): J658 where an override is about a component that comes as it is."""
    fixed = sorted(name for name in overrides if name.startswith("components."))
    if fixed:
        reason = f"its components come as they are, and {fixed[0]} is set"
        raise LLMJudgeError(Errors.J658.format(path=start, reason=reason))


def _fit(
    config: Path, overrides: Dict[str, Any], gold: Optional[str], start: Optional[Path]
) -> Optional["Config"]:
    """RETURNS (Optional[Config]): What is trained with, where it is not the config as it is."""
    if start is not None:
        require_file(start, "It is the pipeline to continue from.")
        return go_on_from(Path(start), config, overrides)
    if gold is None or not Path(gold).exists():
        return None
    return fit_config(config, find_target(Path(gold)), overrides)


def _fingerprint(
    config: Path, overrides: Dict[str, Any], start: Optional[Path], fitted: Optional["Config"]
) -> str:
    """Hash what a training depends on: the config, its overrides, and the files that they name."""
    loaded = read_config(config, overrides)
    paths = {name: str(path) for name, path in loaded.get("paths", {}).items() if path}
    contents: Dict[str, Optional[str]] = {}
    for name, path in paths.items():
        folder = Path(path)
        if (folder / RECORD).exists():
            verify_encoder(folder)
        if folder.exists():
            contents[name] = sha256_path(folder)
        elif name == "encoder" and HUB_NAME.fullmatch(path):
            contents[name] = cached_revision(path)
        else:
            require_file(folder, f"It is paths.{name} of {config}.")
    parts = [sha256_bytes(config.read_bytes()), overrides, contents]
    if start is not None:
        parts.append(sha256_path(start))
    elif fitted is not None:
        parts.append(sha256_bytes(fitted.to_bytes()))
    return sha256_json(parts)
