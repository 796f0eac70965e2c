"""JSON read strictly: what the standard does not know, or what can be read in two ways, is an error."""

import json
from typing import Any, Dict, List, Tuple


class StrictJSONError(ValueError):
    """Why a text is not strict JSON; its only argument is the reason, a short snake_case word."""


def load_strict(text: str) -> Any:
    """Read JSON; NaN, infinities and repeated keys are errors, as they are in the standard.

    text (str): The JSON.
    RETURNS (Any): The data.
    RAISES (StrictJSONError): not_json, not_a_number or duplicate_keys.

    EXAMPLE:
        >>> load_strict('{"a": 1}')
        {'a': 1}
        >>> load_strict('{"a": 1, "a": 2}')
        Traceback (most recent call last):
        spacy_llmjudge.transport.strict_json.StrictJSONError: duplicate_keys
    """
    try:
        return make_decoder().decode(text)
    except StrictJSONError:
        raise
    except (ValueError, RecursionError):
        raise StrictJSONError("not_json") from None


def make_decoder() -> json.JSONDecoder:
    """RETURNS (json.JSONDecoder): A decoder that raises StrictJSONError where `load_strict` does."""
    return json.JSONDecoder(
        object_pairs_hook=_refuse_repeated_keys, parse_constant=_refuse_constant
    )


def _refuse_constant(constant: str) -> None:
    raise StrictJSONError("not_a_number")


def _refuse_repeated_keys(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise StrictJSONError("duplicate_keys")
    return data
