"""Names and versions that a package can have, checked before there is anything to package."""

import re

from packaging.version import InvalidVersion, Version

from ..errors import Errors, LLMJudgeError

# as spaCy wants it: a module's name with the language in front, and a name that pip takes
_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?")


def check_package_name(name: str, version: str) -> None:
    """Check how a package is to be called.

    name (str): Its name, without the language.
    version (str): Its version.
    RAISES (LLMJudgeError): J676 where it is no name of a module, J677 where it is no version.
    """
    if not _NAME.fullmatch(name):
        raise LLMJudgeError(Errors.J676.format(name=name))
    try:
        Version(version)
    except InvalidVersion:
        raise LLMJudgeError(Errors.J677.format(version=version)) from None
