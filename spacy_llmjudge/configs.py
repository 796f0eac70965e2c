"""Text that people write, configs above all, in the encodings in which editors save it."""

import codecs
import configparser
import re
from typing import TYPE_CHECKING, Any, Mapping, Optional

from .errors import Errors, LLMJudgeError
from .storage import PathLike, require_file

if TYPE_CHECKING:
    from thinc.api import Config

_BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
# what a terminal, or a reader of a prompt, would take for a command; the last ones turn the direction of a line
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def on_one_line(text: str) -> str:
    """RETURNS (str): A text without line breaks, and with other control characters escaped."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], _BREAKS.sub(" ", text))


def read_text(path: PathLike, hint: str = "Run the step that makes it first.") -> str:
    """Read a text file in UTF-8, or in UTF-16 where a byte order mark says so.

    path (PathLike): The file.
    hint (str): What to do where it is not there.
    RETURNS (str): The text, without a byte order mark, with line feeds at the ends of lines.
    RAISES (LLMJudgeError): J678 where it is in another encoding.
    """
    path = require_file(path, hint)
    data = path.read_bytes()
    try:
        text = data.decode("utf-16" if data.startswith(_UTF16_MARKS) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise LLMJudgeError(Errors.J678.format(path=path, line=line, error=error.reason)) from error
    return text.replace("\r\n", "\n")


def read_config(
    path: PathLike,
    overrides: Optional[Mapping[str, Any]] = None,
    *,
    interpolate: bool = True,
    hint: str = "Run `init` to get the configs.",
) -> "Config":
    """Read a config.

    path (PathLike): The file.
    overrides (Optional[Mapping[str, Any]]): Settings by their dotted names.
    interpolate (bool): Whether ${section.name} is replaced by what it names.
    hint (str): What to do where the file is not there.
    RETURNS (Config): The config.
    RAISES (LLMJudgeError): J679 where it is no config.
    """
    from confection import ConfigValidationError
    from spacy.util import CONFIG_SECTION_ORDER
    from thinc.api import Config

    text = read_text(path, hint)
    config = Config(section_order=CONFIG_SECTION_ORDER)
    try:
        return config.from_str(text, overrides=dict(overrides or {}), interpolate=interpolate)
    except ConfigValidationError:
        raise
    except (configparser.Error, ValueError, TypeError, KeyError, RecursionError) as error:
        raise LLMJudgeError(Errors.J679.format(path=path, error=error)) from error
