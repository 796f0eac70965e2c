"""The config of a judge: read with the labels of a corpus, and its judges found by their class."""

from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple, Union

from ..configs import read_config
from ..corpora.guidelines import definitions_of, read_guidelines
from ..errors import Errors, LLMJudgeError
from ..targets.base import Target
from ..targets.cats import Cats
from .loading import load_pipeline

if TYPE_CHECKING:
    from spacy.language import Language
    from thinc.api import Config

    from ..judge.component import LLMJudge
    from ..judge.spacy_llm_textcat import TextCatJudge

    Judge = Union[LLMJudge, TextCatJudge]


def read_judge_config(
    path: Path, overrides: Optional[Dict[str, Any]] = None, target: Optional[Target] = None
) -> "Config":
    """Read the config of a judge.

    path (Path): The config.
    overrides (Optional[Dict[str, Any]]): Settings of the config by their dotted names.
    target (Optional[Target]): What is labelled; a text classifier of spacy-llm gets its labels.
    RETURNS (Config): The config, interpolated.
    """
    from ..judge.spacy_llm_textcat import find_textcat, label_settings

    hint = "The configs of judges are in configs/judges/."
    settings = dict(overrides or {})
    if isinstance(target, Cats):
        name = find_textcat(read_config(path, interpolate=False, hint=hint))
        if name is not None:
            settings = {**label_settings(name, target), **settings}
    config = read_config(path, settings, hint=hint)
    _define_labels(config)
    return config


def _define_labels(config: "Config") -> None:
    """Give the tasks of a judge what `paths.definitions` says of the labels, where their config says nothing."""
    from spacy_llm.registry import registry

    path = config.get("paths", {}).get("definitions")
    definitions = definitions_of(read_guidelines(Path(path))) if path else {}
    if not definitions:
        return
    for component in config.get("components", {}).values():
        task: Any = component.get("task") if isinstance(component, dict) else None
        name = task.get("@llm_tasks") if isinstance(task, dict) else None
        if name is None or task.get("label_definitions") or not registry.has("llm_tasks", name):
            continue
        if "label_definitions" in signature(registry.get("llm_tasks", name)).parameters:
            task["label_definitions"] = definitions


def refuse_batches(config: Mapping[str, Any], path: Path) -> None:
    """Refuse a judge that is asked in batches where a cluster is to do the work, before anything is loaded.

    config (Mapping[str, Any]): The config of the judge, or a block of it.
    path (Path): Its file.
    RAISES (LLMJudgeError): J1000.
    """
    if "Batch.v" in str(config.get("@llm_models", "")):
        raise LLMJudgeError(Errors.J1000.format(path=path))
    for block in config.values():
        if isinstance(block, Mapping):
            refuse_batches(block, path)


def load_judges(
    config: "Config", path: Path, target: Optional[Target] = None
) -> Tuple["Language", List["Judge"]]:
    """Load the pipeline of a judge's config, and find who judges. Nothing is asked.

    config (Config): What `read_judge_config` read.
    path (Path): Its file, for messages.
    target (Optional[Target]): What is to be judged; None leaves it to the config.
    RETURNS (Tuple[Language, List[Judge]]): The pipeline and its judges: components of the class
        `LLMJudge`, or else, for labels of documents, a text classifier of spacy-llm.
    RAISES (LLMJudgeError): J253 where there is none.
    """
    from ..judge.component import LLMJudge
    from ..judge.spacy_llm_textcat import TextCatJudge, find_textcat

    nlp = load_pipeline(config, path)
    name = find_textcat(config) if isinstance(target, Cats) else None
    if name is not None and isinstance(target, Cats):
        return nlp, [TextCatJudge(nlp, name, target)]
    judges: List[Judge] = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, LLMJudge)]
    if not judges:
        found = ", ".join(nlp.component_names) or "none"
        raise LLMJudgeError(Errors.J253.format(path=path, found=found))
    for judge in judges:
        if isinstance(judge, LLMJudge) and target is not None:
            judge.use_target(target)
    return nlp, judges
