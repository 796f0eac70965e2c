"""The files that a selection is made from, read and checked."""

from dataclasses import dataclass, fields, replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from spacy.tokens import Doc

from ..configs import read_config
from ..errors import Errors, LLMJudgeError
from ..storage import MANIFEST, read_docs, read_json, sha256_json, sha256_path, shaped
from ..streams import Documents
from ..targets.base import Target, find_target
from ..targets.policy import SilverPolicy
from .caveats import CHOSEN, LEARNED, find_caveats
from .selector import Selector

if TYPE_CHECKING:
    from thinc.api import Config


HINT = "Those of this step are in configs/filter.cfg."


@dataclass(frozen=True)
class SelectionInputs:
    """What is selected from, and with what.

    pool (Documents): The judged documents of the pool.
    evidence (List[Doc]): The judged held-out documents.
    gold (List[Doc]): The same documents with gold, in the same order.
    selector (Selector): The selector of the config.
    policy (SilverPolicy): How decisions become training documents.
    target (Target): What is labelled.
    caveats (List[str]): Why nothing can be promised: keys of `CAVEATS`.
    frame (str): What an audit is a sample of: a hash of the documents and of what decides which of
        their candidates can be drawn.
    """

    pool: Documents
    evidence: List[Doc]
    gold: List[Doc]
    selector: Selector
    policy: SilverPolicy
    target: Target
    caveats: List[str]
    frame: str


def read_selection(
    judged: Path,
    evidence: Path,
    evidence_gold: Path,
    config: Path,
    overrides: Optional[Dict[str, Any]] = None,
    q: Optional[float] = None,
) -> SelectionInputs:
    """Read judged documents, their gold, and the config of the selection.

    judged (Path): The folder of the judged pool.
    evidence (Path): The folder of the judged held-out documents.
    evidence_gold (Path): Their gold.
    config (Path): A config with the blocks [selector] and [silver].
    overrides (Optional[Dict[str, Any]]): Settings of the config by their dotted names.
    q (Optional[float]): The share of wrong, where the selector has such a setting; None: the config's.
    RETURNS (SelectionInputs): All of it.
    RAISES (LLMJudgeError): J407 to J410 where the config does not say how to select.
    """
    from spacy.vocab import Vocab

    loaded, selector, policy = read_selector(config, overrides, q)
    hint = "Run the step `judge` first."
    manifests = [read_json(folder / MANIFEST, hint) for folder in (judged, evidence)]
    fingerprints: List[Any] = []
    shards: List[List[str]] = []
    for folder, found in zip((judged, evidence), manifests):
        with shaped(folder / MANIFEST):
            fingerprints.append(found["fingerprint"])
            shards.append([shard["sha256"] for shard in found["shards"]])
    caveats = find_caveats(*fingerprints)
    if policy.unjudged is None:
        policy = replace(policy, unjudged=CHOSEN not in caveats or LEARNED in caveats)
    vocab = Vocab()
    held_out = list(read_docs(evidence, vocab))
    gold = match_gold(held_out, list(read_docs(evidence_gold, vocab)), evidence_gold)
    frame = sha256_json(
        [
            shards,
            sha256_path(evidence_gold),
            loaded["selector"]["@llmjudge_selectors"],
            selector.settings.get("floor"),
            vars(policy),
        ]
    )
    return SelectionInputs(
        pool=Documents(judged),
        evidence=held_out,
        gold=gold,
        selector=selector,
        policy=policy,
        target=find_target(evidence_gold),
        caveats=caveats,
        frame=frame[:16],
    )


def read_selector(
    path: Path, overrides: Optional[Dict[str, Any]] = None, q: Optional[float] = None
) -> Tuple["Config", Selector, SilverPolicy]:
    """Read the config of a selection; see `read_selection`.

    RETURNS (Tuple[Config, Selector, SilverPolicy]): The config, and what its two blocks make.
    """
    config = read_config(path, overrides, hint=HINT)
    return config, _make_selector(config, path, q), _read_policy(config)


def _make_selector(config: "Config", path: Path, q: Optional[float]) -> Selector:
    from catalogue import RegistryError

    from ..registries import registry, selectors

    name = config.get("selector", {}).get("@llmjudge_selectors")
    if name is None:
        missing = "@llmjudge_selectors in [selector]" if "selector" in config else "[selector]"
        raise LLMJudgeError(Errors.J408.format(path=path, missing=missing))
    known = sorted(selectors().get_all())
    try:
        make = selectors().get(name)
    except (RegistryError, TypeError) as error:
        raise LLMJudgeError(Errors.J409.format(name=name, choices=", ".join(known))) from error
    block = dict(config["selector"])
    if q is not None and "q" in signature(make).parameters:
        block["q"] = q
    selector: Selector = registry.resolve({"selector": block})["selector"]
    return selector


def _read_policy(config: "Config") -> SilverPolicy:
    settings = dict(config.get("silver", {}))
    names = [setting.name for setting in fields(SilverPolicy)]
    unknown = sorted(set(settings) - set(names))
    if unknown:
        choices = ", ".join(names)
        raise LLMJudgeError(Errors.J410.format(name=unknown[0], choices=choices))
    return SilverPolicy(**settings)


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
        raise LLMJudgeError(Errors.J803.format(path=path, n=len(missing), text=missing[0][:60]))
    return [by_text[doc.text] for doc in docs]
