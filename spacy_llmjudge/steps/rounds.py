"""The steps of a round as plain functions: from files to files, each whole or not there.

`cli/` gives them to a terminal, `project.yml` puts them in order.
"""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Set, Tuple

from spacy.tokens import Doc

from ..candidates import copy_tokens, count_statuses, get_candidates, get_status, set_candidates
from ..errors import Errors, LLMJudgeError
from ..selection.acquisition import choose_docs
from ..selection.caveats import CHOSEN, CROSSFIT, LEARNED
from ..storage import (
    MANIFEST,
    labels_of,
    process_shards,
    read_docs,
    read_json,
    require_file,
    sha256_bytes,
    sha256_json,
    sha256_path,
    write_docs,
    write_json,
)
from ..transport.sender import Metered
from .loading import load_pipeline

if TYPE_CHECKING:
    from spacy.language import Language
    from thinc.api import Config

Progress = Optional[Callable[[int], None]]
# a judge of candidates has no question about a document without any, today or tomorrow
NOTHING_TO_ASK = ("no_candidates", "no_words")
CROSSFIT_NOTE = (
    "This is cross-fitted, and its numbers promise nothing: each labelled document was scored by a student "
    "that had not seen it, but none of these students is the one that annotated the pool, and a few labelled "
    "documents are no random sample of the pool."
)


class NothingSelected(LLMJudgeError):
    """A selection that leaves nothing to train on."""


def load_student(model: str, gpu_id: int = -1) -> "Language":
    """Load a pipeline, on a GPU where one is asked for."""
    import spacy

    from ..training.student import require_device

    require_device(gpu_id)
    try:
        return spacy.load(model)
    except OSError as error:
        hint = "Give the folder or the package of a spaCy pipeline."
        raise LLMJudgeError(Errors.J001.format(path=model, hint=hint)) from error


def calibrate(
    model: str,
    gold: Path,
    output: Path,
    *,
    calibrator: Optional[str] = None,
    n_folds: int = 5,
    ner_name: str = "ner",
    gpu_id: int = -1,
) -> Dict[str, Any]:
    """Fit the temperature and the calibrator of a student on held-out gold.

    model (str): The student.
    gold (Path): A `.spacy` file that the student was not trained on.
    output (Path): Gets the calibration as JSON.
    calibrator (Optional[str]): A name in the registry `llmjudge_calibrators`; None chooses by the
        number of held-out spans.
    n_folds (int): Folds by document. A held-out document is scored with what was fitted on the
        other folds.
    RETURNS (Dict[str, Any]): The calibration.
    """
    from ..training.readers import make_example

    fitter = None if calibrator is None else make_calibrator(calibrator)
    nlp = load_student(model, gpu_id)
    docs = list(read_docs(gold, nlp.vocab))
    if not any(len(doc.ents) for doc in docs):
        raise LLMJudgeError(Errors.J801.format(path=gold))
    component = nlp.add_pipe("calibrated_confidence", config={"ner_name": ner_name})
    examples = [make_example(nlp, doc) for doc in docs if len(doc)]
    calibration = component.fit(examples, calibrator=fitter, n_folds=n_folds)
    write_json(output, calibration.to_dict())
    return calibration.to_dict()


def annotate(
    model: str,
    calibration: Path,
    source: Path,
    output: Path,
    *,
    out_of_fold: bool = False,
    labels: Optional[Path] = None,
    ner_name: str = "ner",
    candidate_cut: float = 0.02,
    shard_size: int = 256,
    gpu_id: int = -1,
    progress: Progress = None,
) -> Dict[str, Any]:
    """Pseudo-label documents: entities, candidates, posteriors and confidences, shard by shard.

    model (str): The student.
    calibration (Path): What `calibrate` wrote.
    source (Path): The documents.
    output (Path): The folder of shards.
    out_of_fold (bool): Score each document with what was fitted without its fold: for the gold
        that the calibration was fitted on.
    labels (Optional[Path]): A `.spacy` file; candidates with labels that its entities lack are left out.
    RETURNS (Dict[str, Any]): The manifest.
    """
    from ..confidence.calibrate import Calibration
    from ..training.student import has_learned_from

    nlp = load_student(model, gpu_id)
    component = nlp.add_pipe(
        "calibrated_confidence",
        config={"ner_name": ner_name, "candidate_cut": candidate_cut},
    )
    component.calibration = Calibration.from_dict(read_json(calibration))
    component.out_of_fold = out_of_fold
    known = labels_of(labels, nlp.vocab) if labels else None
    docs = [copy_tokens(doc) for doc in read_docs(source, nlp.vocab)]
    fingerprint = {
        "model": sha256_path(Path(model)) if Path(model).exists() else model,
        "calibration": sha256_path(calibration),
        "source": sha256_path(source),
        "settings": [out_of_fold, sorted(known or []), ner_name, candidate_cut],
    }
    if has_learned_from(nlp, docs):
        fingerprint[LEARNED] = True

    def process(batch: List[Doc]) -> List[Doc]:
        annotated = list(nlp.pipe(batch))
        if known is not None:
            for doc in annotated:
                _keep_labels(doc, known)
        return annotated

    return process_shards(
        docs,
        output,
        process,
        fingerprint=fingerprint,
        shard_size=shard_size,
        on_shard=progress,
    )


def judge(
    source: Path,
    output: Path,
    config: Path,
    *,
    at_most: int = 0,
    asked_before: Optional[Path] = None,
    overrides: Optional[Dict[str, Any]] = None,
    progress: Progress = None,
    on_judge: Optional[Callable[[Any, int], None]] = None,
) -> Dict[str, Any]:
    """Ask the judge about annotated documents, shard by shard.

    source (Path): A folder that `annotate` wrote.
    output (Path): The folder of shards.
    config (Path): A spaCy config with the component `llm_judge`; what it names under [paths]
        counts as input.
    at_most (int): Ask about so many documents, those that the student has the most doubt about; the
        others stay as they are. 0 asks about all.
    asked_before (Optional[Path]): A folder that this step wrote in an earlier round: documents with an
        answer there are asked about as well, and do not count.
    overrides (Optional[Dict[str, Any]]): Settings of the config by their dotted names.
    on_judge (Optional[Callable[[Any, int], None]]): Gets the component before its first document, and
        the number of documents that are asked about.
    RETURNS (Dict[str, Any]): The manifest, with `states`: how many documents were judged, were
        abstained from (by reason), or not sent; and `usage`: what the model says of its requests,
        tokens and cost in this run, where it keeps a ledger.
    """
    loaded, fingerprint = judge_inputs(source, config, overrides)
    nlp = load_pipeline(loaded, config)
    docs = list(read_docs(source, nlp.vocab))
    chosen = choose_docs(docs, at_most, asked_before)
    if len(chosen) < len(docs):
        fingerprint[CHOSEN] = sha256_json(chosen)
    if read_json(source / MANIFEST)["fingerprint"].get(LEARNED):
        fingerprint[LEARNED] = True
    asked = {id(docs[i]) for i in chosen}
    if on_judge is not None and "llm_judge" in nlp.pipe_names:
        on_judge(nlp.get_pipe("llm_judge"), len(asked))
    in_shards = iter(docs)

    def report(n_docs: int) -> None:
        if progress is not None:
            progress(sum(id(doc) in asked for doc in islice(in_shards, n_docs)))

    def process(batch: List[Doc]) -> List[Doc]:
        named = ((doc, id(doc)) for doc in batch if id(doc) in asked)
        answered = {name: doc for doc, name in nlp.pipe(named, as_tuples=True)}
        return [answered.get(id(doc), doc) for doc in batch]

    manifest = process_shards(
        docs, output, process, fingerprint=fingerprint, is_complete=is_asked, on_shard=report
    )
    models = [getattr(pipe, "model", None) for _, pipe in nlp.pipeline]
    usage = [model.usage() for model in models if isinstance(model, Metered)]
    return {
        **manifest,
        "states": count_statuses(read_docs(output, nlp.vocab)),
        "usage": usage[0] if usage else None,
    }


def judge_inputs(
    source: Path, config: Path, overrides: Optional[Dict[str, Any]] = None
) -> Tuple["Config", Dict[str, Any]]:
    """What the step `judge` depends on.

    source (Path): A folder that `annotate` wrote.
    config (Path): The config of the judge.
    overrides (Optional[Dict[str, Any]]): Settings of the config by their dotted names.
    RETURNS (Tuple[Config, Dict[str, Any]]): The config, and hashes of all inputs.
    """
    from spacy.util import load_config

    require_file(source / MANIFEST, "Run the step `annotate` first.")
    config = require_file(config, "The configs of judges are in configs/judges/.")
    loaded = load_config(config, overrides=dict(overrides or {}), interpolate=True)
    return loaded, {
        "source": sha256_path(source / MANIFEST),
        "config": sha256_bytes(loaded.to_bytes()),
        "inputs": hash_paths(loaded),
    }


def hash_paths(config: "Config") -> Dict[str, str]:
    """RETURNS (Dict[str, str]): The files and folders that a judge's config names under [paths], and
    the hash of each. The ledger grows with every reply: it is what the judge remembers, not what it
    depends on."""
    named = {**config.get("paths", {}), "ledger": None}
    paths = [str(path) for path in named.values() if path]
    return {path: sha256_path(path) for path in paths if Path(path).exists()}


def filter_candidates(
    judged: Path,
    evidence: Path,
    evidence_gold: Path,
    config: Path,
    silver: Path,
    selection: Path,
    *,
    overrides: Optional[Dict[str, Any]] = None,
    audit: Optional[Path] = None,
) -> Dict[str, Any]:
    """Fuse, decide and write the silver.

    judged (Path): The folder of the judged pool.
    evidence (Path): The folder of the judged held-out documents.
    evidence_gold (Path): Their gold.
    config (Path): A config with the blocks [selector] and [silver].
    silver (Path): Gets the silver documents.
    selection (Path): Gets the report on the selection as JSON.
    audit (Optional[Path]): What a person said about random candidates of the pool: the evidence, where
        it is given; the held-out documents then only fit the fusion.
    RETURNS (Dict[str, Any]): The report.
    """
    from ..confidence.reliability import reliability
    from ..selection.audit import check_audit, read_audit
    from ..selection.files import read_selection
    from ..selection.select import select

    rows = None if audit is None else read_audit(audit)
    inputs = read_selection(judged, evidence, evidence_gold, config, overrides)
    if rows is not None:
        check_audit(rows, inputs.frame)
    _, docs, report = select(
        inputs.pool,
        inputs.evidence,
        inputs.gold,
        inputs.selector,
        policy=inputs.policy,
        reliability=reliability,
        caveats=inputs.caveats,
        audit=rows,
    )
    report["evidence"] = "held-out"
    if rows is not None:
        report["evidence"] = "audit"
    elif CROSSFIT in inputs.caveats:
        report["evidence"] = "crossfit"
        report["statement"] = f"{CROSSFIT_NOTE} {report['statement']}"
    if not report["spans"]:
        raise NothingSelected(Errors.J802.format(statement=report["statement"]))
    report = _rounded(report)
    write_docs(silver, docs)
    write_json(selection, report)
    return report


def evaluate(
    models: Dict[str, str],
    test: Path,
    output: Path,
    *,
    silver: Optional[Path] = None,
    pool_gold: Optional[Path] = None,
    n_resamples: int = 2000,
    gpu_id: int = -1,
    progress: Progress = None,
) -> Dict[str, Any]:
    """Score models on the test set, with intervals, and compare the judged student with the others.

    models (Dict[str, str]): Name to pipeline; "judged" is compared with all others, paired.
    test (Path): The test set.
    output (Path): The folder of metrics. Gets `<name>.json` for each model and `summary.json`, which
        also gathers what the other steps left there.
    silver (Optional[Path]): The silver documents, to be measured against
    pool_gold (Optional[Path]): the pool's hidden gold. It is used for nothing else.
    RETURNS (Dict[str, Any]): The summary.
    """
    from spacy.vocab import Vocab

    from ..evaluation.scores import (
        evaluate_model,
        ner_counts,
        score_pair,
        silver_quality,
    )
    from ..evaluation.significance import bootstrap_f1, compare
    from ..evaluation.summary import make_summary

    counts, results = {}, {}
    for name, model in models.items():
        nlp = load_student(model, gpu_id)
        gold = list(read_docs(test, nlp.vocab))
        if not gold:
            raise LLMJudgeError(Errors.J805.format(path=test))
        predicted = evaluate_model(nlp, gold)
        counts[name] = ner_counts(gold, predicted)
        interval = bootstrap_f1(counts[name], n_resamples=n_resamples)
        results[name] = {**score_pair(gold, predicted), "interval": interval}
        write_json(output / f"{name}.json", results[name])
        if progress is not None:
            progress(1)
    comparisons = {
        name: compare(counts["judged"], counts[name], n_resamples=n_resamples)
        for name in counts
        if name != "judged" and "judged" in counts
    }
    quality = None
    if silver is not None and pool_gold is not None and pool_gold.exists():
        vocab = Vocab()
        quality = silver_quality(read_docs(silver, vocab), read_docs(pool_gold, vocab))
    summary = make_summary(output, results, comparisons, quality)
    write_json(output / "summary.json", summary)
    return summary


def make_calibrator(name: str) -> Any:
    """RETURNS (Any): A calibrator by its registered name; J812 where there is none."""
    from ..registries import registry

    known = sorted(registry.llmjudge_calibrators.get_all())
    if name not in known:
        raise LLMJudgeError(Errors.J812.format(name=name, known=", ".join(known)))
    return registry.llmjudge_calibrators.get(name)()


def _rounded(data: Any) -> Any:
    """The last bits of a student's posteriors depend on the machine; a report should not."""
    if isinstance(data, dict):
        return {key: _rounded(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_rounded(value) for value in data]
    return round(data, 9) if isinstance(data, float) else data


def is_asked(docs: List[Doc]) -> bool:
    """RETURNS (bool): Whether nothing is left to ask about these documents, so that a shard need not be redone."""
    statuses = [get_status(doc) for doc in docs]
    return all(
        status["state"] != "not_sent" or status["reason"] in NOTHING_TO_ASK for status in statuses
    )


def _keep_labels(doc: Doc, labels: Set[str]) -> None:
    set_candidates(doc, [c for c in get_candidates(doc) if c.label in labels])
    doc.ents = [ent for ent in doc.ents if ent.label_ in labels]
