"""The model card: what the README of a packaged pipeline says about it, in Markdown."""

import re
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence

from .sections import percent, say_certificate, show_interval
from .text import shorten

Json = Mapping[str, Any]
WHOLE = {"ents": "doc.ents", "spans": "doc.spans", "cats": "doc.cats"}


class Speed(NamedTuple):
    """How fast a pipeline was.

    documents (int): On how many documents.
    words_per_second (float): Tokens by the second.
    processor (str): The name of the processor.
    threads (int): Threads of torch.
    """

    documents: int
    words_per_second: float
    processor: str
    threads: int


class CardFacts(NamedTuple):
    """What a card is made of; empty where it is not known.

    name (str): The name of the package, with the language.
    version (str): Its version.
    lang (str): The language.
    target (str): "ents", "spans" or "cats".
    pipeline (Sequence[str]): The components.
    labels (Mapping[str, Sequence[str]]): The labels, and what each means.
    encoder (str): The pretrained encoder.
    megabytes (float): The size of the pipeline on disk.
    prepared (Json): What `prepare` wrote about the corpus.
    selection (Json): What `filter` wrote.
    summary (Json): What `evaluate` wrote.
    judged (Json): What `evaluate` wrote about this student.
    certificate (Json): What `review` wrote about the silver.
    speed (Optional[Speed]): How fast it was.
    licence (str): The licence of the package.
    """

    name: str
    version: str
    lang: str
    target: str
    pipeline: Sequence[str]
    labels: Mapping[str, Sequence[str]]
    encoder: str = ""
    megabytes: float = 0.0
    prepared: Json = {}
    selection: Json = {}
    summary: Json = {}
    judged: Json = {}
    certificate: Json = {}
    speed: Optional[Speed] = None
    licence: str = ""


def make_card(facts: CardFacts) -> str:
    """RETURNS (str): The card."""
    parts = {
        "Use": _describe_use(facts),
        "Labels": _describe_labels(facts),
        "Training data": _describe_data(facts),
        "Scores": _describe_scores(facts),
        "Size and speed": _describe_size(facts),
        "Limits": _describe_limits(facts),
        "Citation": _describe_citation(facts),
        "Licence": [
            escape(facts.licence, 2000) or "None was named. Ask whoever gave you this package."
        ],
    }
    lines = [f"# {facts.name} {facts.version}", ""]
    for title, part in parts.items():
        lines += [f"## {title}", "", *part, ""]
    return "\n".join(lines)


def _describe_use(facts: CardFacts) -> List[str]:
    names = ", ".join(f"`{_as_code(name)}`" for name in facts.pipeline)
    return [
        f"A spaCy pipeline for the language `{facts.lang}` with the components {names}; what it finds is in "
        f"`{WHOLE[facts.target]}`. It needs no LLM and no key.",
        "",
        "```python",
        "import spacy",
        "",
        f'nlp = spacy.load("{facts.name}")',
        "```",
    ]


def _describe_labels(facts: CardFacts) -> List[str]:
    lines = []
    for label, meanings in sorted(facts.labels.items()):
        text = " ".join(escape(meaning, 2000) for meaning in meanings)
        lines.append(f"- **{escape(label)}**: {text or 'no definition was given'}")
    return lines or ["None."]


def _describe_data(facts: CardFacts) -> List[str]:
    lines = []
    documents = facts.prepared.get("documents") or {}
    if documents:
        counts = ", ".join(
            f"{documents[name]} {name}"
            for name in ("labelled", "dev", "pool")
            if documents.get(name)
        )
        lines += [
            f"Documents: {counts}. The labelled ones have gold; those of the pool were annotated by a student and judged "
            "by an LLM, and what was accepted of them is silver."
        ]
    if facts.selection:
        kept = facts.selection["documents"]["silver"]
        lines += ["", f"Silver: {facts.selection['spans']} annotations in {kept} documents."]
        lines += ["", f"> {escape(facts.selection['statement'], 2000)}"]
    for said in say_certificate(facts.certificate):
        lines += ["", f"> {escape(said, 2000)}"]
    silver = facts.summary.get("silver") or {}
    if silver.get("wrong_share") is not None:
        share, recall = percent(silver["wrong_share"]), percent(silver["recall"])
        lines += [
            "",
            f"Against the hidden gold of the pool {share} % of it are wrong; recall {recall} %.",
        ]
    return lines or ["Nothing is known about it."]


def _describe_scores(facts: CardFacts) -> List[str]:
    judged = facts.summary.get("judged")
    if not judged:
        return ["It was not scored on a test set."]
    documents = facts.judged.get("documents")
    macro = " (averaged over labels)" if facts.target == "cats" else ""
    rows = [_score_row(f"all{macro}", judged, judged)]
    intervals = facts.judged.get("intervals") or {}
    for label, found in sorted(((facts.judged.get("spacy") or {}).get("per_type") or {}).items()):
        rows.append(_score_row(escape(label), found, intervals.get(label) or {}))
    seed = facts.summary.get("seed")
    lines = [
        f"On a test set of {documents} documents, in %, with 95 % bootstrap intervals:",
        "",
        "| label | P | R | F1 | 95 % interval |",
        "|---|---|---|---|---|",
        *rows,
    ]
    if seed:
        lines += ["", f"A student of the labelled documents alone has F1 {percent(seed['f'])}."]
    return lines


def _score_row(name: str, found: Json, interval: Json) -> str:
    cells = [name, *(percent(found[key]) for key in ("p", "r", "f")), show_interval(interval)]
    return f"| {' | '.join(cells)} |"


def _describe_size(facts: CardFacts) -> List[str]:
    lines = [f"{facts.megabytes:.0f} MB on disk."]
    if facts.encoder:
        lines.append(f"The pretrained encoder inside is {escape(facts.encoder)}.")
    if facts.speed is not None:
        found = facts.speed
        lines.append(
            f"{found.words_per_second:,.0f} words a second on {escape(found.processor)} with {found.threads} thread(s), over "
            f"{found.documents} documents of the test set."
        )
    return [" ".join(lines)]


def _describe_limits(facts: CardFacts) -> List[str]:
    lines = [
        "- It was trained on texts of one kind; on others it may be worse, and the scores above do not say how much.",
        "- A part of what it learned are labels of an LLM that nobody has read. What the LLM gets wrong in the same way "
        "every time, this pipeline gets wrong as well.",
    ]
    weak = [
        escape(label)
        for label, found in sorted(
            ((facts.judged.get("spacy") or {}).get("per_type") or {}).items()
        )
        if found["f"] < 0.5
    ]
    if weak:
        lines.append(f"- F1 is under 50 % for {', '.join(weak)}.")
    return lines


def _describe_citation(facts: CardFacts) -> List[str]:
    encoder = _as_code(facts.encoder) if facts.encoder else "no pretrained encoder"
    return [
        "Name the package and its version, and spacy_llmjudge, which it was trained with:",
        "",
        "```text",
        f"{facts.name}, version {facts.version}. Trained with spacy_llmjudge from {encoder}.",
        "```",
    ]


def _as_code(text: str) -> str:
    """Text of data between backticks, where nothing is escaped."""
    return shorten(text).replace("`", "'")


def escape(text: str, length: int = 120) -> str:
    """RETURNS (str): Text of data on one line, which Markdown and HTML leave as it is."""
    shown = shorten(text, length).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]|#>~$])", r"\\\1", shown)
