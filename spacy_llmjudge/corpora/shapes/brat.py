"""brat: a folder with a text in `.txt` and its annotation in `.ann` beside it, for every document.

Of the annotation the entities are read (lines that begin with T). One in several parts is read where only white
space is between them, as brat writes an entity that goes over a line break. All else is counted and named:
relations, events with their triggers, attributes, normalisations, notes and equivalences.
"""

import re
import warnings
from collections import Counter
from pathlib import Path
from typing import Iterable, Iterator, List, Sequence, Tuple

from ...errors import Errors, LLMJudgeError, Warnings
from ..lines import printable, read_lines
from ..record import Mention, Record
from ..utf16 import says_its_text

CONF = "annotation.conf"
# what a line is, by the first character of its name
KINDS = {
    "R": "relations",
    "E": "events (their triggers are no entities)",
    "A": "attributes",
    "M": "attributes",
    "N": "normalisations",
    "#": "notes",
    "*": "equivalences",
}
OTHERS = "other lines"
# with or without a mistake
_IS_ENTITY = re.compile(r"\s*T(?:\d|\S*\t)")
_ENTITY = re.compile(r"(T\S*)\t(\S+) (\d+ \d+(?:;\d+ \d+)*)(?:\t(.*))?", re.DOTALL)
_TRIGGER = re.compile(r"E\S*\t[^\s:]+:(T\S+)")
_NAME = re.compile(r"[\w-]+", re.ASCII)
_BREAK = re.compile(r"\s*[\r\n]\s*")


def is_folder(path: Path) -> bool:
    """RETURNS (bool): Whether a path is a folder of brat, or of nothing but texts that nobody annotated."""
    if is_annotated(path):
        return True
    found = [] if not path.is_dir() else [one for one in path.iterdir() if one.name[0] != "."]
    return bool(found) and all(one.suffix == ".txt" and one.is_file() for one in found)


def is_annotated(path: Path) -> bool:
    """RETURNS (bool): Whether a path is a folder with annotation of brat."""
    return path.is_dir() and next(path.glob("*.ann"), None) is not None


def read_folder(path: Path, may_drop: bool = False) -> Iterator[Record]:
    """Read a folder, in the order of its names.

    Offsets count the characters of the file. Where the words of the annotation only fit when the two characters at
    the end of a line (CRLF) count as one, as in tools that read text so, they count as one.

    path (Path): The folder.
    may_drop (bool): An entity in several parts with words between them will be dropped, and is no error.
    YIELDS (Record): The documents; one without `.ann` says nothing.
    """
    for ann in sorted(path.glob("*.ann")):
        if not ann.with_suffix(".txt").exists():
            raise LLMJudgeError(Errors.J950.format(path=ann, text=ann.with_suffix(".txt").name))
    others: Counter = Counter()
    for txt in sorted(path.glob("*.txt")):
        where = printable(txt)
        try:
            text = txt.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise LLMJudgeError(Errors.J601.format(where=where, error=error.reason)) from error
        ann = txt.with_suffix(".ann")
        if not ann.exists():
            yield Record(where, text)
            continue
        lines = [(place, line) for place, line in read_lines(ann) if line.strip()]
        others.update(KINDS.get(line[0], OTHERS) for _, line in lines if not _IS_ENTITY.match(line))
        yield _read_document(where, text, lines, may_drop)
    if others:
        listed = ", ".join(f"{n} {kind}" for kind, n in sorted(others.items()))
        warnings.warn(Warnings.JW976.format(path=printable(path), found=listed), stacklevel=2)


def write_folder(records: Iterable[Record], path: Path, labels: Sequence[str]) -> None:
    """Write a folder.

    records (Iterable[Record]): The documents.
    path (Path): The folder, which is made.
    labels (Sequence[str]): The labels of the project's configuration.
    """
    path.mkdir()
    for name in labels:
        if _NAME.fullmatch(name) is None:
            raise LLMJudgeError(Errors.J951.format(label=name))
    conf = ["[entities]", *labels, "", "[relations]", "", "[events]", "", "[attributes]", ""]
    (path / CONF).write_bytes("\n".join(conf).encode("utf8"))
    for number, record in enumerate(records, start=1):
        file_ = path / f"doc-{number:06}.txt"
        file_.write_bytes(record.text.encode("utf8"))
        if record.mentions is not None:
            lines = [_format(i, m, record.text) for i, m in enumerate(record.mentions, start=1)]
            file_.with_suffix(".ann").write_bytes("".join(lines).encode("utf8"))


def _read_document(
    where: str, text: str, lines: Sequence[Tuple[str, str]], may_drop: bool
) -> Record:
    triggers = {found[1] for found in (_TRIGGER.match(line) for _, line in lines) if found}
    entities = [
        (place, line, _match(line, place)) for place, line in lines if _IS_ENTITY.match(line)
    ]
    entities = [one for one in entities if one[2][1] not in triggers]
    joined = text.replace("\r\n", "\n")
    if joined != text:
        # a reading that does not fit drops what it must, so that it can be compared
        fits = [
            all(says_its_text(_read_entity(*one, read, True), read) for one in entities)
            for read in (text, joined)
        ]
        text = joined if fits == [False, True] else text
    mentions = (_read_entity(*one, text, may_drop) for one in entities)
    return Record(where, text, mentions=tuple(mentions))


def _match(line: str, where: str) -> "re.Match[str]":
    found = _ENTITY.fullmatch(line)
    if found is None:
        raise LLMJudgeError(Errors.J952.format(where=where, line=repr(line[:60])))
    return found


def _read_entity(
    where: str, line: str, found: "re.Match[str]", text: str, may_drop: bool
) -> Mention:
    edges = [tuple(map(int, part.split(" "))) for part in found[3].split(";")]
    words = found[4]
    for (_, end), (start, _) in zip(edges, edges[1:]):
        if text[end:start].strip() or start < end:
            if not may_drop:
                raise LLMJudgeError(Errors.J953.format(where=where, line=repr(line[:60])))
            # what stands there is more than it says
            words = words or ""
    return Mention(edges[0][0], edges[-1][1], found[2], words)


def _format(number: int, mention: Mention, text: str) -> str:
    parts: List[Tuple[int, int]] = []
    start = mention.start
    for gap in _BREAK.finditer(text, mention.start, mention.end):
        parts.append((start, gap.start()))
        start = gap.end()
    parts.append((start, mention.end))
    parts = [(s, e) for s, e in parts if s < e]
    offsets = ";".join(f"{s} {e}" for s, e in parts)
    words = " ".join(text[s:e] for s, e in parts)
    return f"T{number}\t{mention.label} {offsets}\t{words}\n"
