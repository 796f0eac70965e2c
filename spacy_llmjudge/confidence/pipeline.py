"""Where a component stands in its pipeline: what it looks at, and what runs before it."""

from typing import Any, List, Optional

from spacy.language import Language

from ..candidates import CANDIDATE_CUT
from ..errors import Errors, LLMJudgeError


def find_component(nlp: Language, name: str, pipe_name: str) -> Any:
    """Find the component that another one looks at.

    nlp (Language): The pipeline.
    name (str): Who looks.
    pipe_name (str): Whom it looks at.
    RETURNS (Any): The component.
    RAISES (LLMJudgeError): J107 where it is not there.
    """
    names = nlp.component_names
    if pipe_name not in names:
        raise LLMJudgeError(
            Errors.J107.format(name=name, pipe_name=pipe_name, found=", ".join(names))
        )
    return nlp.get_pipe(pipe_name)


def upstream_names(nlp: Language, name: str, pipe_name: str) -> List[str]:
    """The components that run before one, or up to `ner` where it is not in the pipeline.

    RETURNS (List[str]): Their names in order.
    """
    find_component(nlp, name, pipe_name)
    names = nlp.component_names
    last = names.index(name) if name in names else names.index(pipe_name) + 1
    return [other for other in names[:last] if other in nlp.pipe_names]


def require_fresh_encoding(nlp: Language, name: str, pipe_name: str) -> None:
    """Refuse where another encoder has overwritten what the `ner` listens to.

    RAISES (LLMJudgeError): J108 where an encoder of the same kind runs between the two.
    """
    names = nlp.pipe_names
    if not {name, pipe_name} <= set(names):
        return
    kinds = {
        type(pipe)
        for _, pipe in nlp.pipeline
        if pipe_name in getattr(pipe, "listening_components", [])
    }
    for other in names[names.index(pipe_name) + 1 : names.index(name)]:
        if type(nlp.get_pipe(other)) in kinds:
            raise LLMJudgeError(Errors.J108.format(name=name, other=other, pipe_name=pipe_name))


def add_confidence(
    nlp: Language,
    pipe_name: str,
    candidate_cut: float = CANDIDATE_CUT,
    after: Optional[str] = None,
) -> Any:
    """Add the component `calibrated_confidence` to a pipeline.

    nlp (Language): The pipeline.
    pipe_name (str): The component whose confidence it is.
    candidate_cut (float): Spans with at least this posterior become candidates.
    after (Optional[str]): The component that it comes after; None: it is the last one.
    RETURNS (CalibratedConfidence): The component.
    """
    from . import component  # noqa: F401 it registers the factory

    config = {"pipe_name": pipe_name, "candidate_cut": candidate_cut}
    return nlp.add_pipe("calibrated_confidence", after=after, config=config)
