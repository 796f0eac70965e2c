"""Train a student with `spacy train`, once: a finished training with the same inputs is not repeated."""

import os
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, TypedDict, cast

from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc

from ..encoders.fetch import RECORD, verify_encoder
from ..errors import Errors, LLMJudgeError
from ..storage import (
    labels_of,
    read_docs,
    read_json,
    require_file,
    sha256_bytes,
    sha256_json,
    sha256_path,
    write_json,
)

if TYPE_CHECKING:
    from spacy.language import Language
    from thinc.api import Config

TRAINED = "trained.json"
HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


class Training(TypedDict):
    """What `trained.json` says of a training: the hash of all that it depends on, how long it took, and
    the score on the config's dev corpus at the last step."""

    fingerprint: str
    seconds: float
    score: Optional[float]


class TrainedStudent(Training):
    """The same, and whether it was trained now (False where an earlier run had finished this very training)."""

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
    from spacy.cli.train import train
    from spacy.util import load_config

    require_device(gpu_id)
    config, output = require_file(config, "Run `init` to get the configs."), Path(output)
    overrides = dict(overrides or {})
    fingerprint = _fingerprint(config, overrides, start)
    record = output / TRAINED
    if record.exists() and (output / "model-best").exists():
        known: Training = read_json(record)
        if known["fingerprint"] == fingerprint:
            return {**known, "trained": False}
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    begin = time.perf_counter()
    written = partial.with_suffix(".cfg")
    try:
        if start is not None:
            written.parent.mkdir(parents=True, exist_ok=True)
            go_on_from(Path(start), config, overrides).to_disk(written)
            config = written
        train(config, partial, use_gpu=gpu_id, overrides=overrides)
        # the number of steps is fixed: the last model is the one that was asked for
        shutil.rmtree(partial / "model-best")
        os.replace(partial / "model-last", partial / "model-best")
        performance = read_json(partial / "model-best" / "meta.json")["performance"]
        result: Training = {
            "fingerprint": fingerprint,
            "seconds": round(time.perf_counter() - begin, 2),
            "score": performance.get("ents_f", performance.get("cats_score")),
        }
        write_json(partial / TRAINED, result)
        _replace_folder(partial, output)
    except OSError as error:
        if error.errno is None:
            # from a library that found no model or file under a name
            summary = str(error).strip().splitlines()[0]
            paths = load_config(config, overrides=overrides, interpolate=True).get("paths", {})
            raise LLMJudgeError(
                Errors.J661.format(error=summary, config=config, encoder=paths.get("encoder"))
            ) from error
        raise LLMJudgeError(Errors.J003.format(path=output, error=error)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        written.unlink(missing_ok=True)
    return {**result, "trained": True}


def adopt_student(model: str, output: Path, ner_name: str = "ner") -> AdoptedStudent:
    """Take a pipeline that the user already has as the seed student.

    model (str): The folder or the name of an installed package.
    output (Path): Gets `model-best`.
    ner_name (str): The name of its NER component.
    RETURNS (AdoptedStudent): The labels of its NER component.
    """
    import spacy

    try:
        nlp = spacy.load(model)
    except OSError as error:
        raise LLMJudgeError(
            Errors.J655.format(path=model, ner_name=ner_name, found="nothing to load")
        ) from error
    if ner_name not in nlp.pipe_names:
        raise LLMJudgeError(Errors.J655.format(path=model, ner_name=ner_name, found=nlp.pipe_names))
    output = Path(output)
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        nlp.to_disk(partial / "model-best")
        _replace_folder(partial, output)
    except OSError as error:
        raise LLMJudgeError(Errors.J003.format(path=output, error=error)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {"labels": _known_labels(nlp, ner_name)}


def has_learned_from(nlp: "Language", docs: Sequence[Doc]) -> bool:
    """RETURNS (bool): Whether a student was trained on silver of any of these documents: its config names the
    silver. Where that file is gone nobody knows, and they count as its own."""
    silver = nlp.config.get("paths", {}).get("silver")
    if not silver:
        return False
    if not Path(silver).exists():
        return True
    texts = {doc.text for doc in read_docs(silver, nlp.vocab)}
    return any(doc.text in texts for doc in docs)


def go_on_from(start: Path, config: Path, overrides: Dict[str, Any]) -> "Config":
    """Put the components of a trained pipeline into a training config instead of its own.

    start (Path): The pipeline.
    config (Path): A spaCy training config.
    overrides (Dict[str, Any]): Settings of the config by their dotted names.
    RETURNS (Config): The config, not interpolated.
    RAISES (LLMJudgeError): J658 where the pipeline lacks a component, or its NER a label of the gold, or
        where an override is about a component.
    """
    import spacy
    from spacy.util import load_config

    try:
        nlp = spacy.load(start)
    except OSError as error:
        raise LLMJudgeError(
            Errors.J658.format(path=start, reason="it is no spaCy pipeline")
        ) from error
    loaded = load_config(config, overrides=overrides, interpolate=False)
    names = loaded["nlp"]["pipeline"]
    reason = None
    check_components(start, overrides)
    if set(names) - set(nlp.pipe_names):
        reason = f"it has {nlp.pipe_names}, and the config trains {names}"
    elif "ner" in names and loaded.get("paths", {}).get("gold"):
        new = labels_of(loaded["paths"]["gold"], nlp.vocab) - set(_known_labels(nlp, "ner"))
        reason = f"its NER does not know the labels {sorted(new)}" if new else None
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


def _fingerprint(config: Path, overrides: Dict[str, Any], start: Optional[Path]) -> str:
    """Hash what a training depends on: the config, its overrides, and the files that they name."""
    from spacy.util import load_config

    loaded = load_config(config, overrides=overrides, interpolate=True)
    paths = {name: str(path) for name, path in loaded.get("paths", {}).items() if path}
    contents = {}
    for name, path in paths.items():
        folder = Path(path)
        if (folder / RECORD).exists():
            contents[name] = verify_encoder(folder)["sha256"]
        elif folder.exists():
            contents[name] = sha256_path(folder)
        elif name != "encoder" or not HUB_NAME.fullmatch(path):
            require_file(folder, f"It is paths.{name} of {config}.")
    parts = [sha256_bytes(config.read_bytes()), overrides, contents]
    if start is not None:
        parts.append(sha256_path(require_file(start, "It is the pipeline to continue from.")))
    return sha256_json(parts)


def _replace_folder(source: Path, target: Path) -> None:
    if target.exists():
        stale = target.with_name(f".{target.name}.stale")
        shutil.rmtree(stale, ignore_errors=True)
        os.replace(target, stale)
        os.replace(source, target)
        shutil.rmtree(stale)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)
