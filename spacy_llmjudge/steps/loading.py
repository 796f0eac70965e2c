"""Pipelines from configs, whose parts may be anybody's: what they raise becomes one line."""

import importlib.util
import sys
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Optional

from ..errors import Errors, LLMJudgeError
from ..stages import note_version
from ..storage import require_file, sha256_file
from ..transport.credentials import describe_error

if TYPE_CHECKING:
    from spacy.language import Language
    from thinc.api import Config

    from ..cluster.connect import Place
    from ..cluster.spread import Cluster

# As `spacy train --code` calls it.
_MODULE = "python_code"


def load_pipeline(config: "Config", path: Path) -> "Language":
    """Make the pipeline of a config.

    config (Config): The config.
    path (Path): Its file, for the message.
    RETURNS (Language): The pipeline.
    """
    from catalogue import RegistryError
    from confection import ConfigValidationError

    from ..registries import make_pipeline

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            nlp = make_pipeline(config)
        except (LLMJudgeError, ConfigValidationError, RegistryError):
            raise
        except Exception as error:
            # A model of somebody else's may do anything in its constructor, and say why in a warning.
            said = [describe_error(error), *(str(found.message) for found in caught[-1:])]
            text = Errors.J333.format(path=path, error="; ".join(said))
            raise LLMJudgeError(text) from error
    for found in caught:
        warnings.warn_explicit(found.message, found.category, found.filename, found.lineno)
    return nlp


def import_code(path: Optional[Path]) -> None:
    """Import a Python file, so that a config can name the functions that it registers.

    path (Optional[Path]): The file; None imports nothing.
    """
    if path is None:
        return
    path = require_file(path, "It should hold the code that the config names.")
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise LLMJudgeError(Errors.J332.format(path=path, error="it is no Python file"))
    note_version("code", sha256_file(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        text = Errors.J332.format(path=path, error=describe_error(error))
        raise LLMJudgeError(text) from error


def code_in_use() -> Optional[Path]:
    """RETURNS (Optional[Path]): The file that `import_code` has imported."""
    module = sys.modules.get(_MODULE)
    path = getattr(module, "__file__", None)
    return None if path is None else Path(path).resolve()


@contextmanager
def cluster_at(place: Optional["Place"]) -> Iterator[Optional["Cluster"]]:
    """YIELDS (Optional[Cluster]): The workers of a cluster for the length of the block; None where there is no
    place for them, so that this process does the work."""
    if place is None:
        yield None
        return
    from ..cluster.connect import connect

    with connect(place, partial(import_code, code_in_use())) as cluster:
        yield cluster


def keeps_no_words(nlp: "Language") -> bool:
    """Whether words can be taken out of the vocabulary after each shard: a component of somebody else's may still
    hold documents with them."""
    modules = {type(pipe).__module__.partition(".")[0] for _, pipe in nlp.pipeline}
    return modules <= {"spacy", "spacy_transformers", "spacy_llmjudge"}
