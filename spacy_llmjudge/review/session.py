"""One review: which item comes next for whom, what an answer changes, and how far it is."""

import threading
from typing import Any, Dict, Iterator, List, Optional, Sequence

from ..errors import Errors, LLMJudgeError
from ..report.text import shorten
from .agreement import find_agreement
from .answers import Answers
from .certify import certify, describe_pac, find_cut
from .items import Item, Spans, Task

# characters of a person's name
MOST_NAME = 60


class Session:
    """A task with its answers; requests may come at the same time.

    task (Task): What is asked.
    answers (Answers): What was said.
    people (int): So many people answer each item.
    meanings (Optional[Dict[str, str]]): By label, what it means, where anybody said so.
    """

    def __init__(
        self,
        task: Task,
        answers: Answers,
        people: int = 1,
        meanings: Optional[Dict[str, str]] = None,
    ) -> None:
        self.task = task
        self.answers = answers
        self.people = people
        self.meanings = meanings or {}
        self._lock = threading.Lock()
        task.save(task, answers.given)

    def describe(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What a page needs once."""
        task = self.task
        names = ("name", "question", "units", "whole", "moves", "overlaps", "exactly_one")
        shown = {label: shorten(label) for label in task.labels}
        found = {name: getattr(task, name) for name in names}
        meanings = [
            (shown[label], self.meanings[label]) for label in shown if label in self.meanings
        ]
        return {**found, "labels": task.labels, "shown": shown, "meanings": meanings}

    def state(self, by: Any, more: bool = False) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What a page shows a person: the next item, and how far it is."""
        with self._lock:
            return self._state(_read_name(by), more, None)

    def act(self, kind: str, data: Any) -> Dict[str, Any]:
        """Do what a key asks for.

        kind (str): "answer", "draft", "skip" or "undo".
        data (Any): From a browser: `by`, `more`, and `item` and `spans` where they are needed.
        RETURNS (Dict[str, Any]): The state after it.
        RAISES (LLMJudgeError): J932 where the data is not what it should be.
        """
        if not isinstance(data, dict):
            raise LLMJudgeError(Errors.J932.format(found="no object"))
        by, more = _read_name(data.get("by")), bool(data.get("more"))
        with self._lock:
            if kind == "undo":
                last = self.answers.last_of(by)
                if last is None:
                    return self._state(by, more, None)
                self.answers.add("undo", last, by)
                self.task.save(self.task, self.answers.given)
                return self._state(by, more, self.task.find(last))
            item = self.task.find(data.get("item"))
            spans: Spans = ()
            if kind in ("answer", "draft"):
                spans = self.task.read_spans(item, data.get("spans"))
            self.answers.add(kind, item.id, by, spans)
            if kind == "answer":
                self.task.save(self.task, self.answers.given)
            return self._state(by, more, item if kind == "draft" else None)

    def _state(self, by: str, more: bool, shown: Optional[Item]) -> Dict[str, Any]:
        task, given = self.task, self.answers.given
        queue = list(self._queue(more))
        item = shown or self._next(queue, by)
        done = sum(len(given.get(one.id, ())) >= self.people for one in queue)
        state: Dict[str, Any] = {
            "item": None,
            "progress": {"done": done, "of": len(queue), "all": len(task.items)},
            "mine": sum(by in said for said in given.values()),
            "agreement": [one._asdict() for one in find_agreement(given)],
            "certificate": None,
        }
        if item is not None:
            spans = self.answers.drafts.get((item.id, by), item.spans)
            state["item"] = {
                "id": item.id,
                "words": item.words,
                "spans": item.spans,
                "now": spans,
                "facts": item.facts,
                "shown": {label: shorten(label) for _, _, label in (*item.spans, *spans)},
            }
        if task.has_certificate:
            found = certify(task, given)
            state["certificate"] = {
                "bound": found.bound,
                "answered": found.answered,
                "wrong": found.wrong,
                "needed": found.needed,
                "share": found.share,
                "text": found.describe(task.units),
                "pac": None if task.epsilon is None else describe_pac(task, given),
            }
        return state

    def _queue(self, more: bool) -> Iterator[Item]:
        """What is to be answered: the planned items; then those under the cut of PAC labelling, or all."""
        task = self.task
        planned: Sequence[Item] = task.items[: task.planned]
        yield from planned
        is_planned_done = all(one.id in self.answers.given for one in planned)
        if task.epsilon is not None and is_planned_done:
            cut = find_cut(task, self.answers.given)
            rest = [one for one in task.items[task.planned :] if one.probability <= cut]
            yield from sorted(rest, key=lambda one: one.probability)
        elif more:
            yield from task.items[task.planned :]

    def _next(self, queue: List[Item], by: str) -> Optional[Item]:
        given, skipped = self.answers.given, self.answers.skipped[by]
        later = set(skipped)
        open_ = {
            one.id: one
            for one in queue
            if by not in given.get(one.id, ()) and len(given.get(one.id, ())) < self.people
        }
        first = next((one for id_, one in open_.items() if id_ not in later), None)
        return first or next((open_[id_] for id_ in skipped if id_ in open_), None)


def _read_name(name: Any) -> str:
    text = shorten(name, MOST_NAME).strip() if isinstance(name, str) else ""
    if not text:
        raise LLMJudgeError(Errors.J932.format(found="no name of a person"))
    return text
