"""What a model did in all workers together."""

from pathlib import Path
from typing import Mapping, Optional

from ..transport.sender import Metered
from ..transport.tally import Counts, add_counts


class CountedTogether:
    """A model that counts what it did here and in all workers.

    name (str): What the workers call it.
    model (Metered): The same model here, which knows what its ledger has spent.
    said (Mapping[str, Mapping[str, Counts]]): What each worker says of its models.
    """

    def __init__(self, name: str, model: Metered, said: Mapping[str, Mapping[str, Counts]]) -> None:
        self.path: Optional[Path] = getattr(model, "path", None)
        self._name = name
        self._model = model
        self._said = said

    def usage(self) -> Counts:
        """RETURNS (Counts): The counts; the cost is that of the ledger."""
        own = self._model.usage()
        parts = [own, *(said[self._name] for said in list(self._said.values()))]
        total = add_counts(parts, [None] * len(parts))
        assert total is not None
        return {**total, "cost": own["cost"], "max_cost": own["max_cost"]}
