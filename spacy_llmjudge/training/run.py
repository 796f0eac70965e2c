"""A training as `spacy train` runs it, but for its way out on a mistake: a page of text, or a traceback."""

import sys
from pathlib import Path
from typing import Any, Dict

from ..configs import read_config
from ..errors import Errors, LLMJudgeError
from ..registries import factories_of


def train(config: Path, output: Path, gpu_id: int, overrides: Dict[str, Any]) -> None:
    """Train a pipeline.

    config (Path): A spaCy training config.
    output (Path): Gets model-best and model-last.
    gpu_id (int): The GPU, or -1 for the CPU.
    overrides (Dict[str, Any]): Settings of the config by their dotted names.
    RAISES (LLMJudgeError): J685 where spaCy fails on what a setting says.
    """
    from catalogue import RegistryError
    from confection import ConfigValidationError
    from spacy.training.initialize import init_nlp
    from spacy.training.loop import train as train_nlp

    output.mkdir(parents=True, exist_ok=True)
    try:
        settings = read_config(config, overrides, interpolate=False)
        with factories_of(settings):
            nlp = init_nlp(settings, use_gpu=gpu_id)
        train_nlp(nlp, output, use_gpu=gpu_id, stdout=sys.stdout, stderr=sys.stderr)
    except (LLMJudgeError, ConfigValidationError, RegistryError, OSError):
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        raise LLMJudgeError(Errors.J685.format(error=text)) from error
