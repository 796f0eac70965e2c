"""The answers: a file that only grows, a line for each key that changes anything, on the disk before it is confirmed.

The last line of a person on an item counts, so that two tabs, or a request that is sent twice, count once. A line
that a killed server or a full disk left unfinished was never confirmed, and goes.
"""

import json
import os
import time
import warnings
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..errors import Errors, LLMJudgeError, Warnings
from ..storage import read_json_lines
from .items import Spans

KINDS = ("answer", "draft", "skip", "undo")


class Answers:
    """What people said, read from a file and appended to it.

    path (Path): The file.
    facts (Mapping[str, Any]): What the answers are about; it begins a new file.
    given (Dict[str, Dict[str, Spans]]): By item and person, the answers that stand.
    drafts (Dict[Tuple[str, str], Spans]): By item and person, what was changed and not yet confirmed.
    skipped (Dict[str, List[str]]): By person, the items that were put off, in this order.
    facts (Dict[str, Any]): Those of the file.
    RAISES (LLMJudgeError): J931 where the file is about something else, J933 where it is no file of answers.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        self.path = path
        self.given: Dict[str, Dict[str, Spans]] = {}
        self.drafts: Dict[Tuple[str, str], Spans] = {}
        self.skipped: Dict[str, List[str]] = defaultdict(list)
        self._order: Dict[str, List[str]] = defaultdict(list)
        self.facts = dict(facts)
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(path)
        lines = list(read_json_lines(path)) if path.exists() else []
        if lines:
            self._read(lines)
        else:
            self._write(self.facts)

    def add(self, kind: str, item: str, by: str, spans: Spans = ()) -> None:
        """Keep what a person said; it is on the disk when this returns.

        kind (str): One of KINDS.
        item (str): About what.
        by (str): Who.
        spans (Spans): The answer.
        """
        if kind == "answer" and self.given.get(item, {}).get(by) == spans:
            return
        line = {"kind": kind, "item": item, "by": by, "at": round(time.time(), 3)}
        if kind in ("answer", "draft"):
            line["spans"] = spans
        self._write(line)
        self._apply(kind, item, by, spans)

    def last_of(self, by: str) -> Optional[str]:
        """RETURNS (Optional[str]): The item that a person answered last."""
        return self._order[by][-1] if self._order[by] else None

    def _apply(self, kind: str, item: str, by: str, spans: Spans) -> None:
        if kind == "draft":
            self.drafts[item, by] = spans
            return
        for kept in (self.skipped[by], self._order[by]):
            if item in kept:
                kept.remove(item)
        if kind == "skip":
            self.skipped[by].append(item)
            return
        self.drafts.pop((item, by), None)
        if kind == "answer":
            said = self.given.setdefault(item, {})
            # the last one to speak stands last
            said.pop(by, None)
            said[by] = spans
            self._order[by].append(item)
        else:
            said = self.given.get(item, {})
            said.pop(by, None)
            if not said:
                self.given.pop(item, None)

    def _read(self, lines: List[Tuple[int, Any]]) -> None:
        (_, found), *rest = lines
        if not isinstance(found, dict) or "frame" not in found:
            raise LLMJudgeError(Errors.J933.format(path=self.path, line=1))
        if any(found.get(name) != self.facts[name] for name in ("task", "frame")):
            raise LLMJudgeError(Errors.J931.format(path=self.path))
        self.facts = found
        for number, row in rest:
            if isinstance(row, Exception):
                row = _read_glued(self.path, number)
            try:
                spans = tuple((int(s), int(e), str(label)) for s, e, label in row.get("spans", ()))
                kind, item, by = row["kind"], row["item"], row["by"]
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                found = Errors.J933.format(path=self.path, line=number)
                raise LLMJudgeError(found) from error
            self._apply(kind, item, by, spans)

    def _write(self, line: Mapping[str, Any]) -> None:
        data = (json.dumps(line, sort_keys=True) + "\n").encode("ascii")
        size = self.path.stat().st_size if self.path.exists() else 0
        try:
            with self.path.open("ab") as file_:
                file_.write(data)
                file_.flush()
                os.fsync(file_.fileno())
        except OSError as error:
            # else the next answer would stand on the same line
            with suppress(OSError):
                os.truncate(self.path, size)
            raise LLMJudgeError(Errors.J003.format(path=self.path, error=error)) from error


def _cut_torn_line(path: Path) -> None:
    if path.exists():
        with path.open("rb+") as file_:
            data = file_.read()
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                file_.truncate(whole)


def _read_glued(path: Path, number: int) -> Any:
    """RETURNS (Any): The line that stands whole behind the beginning of another one; None where there is none."""
    line = path.read_bytes().split(b"\n")[number - 1]
    # quotation marks inside of strings are escaped, so this begins an object
    start = line.rfind(b'{"at": ')
    if start < 1:
        return None
    try:
        row = json.loads(line[start:])
    except ValueError:
        return None
    warnings.warn(Warnings.JW951.format(path=path, line=number), stacklevel=4)
    return row
