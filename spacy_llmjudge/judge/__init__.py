"""The judge: tasks, prompts, replies and verdicts. `spacy_llmjudge.judge(...)` runs the step `judge`."""

import sys
from types import ModuleType
from typing import Any, Dict


class _Step(ModuleType):
    """A room whose name is that of a step, too."""

    def __call__(self, *args: Any, **kwargs: Any) -> Dict[str, Any]:
        from importlib import import_module

        found: Dict[str, Any] = import_module("spacy_llmjudge.steps.judge").judge(*args, **kwargs)
        return found


sys.modules[__name__].__class__ = _Step
