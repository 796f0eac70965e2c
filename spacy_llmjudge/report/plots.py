"""The plots of a report. matplotlib is imported when one is drawn."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, List, NamedTuple, Optional, Sequence

from .svg import INK, SETTINGS, draw_png, draw_svg
from .text import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# readable on white and on black, also for those who see no red or no green
BLUE, ORANGE, GREY = "#2f7fc1", "#c8691c", "#808080"
# inches: narrow, so that letters stay readable on a phone
WIDTH = 4.6


class Plot(NamedTuple):
    """A plot.

    name (str): For identifiers and the name of its file.
    svg (str): The plot as an element of a page.
    png (bytes): The same as a file.
    """

    name: str
    svg: str
    png: bytes


class Interval(NamedTuple):
    """A number with its interval.

    title (str): What it is about.
    value, low, high (float): 0 to 1.
    """

    title: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Bin:
    """Candidates of about the same probability.

    count (int): How many.
    probability (float): Their mean probability.
    correct (float): The share that is right.
    """

    count: int
    probability: float
    correct: float


class Kept(NamedTuple):
    """What would be kept at one q.

    q (float): The share of wrong that is allowed.
    accepted (int): Spans that are kept.
    wrong (Optional[float]): The share of them that is wrong, as far as the hidden gold tells.
    f1 (Optional[float]): F1 of the kept spans against the hidden gold.
    """

    q: float
    accepted: int
    wrong: Optional[float] = None
    f1: Optional[float] = None


def draw_forest(rows: Sequence[Interval], score: str) -> Plot:
    """Draw scores with their intervals, one above the other.

    rows (Sequence[Interval]): From the top down.
    score (str): What the numbers are, such as "F1".
    RETURNS (Plot): The plot.
    """

    def draw(axes: "Axes") -> None:
        for y, row in zip(range(len(rows), 0, -1), rows):
            low, value, high = (100 * x for x in (row.low, row.value, row.high))
            axes.plot([low, high], [y, y], color=BLUE, linewidth=2)
            for edge in (low, high):
                axes.plot([edge, edge], [y - 0.08, y + 0.08], color=BLUE, linewidth=2)
            axes.plot([value], [y], "s", color=BLUE, markersize=7)
            text = f"{shorten(row.title, 44)}: {value:.1f} ({low:.1f} to {high:.1f})"
            axes.text(0, y + 0.22, text, ha="left", va="bottom", fontsize=9)
        axes.set(xlim=(-1, 101), ylim=(0.5, len(rows) + 0.75), yticks=[])
        axes.set_xlabel(f"{score} on the test set (%), 95 % interval")
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=GREY, alpha=0.25)

    said = "; ".join(f"{r.title}: {100 * r.value:.1f} %" for r in rows)
    text = f"{score} of the students with 95 % intervals. {said}"
    return _plot("students", text, 0.6 + 0.52 * len(rows), [draw], left=0.15, top=0.05)


def draw_reliability(source: str, bins: Sequence[Bin], n: int) -> Plot:
    """Draw stated probability against the share that is right, with how many there are below.

    source (str): "student", "judge" or "fused".
    bins (Sequence[Bin]): By rising probability.
    n (int): Candidates in all of them.
    RETURNS (Plot): The plot.
    """

    def draw(axes: "Axes") -> None:
        axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1)
        axes.plot([b.probability for b in bins], [b.correct for b in bins], "o-", color=BLUE)
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticklabels=[])
        axes.set_ylabel("share right")
        axes.set_title(f"{source}, {n} candidates", fontsize=10)

    def draw_counts(axes: "Axes") -> None:
        axes.bar([b.probability for b in bins], [b.count for b in bins], width=0.03, color=ORANGE)
        axes.set(xlim=(-0.03, 1.03), yscale="log", ylim=(0.7, 2 * max(b.count for b in bins)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
        axes.set_ylabel("count")
        axes.set_xlabel("probability (dashed: honest)")

    text = (
        f"Reliability of {source}: of {n} candidates, stated probability and share that is right: "
    )
    text += "; ".join(f"{b.probability:.2f} and {b.correct:.2f} ({b.count})" for b in bins)
    return _plot(f"reliability-{source}", text, 3.6, [draw, draw_counts], heights=[3, 1])


def draw_kept(rows: Sequence[Kept], today: Optional[float], units: str) -> List[Plot]:
    """Draw what would be kept at other q, and what of it is right where that is known.

    rows (Sequence[Kept]): By rising q.
    today (Optional[float]): The q that was used.
    units (str): What is kept: "entities", "spans" or "labels".
    RETURNS (List[Plot]): One plot, or two.
    """
    shares = [row.q for row in rows]

    def mark(axes: "Axes") -> None:
        axes.set_xlim(0, 1.05 * max(shares))
        if today is None:
            axes.set_xlabel("q")
        else:
            axes.axvline(today, color=INK, linewidth=1, linestyle=":")
            axes.set_xlabel(f"q (dotted line: {today:g}, as used)")

    def draw(axes: "Axes") -> None:
        axes.plot(shares, [row.accepted for row in rows], "s-", color=BLUE)
        axes.set_ylim(0, 1.1 * max(1, *(row.accepted for row in rows)))
        axes.set_ylabel(f"{units} kept")
        mark(axes)

    def draw_measured(axes: "Axes") -> None:
        x, wrong, f1 = zip(*known)
        axes.plot(x, x, "--", color=GREY, linewidth=1, label="allowed")
        axes.plot(x, wrong, "o-", color=ORANGE, label="share wrong")
        axes.plot(x, f1, "^-", color=BLUE, label="F1")
        axes.set_ylim(0, 1)
        axes.set_ylabel("on the hidden gold")
        axes.legend(
            fontsize=9, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3
        )
        mark(axes)

    said = "; ".join(f"{row.q:g}: {row.accepted}" for row in rows)
    text = f"{units} kept against the share of wrong that is allowed, q. {said}"
    plots = [_plot("kept", text, 3.0, [draw])]
    known = [(r.q, r.wrong, r.f1) for r in rows if r.wrong is not None and r.f1 is not None]
    if known:
        said = "; ".join(f"{q:g}: {wrong:.3f} and {f1:.3f}" for q, wrong, f1 in known)
        text = f"Share of wrong and F1 of the kept {units} on the hidden gold, by q. {said}"
        plots.append(_plot("kept-measured", text, 3.0, [draw_measured]))
    return plots


def _plot(
    name: str,
    description: str,
    height: float,
    panels: Sequence[Callable[[Any], None]],
    *,
    heights: Optional[Sequence[float]] = None,
    left: float = 0.7,
    top: float = 0.35,
) -> Plot:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, height))
        edges = {"left": left / WIDTH, "right": 1 - 0.15 / WIDTH}
        edges.update(bottom=0.55 / height, top=1 - top / height)
        grid = figure.add_gridspec(len(panels), 1, height_ratios=heights, hspace=0.15, **edges)
        for i, draw in enumerate(panels):
            draw(figure.add_subplot(grid[i, 0]))
        return Plot(name, draw_svg(figure, name, description), draw_png(figure))
