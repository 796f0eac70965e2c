"""The sections of a report about the judge, the money, and where everything came from."""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ..candidates import Candidate
from .compare import Confusions
from .pool import Disagreements
from .sections import Section, Table, count_states, show_cost, show_counts
from .text import shorten

KIND_TITLES = {
    "right": "both say the same",
    "missed": "only the judge sees it",
    "spurious": "only the student sees it",
    "boundary": "same label, other boundary",
    "label": "same span, other label",
}


class Provenance(NamedTuple):
    """Where a run came from.

    files (Mapping[str, str]): Files and folders, and the start of the hash of each.
    versions (Mapping[str, str]): Packages.
    settings (Mapping[str, str]): Seeds and what else was set.
    commands (Mapping[str, str]): The command of each step.
    """

    files: Mapping[str, str]
    versions: Mapping[str, str]
    settings: Mapping[str, str]
    commands: Mapping[str, str]


def describe_disagreements(found: Optional[Disagreements]) -> Section:
    """Where the student that annotated the pool and the judge differ."""
    title = "Student and judge"
    if found is None or not found.documents:
        why = "The pool was not judged, or `filter` of an earlier version kept no decisions; run it again."
        return Section("judge", title, missing=why)
    counts = [(title, str(found.kinds.get(kind, 0))) for kind, title in KIND_TITLES.items()]
    largest = [
        (
            one.context,
            shorten(one.candidate.label),
            *show_figures(one.candidate),
            one.candidate.decision or "-",
        )
        for one in found.largest
    ]
    lines = [
        f"The pool's annotation of the student, beside what the judge lists as correct, in {found.documents} documents "
        "that the judge answered for."
    ]
    titles = ("text", "label", *FIGURES, "decision")
    tables = [
        Table("Spans", ("how they stand to each other", "count"), counts),
        confusion_table(
            found.confusions, "The judge's label by row, the student's by column", "judge"
        ),
        Table("Where confidence and support are furthest apart", titles, largest),
    ]
    return Section("judge", title, lines, tables=tables)


FIGURES = ("posterior", "confidence", "verdict", "support", "probability")


def show_figures(candidate: Candidate) -> List[str]:
    """RETURNS (List[str]): The cells of a candidate, in the order of FIGURES."""
    verdict = (candidate.verdict or "-").replace("_", " ")
    if candidate.reason:
        verdict += f" ({shorten(candidate.reason)})"
    values = {
        name: "-" if getattr(candidate, name) is None else f"{getattr(candidate, name):.3f}"
        for name in FIGURES
        if name != "verdict"
    }
    return [verdict if name == "verdict" else values[name] for name in FIGURES]


def confusion_table(found: Confusions, caption: str, corner: str) -> Table:
    """RETURNS (Table): A table of confusions."""
    rows = [
        [shorten(name), *(str(n) for n in counts)] for name, counts in zip(found.rows, found.counts)
    ]
    return Table(caption, (corner, *(shorten(name) for name in found.columns)), rows)


def describe_labels(labels: Mapping[str, Mapping[str, Any]]) -> Section:
    """RETURNS (Section): What people wrote down of the labels: what `labels.json` of a corpus holds, as a table."""
    rows = []
    for label, said in labels.items():
        meaning = ": ".join(part for part in (said["name"], said["definition"]) if part)
        lists = ("; ".join(said[key]) for key in ("examples", "counter_examples"))
        rows.append([shorten(cell, 500) or "-" for cell in (label, meaning, *lists)])
    header = ["label", "what it means", "examples", "what looks like it and is not"]
    caption = "As the judge was told, where it was"
    return Section("labels", "Labels", tables=[Table(caption, header, rows)])


def describe_money(judge: Mapping[str, Any], seconds: Mapping[str, float]) -> Section:
    """What the judge was asked, and what it took."""
    title = "Money and time"
    tables: List[Table] = []
    missing = ""
    if judge:
        rows = [
            ("documents asked about", str(judge["requests"])),
            ("of these abstained", str(judge["abstained"])),
            ("replies that had been kept", _count(judge.get("stored"))),
            ("tokens in, new replies", _count(judge.get("tokens_in"))),
            ("tokens out, new replies", _count(judge.get("tokens_out"))),
            ("cost of all runs of the ledger", show_cost(judge.get("cost"))),
        ]
        states = show_counts(count_states(judge))
        tables += [
            Table("The judge", ("what", "how much"), rows),
            Table("Documents by what became of the question", ("state: reason", "count"), states),
        ]
    else:
        missing = "No judge has worked in this round, so that there is no money to report."
    if seconds:
        times = [(shorten(step), f"{s:.1f}") for step, s in seconds.items()]
        tables.append(Table("Time of each step", ("step", "seconds"), times))
    return Section("money", title, tables=tables, missing=missing)


def describe_provenance(found: Provenance) -> Section:
    """Hashes, versions, seeds and commands."""
    parts: Dict[str, Sequence[str]] = {
        "files": ("file or folder", "SHA-256, the first 16 digits"),
        "versions": ("package", "version"),
        "settings": ("setting", "value"),
        "commands": ("step", "command"),
    }
    tables = [
        Table(name.capitalize(), titles, [(shorten(k), shorten(v, 2000)) for k, v in rows.items()])
        for (name, titles), rows in zip(parts.items(), found)
        if rows
    ]
    return Section("provenance", "Provenance", tables=tables)


def _count(value: Optional[int]) -> str:
    return "unknown" if value is None else f"{value:,}"
