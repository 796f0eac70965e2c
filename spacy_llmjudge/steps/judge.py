"""The step `judge`: ask a judge about annotated documents, shard by shard."""

from bisect import bisect_left
from collections import Counter
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    ContextManager,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

from spacy.tokens import Doc

from ..candidates import count_statuses, get_status
from ..cluster.counts import CountedTogether
from ..corpora.duplicates import normalise
from ..errors import Errors, LLMJudgeError
from ..selection.acquisition import choose_docs
from ..selection.caveats import CAVEATS, CHOSEN, SEEN
from ..shards import Work, write_shards
from ..stages import hash_named, once, record_beside, require_not_of
from ..storage import (
    MANIFEST,
    read_json,
    read_texts,
    require_file,
    sha256_bytes,
    sha256_json,
    sha256_path,
)
from ..streams import SHARD_SIZE, Documents
from ..targets.base import Target, find_target
from ..transport.sender import Metered, grace_of
from ..transport.tally import Counts, Tally
from .judge_config import load_judges, read_judge_config
from .loading import keeps_no_words

if TYPE_CHECKING:
    from spacy.language import Language
    from thinc.api import Config

    from ..cluster.spread import Cluster
    from .judge_config import Judge

Progress = Optional[Callable[[int], None]]
# a judge of candidates has no question about a document without any, today or tomorrow
NOTHING_TO_ASK = ("no_candidates", "no_words")


def judge(
    source: Path,
    output: Path,
    config: Path,
    *,
    at_most: Optional[int] = None,
    asked_before: Optional[Path] = None,
    overrides: Optional[Dict[str, Any]] = None,
    shard_size: Optional[int] = None,
    progress: Progress = None,
    on_judge: Optional[Callable[[Any, int], None]] = None,
    cluster: Optional["Cluster"] = None,
) -> Dict[str, Any]:
    """Ask the judge about annotated documents, shard by shard.

    source (Path): A folder that `annotate` wrote.
    output (Path): The folder of shards.
    config (Path): A spaCy config with the component `llm_judge` or, for labels of documents, an `llm`
        component with a task of spacy-llm. What it names under [paths] counts as input.
    at_most (Optional[int]): Ask about so many documents, those that the student is least certain about;
        the others stay as they are. None asks about all.
    asked_before (Optional[Path]): A folder that this step wrote in an earlier round: documents with an
        answer there are asked about as well, and do not count.
    overrides (Optional[Dict[str, Any]]): Settings of the config by their dotted names.
    shard_size (Optional[int]): Documents in a shard; None: as many as suit the judge.
    on_judge (Optional[Callable[[Any, int], None]]): Gets the component before its first document, and
        the number of documents that are asked about.
    cluster (Optional[Cluster]): Its workers ask about the shards; None does it here.
    RETURNS (Dict[str, Any]): The manifest, with `states`: how many documents were judged, were
        abstained from (by reason), or not sent; `usage`: what the models say of their requests, tokens
        and cost in this run, where they keep a ledger; and `spent`: the same of each whose budget ended,
        by the dotted name of that.
    """
    from ..judge.ahead import ask_ahead
    from ..judge.cascade import usage_of

    # a swapped source and output would cost what `annotate` made
    require_not_of(output, record_beside(output))
    loaded, fingerprint = judge_inputs(source, config, overrides)
    nlp, judges = load_judges(loaded, config, find_target(source))
    if cluster is not None and any(getattr(one.model, "asks_ahead", False) for one in judges):
        raise LLMJudgeError(Errors.J1000.format(path=config))
    docs = Documents(source, nlp.vocab)
    inputs = {**fingerprint, "at_most": at_most, "before": asked_before}
    plan = once(
        "questions",
        inputs,
        [],
        # with words of their own, which go when it is done
        lambda: _plan(Documents(source), at_most, asked_before, loaded),
        beside=output.with_name(f"{output.name}.questions"),
        counts=False,
    )
    chosen = plan["chosen"]
    asked = _Asked(docs, chosen)
    fingerprint.update(plan["fingerprint"])
    said = read_json(source / MANIFEST)["fingerprint"]
    fingerprint.update({key: True for key in CAVEATS if said.get(key)})
    models = _models_of(judges)
    spread = None
    if cluster is not None:
        # what there is to say of a ledger or a price is said here, and once
        usage_of(models)
        models = {name: CountedTogether(name, one, cluster.said) for name, one in models.items()}
        load = partial(_load_work, source, config, overrides, chosen)
        grace = grace_of(one.model for one in judges)
        spread = cluster.spread(load, gpus=int(_needs_gpu(loaded)), grace=grace)
    if on_judge is not None:
        # a document is done when the last one has judged it
        last = judges[-1] if cluster is None else _Spread(models)
        on_judge(last, len(docs) if chosen is None else len(chosen))
    # what another judge asks depends on what this one said
    ask_ahead(judges[0], lambda: (doc for i, doc in enumerate(docs) if asked.is_asked(i)))

    def report(numbers: range) -> None:
        if progress is not None:
            progress(sum(map(asked.is_asked, numbers)))

    work, usual = _work_with(nlp, judges, asked)
    manifest = write_shards(
        work,
        output,
        fingerprint=fingerprint,
        shard_size=usual if shard_size is None else shard_size,
        on_shard=report,
        spread=spread,
    )
    return {
        **manifest,
        "states": add_states(shard["states"] for shard in manifest["shards"]),
        "usage": usage_of(models),
        "spent": spent_budgets(models),
    }


def _load_work(
    source: Path,
    config: Path,
    overrides: Optional[Dict[str, Any]],
    chosen: Optional[List[int]],
) -> Work[Tuple[Doc, bool]]:
    """RETURNS (Work): How a worker of a cluster judges, with its own pipeline."""
    target = find_target(source)
    nlp, judges = load_judges(read_judge_config(config, overrides, target), config, target)
    work, _ = _work_with(nlp, judges, _Asked(Documents(source, nlp.vocab), chosen))
    return work


def _needs_gpu(config: Mapping[str, Any]) -> bool:
    """RETURNS (bool): Whether a model of a config is to run on a GPU."""
    device = str(config.get("device", ""))
    blocks = (block for block in config.values() if isinstance(block, Mapping))
    return device.startswith("cuda") or any(map(_needs_gpu, blocks))


def _work_with(
    nlp: "Language", judges: List["Judge"], asked: "_Asked"
) -> Tuple[Work[Tuple[Doc, bool]], int]:
    """RETURNS (Tuple[Work, int]): How documents are judged, and about how many before what was said is written."""
    ask, shard_size, zone = _ask_with(nlp, judges)
    models = _models_of(judges)

    def process(batch: List[Tuple[Doc, bool]]) -> List[Doc]:
        answered = ask([doc for doc, is_asked in batch if is_asked])
        return [answered.get(id(doc), doc) for doc, _ in batch]

    def count() -> Dict[str, Counts]:
        return {name: model.usage() for name, model in models.items()}

    return Work(asked, process, is_asked, _describe, zone, count), shard_size


def _models_of(judges: List["Judge"]) -> Dict[str, Metered]:
    from ..judge.cascade import metered_models

    models: Dict[str, Metered] = {}
    for one in judges:
        models.update(metered_models(f"components.{one.name}.model", one.model))
    return models


class _Spread:
    """Judges on a cluster, as somebody who watches them sees it: what they did together.

    models (Mapping[str, Metered]): Their models.
    """

    def __init__(self, models: Mapping[str, Metered]) -> None:
        self._models = models
        self.model = self

    def usage(self) -> Counts:
        from ..judge.cascade import usage_of

        return usage_of(self._models) or Tally().counts()


def spent_budgets(models: Mapping[str, Metered]) -> Dict[str, Counts]:
    """RETURNS (Dict[str, Counts]): What the models did whose budget ended, by the dotted name of the budget."""
    done = {name: model.usage() for name, model in models.items()}
    return {
        f"{name}.max_cost": counts
        for name, counts in done.items()
        if counts["max_cost"] is not None and counts["not_sent"].get("budget")
    }


class _Asked(Sequence[Tuple[Doc, bool]]):
    """Documents, and whether the judge is asked about them.

    chosen (Optional[List[int]]): The places of those that it is asked about, in order; None: all.
    """

    def __init__(self, docs: Documents, chosen: Optional[List[int]]) -> None:
        self._docs = docs
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._docs)

    def __getitem__(self, index: Any) -> Any:
        numbers = range(len(self))[index]
        return list(zip(self._docs[index], map(self.is_asked, numbers)))

    def is_asked(self, number: int) -> bool:
        """RETURNS (bool): Whether the judge is asked about the document with this number."""
        if self._chosen is None:
            return True
        place = bisect_left(self._chosen, number)
        return place < len(self._chosen) and self._chosen[place] == number


def _plan(
    docs: Documents, at_most: Optional[int], asked_before: Optional[Path], config: "Config"
) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): `chosen`: the places of the documents to ask about, None for all of them; and what
    the documents add to the `fingerprint`."""
    found: Dict[str, Any] = {"chosen": None, "fingerprint": {}}
    if at_most is not None:
        chosen = choose_docs(docs, at_most, asked_before)
        if len(chosen) < len(docs):
            found = {"chosen": chosen, "fingerprint": {CHOSEN: sha256_json(chosen)}}
    if _is_shown(docs, config):
        found["fingerprint"][SEEN] = True
    return found


def _is_shown(docs: Documents, config: "Config") -> bool:
    """Whether the judge's examples may be documents that it is asked about."""
    labelled = config.get("paths", {}).get("labelled")
    path = Path(labelled) if labelled else None
    if path is None or path.suffix != ".spacy" or not path.exists():
        return False
    shown = set(map(normalise, read_texts(path)))
    return any(normalise(text) in shown for text in docs.texts)


def _ask_with(
    nlp: "Language", judges: List["Judge"]
) -> Tuple[Callable[[List[Doc]], Dict[int, Doc]], int, Callable[[], ContextManager[Any]]]:
    """How to ask about documents: a function that gives each one by the id of what came in; about
    how many before what was said is written; and where their words are kept meanwhile."""
    from ..judge.spacy_llm_textcat import BATCH, TextCatJudge

    first = judges[0]
    if isinstance(first, TextCatJudge):
        # its component may have a cache of documents
        return lambda docs: {id(doc): doc for doc in first.pipe(docs)}, BATCH, nullcontext

    def ask(docs: List[Doc]) -> Dict[int, Doc]:
        named = ((doc, id(doc)) for doc in docs)
        return {name: doc for doc, name in nlp.pipe(named, as_tuples=True)}

    return ask, SHARD_SIZE, nlp.memory_zone if keeps_no_words(nlp) else nullcontext


def add_states(parts: Iterable[Mapping[str, int]]) -> Dict[str, int]:
    """RETURNS (Dict[str, int]): How many documents have which state, over several parts."""
    total: Counter = Counter()
    for part in parts:
        total.update(part)
    return dict(sorted(total.items()))


def _describe(docs: List[Doc]) -> Dict[str, Any]:
    return {"states": count_statuses(docs)}


def judge_inputs(
    source: Path, config: Path, overrides: Optional[Dict[str, Any]] = None
) -> Tuple["Config", Dict[str, Any]]:
    """What the step `judge` depends on.

    source (Path): A folder that `annotate` wrote.
    config (Path): The config of the judge.
    overrides (Optional[Dict[str, Any]]): Settings of the config by their dotted names.
    RETURNS (Tuple[Config, Dict[str, Any]]): The config, and hashes of all inputs.
    """
    require_file(source / MANIFEST, "Run the step `annotate` first.")
    loaded, fingerprint = describe_judge(find_target(source), config, overrides)
    return loaded, {"source": sha256_path(source / MANIFEST), **fingerprint}


def describe_judge(
    target: Target, config: Path, overrides: Optional[Dict[str, Any]] = None
) -> Tuple["Config", Dict[str, Any]]:
    """RETURNS (Tuple[Config, Dict[str, Any]]): The config of a judge for a target, and hashes of it
    and of all that it names."""
    loaded = read_judge_config(config, overrides, target)
    fingerprint = {
        "config": sha256_bytes(loaded.to_bytes()),
        "inputs": hash_named(loaded),
    }
    if target.name != "ents":
        fingerprint["target"] = target.to_dict()
    return loaded, fingerprint


def asks_about_candidates(config: "Config") -> bool:
    """RETURNS (bool): Whether a judge is asked about each candidate, so that another student brings
    new questions."""
    tasks = (block.get("task", {}) for block in config.get("components", {}).values())
    return any("Verify" in task.get("@llm_tasks", "") for task in tasks)


def is_asked(docs: List[Doc]) -> bool:
    """RETURNS (bool): Whether nothing is left to ask about these documents, so that a shard need not be redone."""
    statuses = [get_status(doc) for doc in docs]
    return all(
        status["state"] != "not_sent" or status["reason"] in NOTHING_TO_ASK for status in statuses
    )
