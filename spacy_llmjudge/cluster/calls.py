"""Ray as the rest of this room sees it: imported when it is needed, and its errors as ours."""

from types import ModuleType
from typing import Any

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
        # without the lines that Ray puts around it
        cause = error.cause
        while isinstance(cause, ray.exceptions.RayTaskError):
            cause = cause.cause
        if isinstance(cause, LLMJudgeError):
            raise LLMJudgeError(str(cause)) from None
        raise cause from error


def ask_keeper(result: Any) -> Any:
    """As `fetch`, of the actor that keeps the ledgers. RAISES (LLMJudgeError): Also J967, where that is gone."""
    try:
        return fetch(result)
    except import_ray().exceptions.RayActorError as error:
        raise LLMJudgeError(Errors.J967.format(error=type(error).__name__)) from error
