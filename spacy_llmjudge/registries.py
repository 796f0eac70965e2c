"""Our own registries, made with spaCy's, so that a config can swap calibrators and selectors."""

from spacy import registry

if not hasattr(registry, "llmjudge_calibrators"):
    registry.create("llmjudge_calibrators", entry_points=True)
if not hasattr(registry, "llmjudge_selectors"):
    registry.create("llmjudge_selectors", entry_points=True)
