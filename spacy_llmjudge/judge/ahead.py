"""All questions of a run at once, for models that are asked in batches."""

from typing import Any, Callable, Iterable, List, Union

from spacy.tokens import Doc

from .component import LLMJudge
from .cost_estimate import PromptMaker
from .spacy_llm_textcat import TextCatJudge
from .tasks.base import JudgeTask


def ask_ahead(judge: Union[LLMJudge, TextCatJudge], docs: Callable[[], Iterable[Doc]]) -> None:
    """Have the replies about documents in the ledger before the first is judged, where the model is asked by
    batches. Others are left alone.

    judge (Union[LLMJudge, TextCatJudge]): Who judges.
    docs (Callable[[], Iterable[Doc]]): The documents that will be judged, which may be read more than once.
    """
    model: Any = judge.model
    task = judge.task
    if not getattr(model, "asks_ahead", False):
        return
    task.load()
    if isinstance(task, JudgeTask):
        # The mark of the data block, and with it every request, depends on it.
        task.salt = model.salt
    model.ask_ahead(lambda: (_make_prompts(task, doc) for doc in docs()))


def _make_prompts(task: PromptMaker, doc: Doc) -> List[Any]:
    try:
        return list(task.make_prompts(doc))
    except Exception:
        # Its own turn comes, and with it the error handler.
        return []
