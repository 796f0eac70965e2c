"""brat: a folder with a text in `.txt` and its annotation in `.ann` beside it, for every document.

Of the annotation the entities are read (lines that begin with T). One in several parts is read where only white
space is between them, as brat writes an entity that goes over a line break.
"""

import re
from pathlib import Path
from typing import Iterable, Iterator, List, Optional, Sequence, Tuple

from ...errors import Errors, LLMJudgeError
from ..lines import printable, read_lines
from ..record import Mention, Record

CONF = "annotation.conf"
_ENTITY = re.compile(r"T\S*\t(\S+) (\d+ \d+(?:;\d+ \d+)*)(?:\t.*)?")
_NAME = re.compile(r"[\w-]+", re.ASCII)
_BREAK = re.compile(r"\s*[\r\n]\s*")


def is_folder(path: Path) -> bool:
    """RETURNS (bool): Whether a path is a folder of brat."""
    return path.is_dir() and next(path.glob("*.ann"), None) is not None


def read_folder(path: Path) -> Iterator[Record]:
    """Read a folder, in the order of its names.

    path (Path): The folder.
    YIELDS (Record): The documents; one without `.ann` says nothing.
    """
    for ann in sorted(path.glob("*.ann")):
        if not ann.with_suffix(".txt").exists():
            raise LLMJudgeError(Errors.J950.format(path=ann, text=ann.with_suffix(".txt").name))
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
        found = [_read_entity(line, place, text) for place, line in read_lines(ann)]
        yield Record(where, text, mentions=tuple(m for m in found if m is not None))


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


def _read_entity(line: str, where: str, text: str) -> Optional[Mention]:
    if not line.startswith("T"):
        return None
    found = _ENTITY.fullmatch(line)
    if found is None:
        raise LLMJudgeError(Errors.J952.format(where=where, line=repr(line[:60])))
    parts = [part.split(" ") for part in found[2].split(";")]
    edges = [(int(start), int(end)) for start, end in parts]
    for (_, end), (start, _) in zip(edges, edges[1:]):
        if text[end:start].strip() or start < end:
            raise LLMJudgeError(Errors.J953.format(where=where, line=repr(line[:60])))
    return Mention(edges[0][0], edges[-1][1], found[1])


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
