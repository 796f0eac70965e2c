"""Ray as the rest of this room sees it: imported when it is needed, and its errors as ours."""

from types import ModuleType
from typing import Any, NoReturn

from ..errors import Errors, LLMJudgeError


def import_ray() -> ModuleType:
    """RETURNS (ModuleType): Ray. RAISES (LLMJudgeError): J963 where it is not installed."""
    try:
        import ray
    except ImportError as error:
        raise LLMJudgeError(Errors.J963.format(error=error)) from error
    found: ModuleType = ray
    return found


def fetch(result: Any) -> Any:
    """Wait for what an actor gives.

    result (ObjectRef): What its call returned.
    RETURNS (Any): The value.
    RAISES (LLMJudgeError): What the actor raised. An error that is none of ours comes as it was raised.
    """
    ray = import_ray()
    try:
        return ray.get(result)
    except ray.exceptions.RayTaskError as error:
        raise_cause(error)


def raise_cause(error: Any) -> NoReturn:
    """Raise what an actor raised, without the lines that Ray puts around it; J967 where another actor that this
    one needed is gone."""
    ray = import_ray()
    cause = error.cause
    while isinstance(cause, ray.exceptions.RayTaskError):
        cause = cause.cause
    if isinstance(cause, LLMJudgeError):
        raise LLMJudgeError(str(cause)) from None
    if isinstance(cause, ray.exceptions.RayActorError):
        raise LLMJudgeError(Errors.J967.format(error=type(cause).__name__)) from cause
    raise cause from error
