"""Every message a user can meet, with its code.

Codes are grouped by room: J0xx files and candidates, J1xx confidence, J2xx judge, J3xx models,
J4xx selection, J5xx denoising, J6xx corpora and training, J7xx evaluation, J8xx rounds and the
command line. Warnings carry the same numbering with the prefix JW.
"""


class LLMJudgeError(ValueError):
    """An error that the user can act on. The command line prints it as one line and exits with 1."""


class _WithCodes(type):
    def __getattribute__(cls, name: str):
        value = super().__getattribute__(name)
        return value if name.startswith("__") else f"[{name}] {value}"


class Errors(metaclass=_WithCodes):
    # Files and candidates
    J001 = "File not found: {path}. {hint}"
    J002 = "{path} is truncated or not a file that spaCy wrote ({error}). Delete it and run the step that makes it again."
    J003 = "{path} cannot be written: {error}. What was there before is untouched; free some space or choose another folder, then run the same command again."
    J004 = "{path} is not valid JSON ({error}). Delete it and run the step that makes it again."
    J005 = "The candidate lists of a document have different lengths: {lengths}. They must be parallel to the spans in doc.spans['{key}']."


class Warnings(metaclass=_WithCodes):
    pass
