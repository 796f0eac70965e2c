"""What every judge task shares in asking: templates and task rules."""

import json
import re
import warnings
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Sequence, Tuple, Union

from ..configs import on_one_line, read_text
from ..errors import Errors, LLMJudgeError, Warnings
from ..storage import require_file

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).parent / "templates"
_RULE = re.compile(r"\s*([^\s:][^:]*?)\s*:\s*(\S.*?)\s*$")

# characters
MAX_LABEL = 200
MAX_DEFINITION = 4000

Rule = Tuple[str, str]


class Verbatim(str):
    """A text that stands in the data block of a prompt as it is."""


def read_template(name_or_path: Union[str, Path]) -> str:
    """Read one of our own templates by its name, or any other by its path."""
    own = TEMPLATES / f"{name_or_path}.jinja"
    path = own if own.exists() else require_file(name_or_path, "It is the template of the prompt.")
    return read_text(path)


@lru_cache(maxsize=8)
def compile_template(source: str) -> "Template":
    """Compile a template in a sandbox: a template file may come from somebody else."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, finalize=_on_one_line
    )
    environment.filters["as_json"] = _as_json
    return environment.from_string(source)


def _on_one_line(value: Any) -> Any:
    """A label, definition or rule with line breaks would stand in the prompt as a section of its own."""
    if not isinstance(value, str) or isinstance(value, Verbatim):
        return value
    return on_one_line(value)


def require_short(labels: Mapping[str, str]) -> None:
    """RAISES (LLMJudgeError): J115 where a label or its definition would fill a prompt."""
    for label, definition in labels.items():
        for what, text, most in (
            ("label", label, MAX_LABEL),
            ("definition", definition, MAX_DEFINITION),
        ):
            if len(text) > most:
                found = {"what": what, "label": label[:40], "n": len(text), "most": most}
                raise LLMJudgeError(Errors.J115.format(**found))


def _as_json(data: Any) -> str:
    # Jinja's own tojson escapes for HTML, which an LLM would copy into its reply. JSON is one line as it is.
    return Verbatim(json.dumps(data, ensure_ascii=False))


def read_rules(path: Union[str, Path]) -> List[Rule]:
    """Read task rules, one `LABEL: text` a line; empty lines and lines with # in front are skipped.

    path (Union[str, Path]): The text file.
    RETURNS (List[Rule]): Label and text, in the order of the file.
    """
    hint = "It should hold the task rules, one 'LABEL: text' a line."
    rules = []
    for number, line in enumerate(read_text(path, hint).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _RULE.match(line)
        if match is None:
            raise LLMJudgeError(Errors.J204.format(path=path, line=number, found=line.strip()[:60]))
        rules.append((match.group(1), match.group(2)))
    return rules


def rules_by_label(rules: Sequence[Rule], labels: Sequence[str]) -> Dict[str, List[str]]:
    """Sort rules by label; those of labels that are not asked about are left out with a warning.

    RETURNS (Dict[str, List[str]]): The rules of every label, in the order of `labels`.
    """
    unknown = sorted({label for label, _ in rules} - set(labels))
    if unknown:
        warnings.warn(
            Warnings.JW202.format(unknown=", ".join(unknown), labels=", ".join(labels)),
            stacklevel=2,
        )
    return {label: [text for rule_label, text in rules if rule_label == label] for label in labels}
