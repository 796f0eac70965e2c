"""Train a student with `spacy train`, once: a finished training with the same inputs is not repeated."""
import os
import shutil
import time
from pathlib import Path
from typing import Any, Dict, Optional

from ..errors import Errors, LLMJudgeError
from ..storage import (
    read_json,
    require_file,
    sha256_bytes,
    sha256_json,
    sha256_path,
    write_json,
)
from .encoder import RECORD, verify_encoder

TRAINED = "trained.json"


def train_student(
    config: Path,
    output: Path,
    *,
    overrides: Optional[Dict[str, Any]] = None,
    gpu_id: int = -1,
) -> Dict[str, Any]:
    """Train a pipeline with `spacy train` into `output/model-best`.

    config (Path): A spaCy training config.
    output (Path): The folder; it appears when the training is over and not before.
    overrides (Optional[Dict[str, Any]]): Settings of the config by their dotted names.
    gpu_id (int): The GPU, or -1 for the CPU.
    RETURNS (Dict[str, Any]): `fingerprint`, `seconds`, `score` (on the config's dev corpus at the
        last step) and `trained` (False where an earlier run had finished this very training).
    """
    from spacy.cli.train import train

    config, output = require_file(config, "Run `init` to get the configs."), Path(output)
    overrides = dict(overrides or {})
    fingerprint = _fingerprint(config, overrides)
    record = output / TRAINED
    if record.exists() and (output / "model-best").exists():
        known = read_json(record)
        if known["fingerprint"] == fingerprint:
            return {**known, "trained": False}
    partial = output.with_name(f".{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    start = time.perf_counter()
    try:
        train(config, partial, use_gpu=gpu_id, overrides=overrides)
        # the number of steps is fixed: the last model is the one that was asked for
        shutil.rmtree(partial / "model-best")
        os.replace(partial / "model-last", partial / "model-best")
        performance = read_json(partial / "model-best" / "meta.json")["performance"]
        result = {
            "fingerprint": fingerprint,
            "seconds": round(time.perf_counter() - start, 2),
            "score": performance.get("ents_f", performance.get("cats_score")),
        }
        write_json(partial / TRAINED, result)
        _replace_folder(partial, output)
    except OSError as error:
        raise LLMJudgeError(Errors.J003.format(path=output, error=error)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {**result, "trained": True}


def adopt_student(model: str, output: Path, ner_name: str = "ner") -> Dict[str, Any]:
    """Take a pipeline that the user already has as the seed student.

    model (str): The folder or the name of an installed package.
    output (Path): Gets `model-best`.
    ner_name (str): The name of its NER component.
    RETURNS (Dict[str, Any]): `labels` of its NER component.
    """
    import spacy

    try:
        nlp = spacy.load(model)
    except OSError as error:
        raise LLMJudgeError(
            Errors.J655.format(path=model, ner_name=ner_name, found="nothing to load")
        ) from error
    if ner_name not in nlp.pipe_names:
        raise LLMJudgeError(
            Errors.J655.format(path=model, ner_name=ner_name, found=nlp.pipe_names)
        )
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
    return {"labels": list(nlp.get_pipe(ner_name).labels), "trained": False}


def _fingerprint(config: Path, overrides: Dict[str, Any]) -> str:
    """Hash what a training depends on: the config, its overrides, and the files that they name."""
    from spacy.util import load_config

    loaded = load_config(config, overrides=overrides, interpolate=True)
    paths = {name: str(path) for name, path in loaded.get("paths", {}).items() if path}
    contents = {}
    for name, path in paths.items():
        folder = Path(path)
        if (folder / RECORD).exists():
            verify_encoder(folder)
            contents[name] = read_json(folder / RECORD)["sha256"]
        elif folder.exists():
            contents[name] = sha256_path(folder)
        elif name != "encoder":
            require_file(folder, f"It is paths.{name} of {config}.")
    text = sha256_bytes(config.read_bytes())
    return sha256_json([text, overrides, contents])


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
