"""The files that a selection is made from, read and checked."""
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional

from spacy.tokens import Doc

from ..acquisition import CHOSEN
from ..errors import Errors, LLMJudgeError
from ..storage import MANIFEST, read_docs, read_json, require_file, sha256_json, sha256_path
from .inputs import Selector
from .silver import SilverPolicy


@dataclass(frozen=True)
class SelectionInputs:
    """What is selected from, and with what.

    pool (List[Doc]): The judged documents of the pool.
    evidence (List[Doc]): The judged held-out documents.
    gold (List[Doc]): The same documents with gold entities, in the same order.
    selector (Selector): The selector of the config.
    policy (SilverPolicy): How decisions become training documents.
    is_crossfit (bool): Whether the held-out documents are the labelled set, each scored by a student
        that has not seen it: then nothing is promised.
    is_chosen (bool): Whether the judged documents were chosen by doubt, and are no random sample.
    frame (str): What an audit is a sample of: a hash of the documents and of what decides which of
        their candidates can be drawn.
    """

    pool: List[Doc]
    evidence: List[Doc]
    gold: List[Doc]
    selector: Selector
    policy: SilverPolicy
    is_crossfit: bool
    is_chosen: bool
    frame: str


def read_selection(
    judged: Path,
    evidence: Path,
    evidence_gold: Path,
    config: Path,
    overrides: Optional[Dict[str, Any]] = None,
) -> SelectionInputs:
    """Read judged documents, their gold, and the config of the selection.

    judged (Path): The folder of the judged pool.
    evidence (Path): The folder of the judged held-out documents.
    evidence_gold (Path): Their gold.
    config (Path): A config with the blocks [selector] and [silver].
    overrides (Optional[Dict[str, Any]]): Settings of the config by their dotted names.
    RETURNS (SelectionInputs): All of it.
    """
    from spacy.util import load_config
    from spacy.vocab import Vocab

    from ..registries import registry

    config = require_file(config, "The settings of this step are in configs/filter.cfg.")
    loaded = load_config(config, overrides=dict(overrides or {}), interpolate=True)
    selector = registry.resolve({"selector": loaded["selector"]})["selector"]
    policy = SilverPolicy(**loaded.get("silver", {}))
    hint = "Run the step `judge` first."
    manifests = {folder: read_json(folder / MANIFEST, hint) for folder in (judged, evidence)}
    vocab = Vocab()
    held_out = list(read_docs(evidence, vocab))
    gold = match_gold(held_out, list(read_docs(evidence_gold, vocab)), evidence_gold)
    floor = getattr(selector, "settings", {}).get("floor")
    shards = [[s["sha256"] for s in found["shards"]] for found in manifests.values()]
    frame = sha256_json(
        [shards, sha256_path(evidence_gold), loaded["selector"]["@llmjudge_selectors"], floor, vars(policy)]
    )
    return SelectionInputs(
        pool=list(read_docs(judged, vocab)),
        evidence=held_out,
        gold=gold,
        selector=selector,
        policy=policy,
        is_crossfit=bool(manifests[evidence]["fingerprint"].get("crossfit")),
        is_chosen=CHOSEN in manifests[judged]["fingerprint"],
        frame=frame[:16],
    )


def match_gold(docs: List[Doc], gold: List[Doc], path: Path) -> List[Doc]:
    """Find the gold of documents by their text.

    docs (List[Doc]): The documents.
    gold (List[Doc]): Gold documents, in any order.
    path (Path): Where these come from, for the message.
    RETURNS (List[Doc]): A gold document for each of `docs`, in their order.
    RAISES (LLMJudgeError): J803 where one has none.
    """
    by_text = {doc.text: doc for doc in gold}
    missing = [doc.text for doc in docs if doc.text not in by_text]
    if missing:
        raise LLMJudgeError(
            Errors.J803.format(path=path, n=len(missing), text=missing[0][:60])
        )
    return [by_text[doc.text] for doc in docs]
