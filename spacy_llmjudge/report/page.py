"""The page: one HTML file that needs nothing else, and that runs no script but its own."""

import base64
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, NamedTuple, Sequence, Tuple

from .details import FIGURES, show_figures
from .examples import Example
from .sections import Section
from .text import clean

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
# bytes of the documents of one part, so that the page stays under 5 MB
MOST_BYTES = 1_500_000
MOST_EXAMPLES = 250
KIND_SIGNS = {
    "right": "\u2713 right",
    "missed": "\u2212 missed",
    "spurious": "+ spurious",
    "boundary": "\u21d4 boundary",
    "label": "\u2260 label",
    "not kept": "\u00b7 not kept",
    "unknown": "? no gold",
}


@dataclass(frozen=True)
class Browser:
    """The documents that are shown.

    parts (Dict[str, str]): The name of each part to a sentence about it.
    examples (List[str]): The documents as HTML.
    kinds (List[Tuple[str, str]]): The kinds of error that occur, and how they are written.
    labels (List[str]): The labels that occur; documents name them by their number.
    """

    parts: Dict[str, str]
    examples: List[str]
    kinds: List[Tuple[str, str]]
    labels: List[str]


class Sample(NamedTuple):
    """Documents to choose from.

    name (str): "test" or "silver".
    title (str): What they are.
    examples (Sequence[Example]): In the order in which they are shown, as far as there is room.
    n_wrong (int): How many have an error, those that are not here counted.
    total (int): How many there are in all.
    """

    name: str
    title: str
    examples: Sequence[Example]
    n_wrong: int
    total: int


def make_browser(samples: Sequence[Sample]) -> Browser:
    """Render documents until there is no room for more.

    samples (Sequence[Sample]): The documents of each part.
    RETURNS (Browser): What is shown, and how much that is of it.
    """
    shown = [(sample, example) for sample in samples for example in sample.examples]
    labels = sorted({label for _, example in shown for label in example.labels})
    numbers = {label: i for i, label in enumerate(labels)}
    template = _environment().get_template("example.html.jinja")
    parts, rendered = {}, []
    for sample in samples:
        size = n = 0
        for n, example in enumerate(sample.examples, 1):
            html = template.render(
                example=example,
                number=n,
                labels=" ".join(str(numbers[label]) for label in example.labels),
                kinds=" ".join(kind.replace(" ", "-") for kind in example.kinds),
                signs=KIND_SIGNS,
                figures=FIGURES,
                show_figures=show_figures,
            )
            size += len(html.encode("utf8"))
            if size > MOST_BYTES:
                n -= 1
                break
            rendered.append(html)
        parts[sample.name] = _say_sample(sample, n)
    kinds = {kind for _, example in shown for kind in example.kinds}
    signs = [(kind.replace(" ", "-"), text) for kind, text in KIND_SIGNS.items() if kind in kinds]
    return Browser(parts, rendered, signs, labels)


def _say_sample(sample: Sample, n: int) -> str:
    if n == sample.total:
        return f"{sample.title}: all {n} documents, {sample.n_wrong} with an error"
    return (
        f"{sample.title}: a sample of {n} of {sample.total} documents, those with an error first "
        f"({sample.n_wrong} have one)"
    )


def render_page(
    title: str,
    sections: Sequence[Section],
    browser: Browser,
    details: Sequence[Section],
    images: Sequence[str],
) -> str:
    """Render the page.

    title (str): Its title.
    sections (Sequence[Section]): What comes before the documents.
    browser (Browser): The documents.
    details (Sequence[Section]): What comes after them.
    images (Sequence[str]): Files of the plots that stand beside the page.
    RETURNS (str): HTML.
    """
    environment = _environment()
    script, style = (
        environment.get_template(name).render() for name in ("script.js.jinja", "style.css.jinja")
    )
    policy = f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    return environment.get_template("page.html.jinja").render(
        title=clean(title),
        sections=sections,
        browser=browser,
        details=details,
        images=images,
        script=script,
        style=style,
        policy=policy,
    )


def _hash(text: str) -> str:
    """RETURNS (str): What a Content-Security-Policy allows this text by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode('utf8')).digest()).decode()}"


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
