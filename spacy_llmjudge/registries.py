"""Our own registries, made with spaCy's, so that a config can swap calibrators and selectors, and how
to ask a registry without a search through all that is installed."""

import threading
from contextlib import contextmanager, nullcontext
from typing import Any, Dict, Iterator, Mapping, Tuple

from catalogue import Registry
from spacy import registry
from spacy.language import Language
from spacy.util import load_model_from_config
from thinc.api import Config

if not hasattr(registry, "llmjudge_calibrators"):
    registry.create("llmjudge_calibrators", entry_points=True)
if not hasattr(registry, "llmjudge_selectors"):
    registry.create("llmjudge_selectors", entry_points=True)


def calibrators() -> Registry:
    """RETURNS (Registry): The registry `llmjudge_calibrators`."""
    found: Registry = getattr(registry, "llmjudge_calibrators")  # noqa: B009
    return found


def selectors() -> Registry:
    """RETURNS (Registry): The registry `llmjudge_selectors`."""
    found: Registry = getattr(registry, "llmjudge_selectors")  # noqa: B009
    return found


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


@contextmanager
def only_factories(*names: str) -> Iterator[None]:
    """Make pipelines with no factories of other packages than these until the block ends.

    For every new pipeline, an empty one too, spaCy loads all factories of all installed packages. That
    of spacy-transformers alone takes as long as spaCy itself.

    names (str): Names of factories. Those that spaCy brings are always there.
    """
    asked = registry._entry_point_factories
    with answering(asked, {name: asked.get(name) for name in names if name in asked}):
        yield


@contextmanager
def factories_of(config: Config) -> Iterator[None]:
    """Make the pipeline of a config with no factories but those that it names, until the block ends.

    A package may register more than its entry points name. Where the config names something that is not found by
    them, all packages are loaded, as spaCy does it.

    config (Config): A config of spaCy.
    """
    components = config.get("components", {}).values()
    names = {component.get("factory", "") for component in components}
    # for one with a source another pipeline is loaded, with factories of its own
    is_known = not any("source" in component for component in components)
    if is_known:
        with only_factories(*names):
            # the first pipeline registers the factories that spaCy brings, and those that are asked for
            Language()
            is_known = all(map(Language.has_factory, names)) and all(
                name.startswith("spacy.") or registry.has(kind, name)
                for kind, name in _list_functions(config)
            )
    with only_factories(*names) if is_known else nullcontext():
        yield


def _list_functions(block: Mapping[str, Any]) -> Iterator[Tuple[str, str]]:
    """YIELDS (Tuple[str, str]): Each registered function that a config names: its registry and its name."""
    for key, value in block.items():
        if key.startswith("@"):
            yield key[1:], str(value)
        elif isinstance(value, Mapping):
            yield from _list_functions(value)


def make_pipeline(config: Config) -> Language:
    """Make the pipeline of a config, and load no factories but those that it names.

    config (Config): A config of spaCy, interpolated; defaults are filled in.
    RETURNS (Language): The pipeline.
    """
    with factories_of(config):
        return load_model_from_config(config, auto_fill=True)
