"""The pipeline without components whose tokenizer a corpus has."""

from typing import TYPE_CHECKING

from ..errors import Errors, LLMJudgeError
from ..registries import only_factories

if TYPE_CHECKING:
    from spacy.language import Language


def make_blank(lang: str) -> "Language":
    """Make an empty pipeline.

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
