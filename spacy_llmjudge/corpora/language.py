"""The pipeline without components whose tokenizer a corpus has."""

from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import Errors, LLMJudgeError
from ..registries import only_factories

if TYPE_CHECKING:
    from spacy.language import Language


@lru_cache(maxsize=4)
def make_blank(lang: str) -> "Language":
    """Make an empty pipeline, once for each language: the exceptions of a tokenizer take a tenth of a second.

    lang (str): The code of a language of spaCy, such as "en"; "xx" is none in particular.
    RETURNS (Language): The pipeline.
    RAISES (LLMJudgeError): J626 where spaCy does not know the language, or lacks a package for it.
    """
    import spacy

    try:
        with only_factories():
            return spacy.blank(lang)
    except ImportError as error:
        raise LLMJudgeError(Errors.J626.format(lang=lang, error=error)) from error
