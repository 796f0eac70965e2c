"""Our own registries, made with spaCy's, so that a config can swap calibrators and selectors, and how
to ask a registry without a search through all that is installed."""

import threading
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Mapping

from catalogue import Registry
from spacy import registry

if not hasattr(registry, "llmjudge_calibrators"):
    registry.create("llmjudge_calibrators", entry_points=True)
if not hasattr(registry, "llmjudge_selectors"):
    registry.create("llmjudge_selectors", entry_points=True)


@contextmanager
def answering(asked: Registry, entries: Mapping[str, Any]) -> Iterator[None]:
    """Let a registry answer `get_all` with these entries until the block ends.

    For every such question catalogue looks through the entry points of all installed packages, and
    loads what it finds. Other threads get the usual answer.

    asked (Registry): The registry.
    entries (Mapping[str, Any]): By name.
    """
    owner = threading.get_ident()

    def get_all() -> Dict[str, Any]:
        is_owner = threading.get_ident() == owner
        return dict(entries) if is_owner else Registry.get_all(asked)

    asked.get_all = get_all  # type: ignore[method-assign]
    try:
        yield
    finally:
        asked.__dict__.pop("get_all", None)
