"""The sections of a report about the run and its students: plain texts, tables and plots."""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..evaluation.summary import (
    CALIBRATION_TITLES,
    TITLES,
    calibration_rows,
    header,
    model_rows,
)
from .plots import Bin, Interval, Kept, Plot, draw_forest, draw_kept, draw_reliability
from .text import shorten

# with fewer held-out candidates over the cut nothing is known about a label
FEW = 10
SOURCES = ("student", "judge", "fused")
Json = Mapping[str, Any]


class Table(NamedTuple):
    """A table.

    caption (str): What it shows.
    header (Sequence[str]): The titles of the columns.
    rows (Sequence[Sequence[str]]): The cells; the first is the name of the row.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


class Section(NamedTuple):
    """A section of the page.

    name (str): Its identifier.
    title (str): Its heading.
    lines (Sequence[str]): Sentences.
    plots (Sequence[Plot]): Plots.
    tables (Sequence[Table]): Tables.
    missing (str): Why there is nothing else to see.
    """

    name: str
    title: str
    lines: Sequence[str] = ()
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    missing: str = ""


def describe_run(
    summary: Json,
    selection: Json,
    seconds: Mapping[str, float],
    units: str,
    certificate: Optional[Json] = None,
) -> Section:
    """The run in a few lines: the students, the calls, the cost and the time, the silver, the statement, and the
    certificate where people answered about the silver."""
    lines = [_say_students(summary)]
    judge = summary.get("judge") or {}
    if judge:
        lines.append(
            f"The judge was asked about {judge['requests']} documents and abstained on {judge['abstained']}."
        )
    spent = f"cost: {show_cost(judge.get('cost'))}" if judge else "no judge was asked"
    time = f"{sum(seconds.values()) / 60:.0f} minutes" if seconds else "unknown"
    lines.append(f"{spent[0].upper()}{spent[1:]}; time of all steps: {time}.")
    if selection:
        documents, candidates = selection["documents"], selection["candidates"]
        lines.append(
            f"Silver: {selection['spans']} {units} in {documents['silver']} of {documents['pool']} documents; "
            f"{selection['decisions']['accepted']} of {candidates['pool_without_overlaps']} candidates were accepted."
        )
        lines.append(selection["statement"])
    lines += say_certificate(certificate or {})
    return Section("run", "The run", [line for line in lines if line])


def say_certificate(certificate: Json) -> List[str]:
    """RETURNS (List[str]): What a certificate says, and PAC labelling where people did it; nothing without one."""
    if not certificate:
        return []
    pac = certificate.get("pac") or {}
    agreed = [
        f"{one['first']} and {one['second']} agree on {one['same']} of {one['both']}"
        for one in certificate.get("agreement") or ()
    ]
    people = f" Of those who answered, {'; '.join(agreed)}." if agreed else ""
    return [
        f"Certificate: {certificate['statement']}{people}",
        *([f"PAC labelling: {pac['statement']}"] if pac else []),
    ]


def _say_students(summary: Json) -> str:
    judged = summary.get("judged")
    if not judged:
        return "No student was scored on a test set."
    score = "macro-F1" if summary.get("target") == "cats" else "F1"
    text = f"Judged student: {score} {_interval(judged['f'], judged['f_low'], judged['f_high'])}"
    if "seed" in summary:
        text += f"; seed student: {percent(summary['seed']['f'])}"
    gain = (summary.get("comparisons") or {}).get("seed")
    if gain is not None:
        low, high = 100 * gain["low"], 100 * gain["high"]
        text += f"; difference {100 * gain['difference']:+.1f} ({low:+.1f} to {high:+.1f})"
    return f"{text}, in %."


def describe_students(summary: Json, judged: Json) -> Section:
    """Scores on the test set with intervals, and those of the judged student by label."""
    title = "Students"
    if not any(name in summary for name in TITLES):
        why = "There are no scores: the run has no test set, or `evaluate` has not run."
        return Section("students", title, missing=why)
    score = "macro-F1" if summary.get("target") == "cats" else "F1"
    intervals = [
        Interval(title, *(summary[name][key] for key in ("f", "f_low", "f_high")))
        for name, title in TITLES.items()
        if name in summary
    ]
    tables = [Table("Scores on the test set (%)", header(dict(summary)), model_rows(dict(summary)))]
    by_label = (judged.get("spacy") or {}).get("per_type") or {}
    if by_label:
        intervals_of = judged.get("intervals") or {}
        rows = []
        for label, found in sorted(by_label.items()):
            scores = [percent(found[key]) for key in ("p", "r", "f")]
            rows.append((shorten(label), *scores, show_interval(intervals_of.get(label))))
        titles = ("label", "P", "R", "F1", "95 % interval")
        tables.append(Table("The judged student by label (%)", titles, rows))
    return Section("students", title, plots=[draw_forest(intervals, score)], tables=tables)


def describe_confidence(selection: Json) -> Section:
    """How honest the probabilities are, on held-out candidates and out of fold."""
    title = "Confidence"
    listed = selection.get("reliability_listed")
    found = listed or selection.get("reliability") or {}
    if not found:
        why = "There are no held-out candidates with gold, so that no probability could be checked."
        return Section("confidence", title, missing=why)
    plots = [
        draw_reliability(source, [Bin(**one) for one in figures["bins"]], figures["n"])
        for source in SOURCES
        if (figures := found.get(source)) and figures["bins"]
    ]
    which = (
        "Held-out candidates that the student predicted or the judge proposed"
        if listed
        else "All held-out candidates, as the student predicted none and the judge proposed none"
    )
    lines = [
        f"{which}; each number comes from a fit that has not seen its document. Points on the dashed line are honest: "
        "of candidates with probability .8, 80 % are right."
    ]
    rows = calibration_rows({name: found[name] for name in SOURCES if name in found})
    table = Table("On these candidates", CALIBRATION_TITLES, rows)
    return Section("confidence", title, lines, plots, [table])


def describe_kept(selection: Json, rows: Sequence[Kept], units: str) -> Section:
    """What would be kept at other q."""
    title = "What another q would keep"
    if not rows:
        why = "The selector has no setting q, so that there is no curve."
        return Section("kept", title, missing=why)
    today = (selection.get("settings") or {}).get("q")
    cells = [(f"{row.q:g}", str(row.accepted), percent(row.wrong), percent(row.f1)) for row in rows]
    table = Table("By q", ("q", "kept", "wrong, hidden gold (%)", "F1, hidden gold (%)"), cells)
    lines = [f"q is the share of wrong {units} that the silver may have."]
    if all(row.wrong is None for row in rows):
        lines.append(
            "The pool has no hidden gold, so that nothing says how many of them are right."
        )
    return Section("kept", title, lines, draw_kept(rows, today, units), [table])


def describe_silver(selection: Json, silver: Json) -> Section:
    """The silver by label, with warnings where the held-out candidates speak against a label."""
    title = "Silver by label"
    if not selection:
        return Section("silver", title, missing="`filter` has not run, so that there is no silver.")
    q = (selection.get("promise") or {}).get("q")
    measured = silver.get("per_type") or {}
    rows = []
    for label, row in selection["labels"].items():
        n, wrong = row.get("held_out_over_cut"), row.get("wrong_over_cut")
        gold = measured.get(label) or {}
        rows.append(
            (
                shorten(label),
                _warn(n, wrong, q),
                str(row["pool"]),
                str(row["accepted"]),
                "-" if n is None else f"{wrong} of {n}",
                percent(wrong / n if n else None),
                percent(gold.get("wrong_share")),
                percent(gold.get("recall")),
            )
        )
    titles = (
        "label",
        "note",
        "candidates",
        "kept",
        "held out, wrong",
        "share wrong (%)",
        "wrong, hidden gold (%)",
        "recall, hidden gold (%)",
    )
    lines = []
    if "unjudged" in selection:
        lines.append(
            f"Documents without an answer of the judge: {selection['unjudged']['statement']}"
        )
    lines.append(
        "What is said about the share of wrong is about all labels together; the table shows each label as the "
        "held-out candidates over the cut have it."
    )
    return Section("silver", title, lines, tables=[Table("By label", titles, rows)])


def _warn(n: Optional[int], wrong: Optional[int], q: Optional[float]) -> str:
    if n is None or wrong is None:
        return ""
    if n < FEW:
        return "\u26a0 too few held out to say"
    return "\u26a0 more wrong than q" if q is not None and wrong / n > q else ""


def percent(value: Optional[float]) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def show_interval(found: Optional[Json]) -> str:
    return f"{percent(found['f_low'])} to {percent(found['f_high'])}" if found else "-"


def show_cost(cost: Optional[float]) -> str:
    return "not known" if cost is None else f"{cost:.2f} US dollars"


def _interval(value: float, low: float, high: float) -> str:
    return f"{percent(value)} ({percent(low)} to {percent(high)})"


def show_counts(counts: Mapping[str, int]) -> List[Tuple[str, str]]:
    """RETURNS (List[Tuple[str, str]]): Counts as cells, the largest first."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(shorten(name), str(n)) for name, n in ordered]


def count_states(judge: Json) -> Dict[str, int]:
    """RETURNS (Dict[str, int]): Documents of all sets by what became of the question about them."""
    total: Dict[str, int] = {}
    for states in judge.values():
        if isinstance(states, dict):
            for state, n in states.items():
                total[state] = total.get(state, 0) + n
    return total
