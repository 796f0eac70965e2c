"""What each label means, written down once: `labels.yml` (or `.json`) beside the data.

`prepare` checks it and keeps it in the corpus as `labels.json`, where the report, the model card and the review page
find it; the judge's prompts take it from the folder of the data. Without the file nothing changes anywhere.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple

import srsly

from ..configs import on_one_line, read_text
from ..errors import Errors, LLMJudgeError

RECORD = "labels.json"
NAMES = ("labels.yml", "labels.yaml", RECORD)
# characters of all that is said of a label, which stands in every prompt
MOST = 4000
_LISTS = ("examples", "counter_examples")
_TEMPLATE = """\
# What each label means. The judge reads it in every prompt; it stands in the report and in the model card as well.
# A sentence for each label, some mentions that count, and some that look alike and do not:
#
# PEST:
#   definition: "an animal that harms plants, with its life stage"
#   examples: ["vine weevil larvae", "slugs"]
#   counter_examples: ["ladybirds", "bugs"]
"""


@dataclass(frozen=True)
class LabelGuideline:
    """What a label means.

    name (str): How people call it, where the label is short for that.
    definition (str): What it is, in a sentence or two.
    examples (Tuple[str, ...]): Mentions, or texts, that have it.
    counter_examples (Tuple[str, ...]): Some that look like it, and do not.
    """

    name: str = ""
    definition: str = ""
    examples: Tuple[str, ...] = ()
    counter_examples: Tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it on one line, as prompts show it; empty where nothing is said.

        >>> LabelGuideline(definition="harms plants", examples=("slugs",), counter_examples=("bees",)).text
        'harms plants. Examples: slugs. Not: bees.'
        """
        said = ": ".join(part for part in (self.name, self.definition) if part)
        parts = [said] if said else []
        for title, items in (("Examples", self.examples), ("Not", self.counter_examples)):
            if items:
                parts.append(f"{title}: {'; '.join(items)}")
        if len(parts) < 2:
            return said or "".join(f"{part}." for part in parts)
        return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in parts)


Guidelines = Dict[str, LabelGuideline]


def find_guidelines(source: Path) -> Optional[Path]:
    """Find the file beside the data.

    source (Path): A folder of a dataset, or of a corpus; or the only file of a dataset, where it is the name of
        that file with `.labels.yml` in the place of its suffix.
    RETURNS (Optional[Path]): The file, where there is one.
    """
    if source.is_dir():
        paths = [source / name for name in NAMES]
    else:
        paths = [source.with_name(f"{source.stem}.{name}") for name in NAMES]
    return next((path for path in paths if path.is_file()), None)


def read_guidelines(path: Path) -> Guidelines:
    """Read what labels mean.

    path (Path): YAML or JSON: labels to definitions, or to objects with `definition`, `name`, `examples` and
        `counter_examples`, each of which may be left out.
    RETURNS (Guidelines): By label, in the order of the file.
    RAISES (LLMJudgeError): J961 where it has another shape.
    """
    text = read_text(path, "It says what the labels mean.")
    try:
        data = json.loads(text) if path.suffix.lower() == ".json" else srsly.yaml_loads(text)
    except Exception as error:
        # the YAML library has errors of many classes
        reason = " ".join(str(error).split())[:200]
        raise _error(path, f"it cannot be read ({reason})") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise _error(path, f"it holds a {type(data).__name__}")
    return {_label(key, path): _read(key, value, path) for key, value in data.items()}


def require_known(guidelines: Guidelines, labels: Iterable[str], path: Path) -> None:
    """RAISES (LLMJudgeError): J962 where something is said of labels that the data does not have."""
    known = sorted(set(labels))
    unknown = [label for label in guidelines if label not in known]
    if unknown:
        found = {"unknown": ", ".join(unknown), "labels": ", ".join(known) or "none"}
        raise LLMJudgeError(Errors.J962.format(path=path, **found))


def definitions_of(guidelines: Guidelines) -> Dict[str, str]:
    """RETURNS (Dict[str, str]): For prompts: the labels of which anything is said, each with one line."""
    return {label: found.text for label, found in guidelines.items() if found.text}


def find_definitions(source: Path) -> Dict[str, str]:
    """RETURNS (Dict[str, str]): What the file beside the data says, as `definitions_of` gives it; empty without one."""
    path = find_guidelines(source)
    return {} if path is None else definitions_of(read_guidelines(path))


def undefined(guidelines: Guidelines, labels: Iterable[str]) -> List[str]:
    """RETURNS (List[str]): The labels of which nothing is said, sorted."""
    return sorted(set(labels) - set(definitions_of(guidelines)))


def to_json(guidelines: Guidelines) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What `read_guidelines` reads from a JSON file."""
    return {label: asdict(found) for label, found in guidelines.items()}


def make_template(labels: Iterable[str]) -> str:
    """RETURNS (str): A file to fill in, which says nothing yet."""
    rows = [f'{_quote(label)}:\n  definition: ""\n' for label in labels]
    return _TEMPLATE + "\n" + "\n".join(rows)


def _quote(label: str) -> str:
    """A label as JSON, which is YAML where what cannot be printed is escaped."""
    text = json.dumps(label, ensure_ascii=False)
    return "".join(c if c.isprintable() or c > "\uffff" else f"\\u{ord(c):04x}" for c in text)


def _read(label: Any, value: Any, path: Path) -> LabelGuideline:
    said = {"definition": value} if isinstance(value, str) or value is None else value
    if not isinstance(said, dict):
        raise _error(path, f"{label!r} is a {type(value).__name__}")
    names = set(LabelGuideline.__dataclass_fields__)
    unknown = [key for key in said if key not in names]
    if unknown:
        raise _error(path, f"{label!r} has {unknown[0]!r}")
    fields: Dict[str, Any] = {}
    for key, found in said.items():
        if key in _LISTS:
            items = [found] if isinstance(found, str) else found or []
            if not isinstance(items, list):
                raise _error(path, f"{key} of {label!r} is a {type(found).__name__}")
            fields[key] = tuple(_line(item, f"{key} of {label!r}", path) for item in items)
        else:
            fields[key] = _line("" if found is None else found, f"{key} of {label!r}", path)
    guideline = LabelGuideline(**fields)
    if len(guideline.text) > MOST:
        text = f"what is said of {str(label)[:60]!r} has {len(guideline.text)} characters, over the limit of {MOST}"
        raise _error(path, text)
    return guideline


def _label(key: Any, path: Path) -> str:
    # YAML reads a label such as 1 or null as something else than a text
    if not isinstance(key, str):
        raise _error(path, f"the label {key!r} is a {type(key).__name__}: put it in quotes")
    return key


def _line(value: Any, what: str, path: Path) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _error(path, f"{what} holds a {type(value).__name__}")
    text = on_one_line(str(value)).strip()
    if "${" in text:
        raise _error(path, f"{what} holds '${{', which a config would take for a setting")
    return text


def _error(path: Path, found: str) -> LLMJudgeError:
    return LLMJudgeError(Errors.J961.format(path=path, found=found))
