"""The component `calibrated_confidence`: how sure is the model, on anybody's NER pipeline."""

import json
import warnings
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from spacy import util
from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..candidates import (
    CANDIDATE_CUT,
    KEY,
    Candidate,
    get_candidates,
    register_extensions,
    set_candidates,
    set_outside,
)
from ..errors import Errors, LLMJudgeError, Warnings
from ..registries import registry  # noqa: F401  (the calibrator block needs its registry)
from ..storage import require_length
from .pipeline import find_component, require_fresh_encoding, upstream_names

if TYPE_CHECKING:
    from .calibrate import Calibration


@Language.factory(
    "calibrated_confidence",
    assigns=["doc.spans"],
    requires=["doc.ents"],
    default_config={
        "pipe_name": "ner",
        "spans_key": KEY,
        "candidate_cut": CANDIDATE_CUT,
        "min_confidence": None,
        "below": "flag",
        "calibrator": None,
    },
    default_score_weights={"ents_ece": None, "ents_brier": None, "ents_auroc": None},
)
def make_calibrated_confidence(
    nlp: Language,
    name: str,
    pipe_name: str,
    spans_key: str,
    candidate_cut: float,
    min_confidence: Optional[float],
    below: str,
    calibrator: Optional[Callable],
) -> "CalibratedConfidence":
    """Add the posterior and confidence of every candidate entity to `doc.spans`.

    pipe_name (str): The component whose confidence it is: a `ner`, `beam_ner`, `spancat` or
        `textcat` of any name.
    spans_key (str): Where the candidates go.
    candidate_cut (float): Spans with at least this posterior become candidates; predicted ones always
        do, and so do all labels of a document.
    min_confidence (Optional[float]): Entities with less confidence are flagged or dropped. None
        leaves all as they are.
    below (str): "flag" lists them in `doc.spans[spans_key + "_weak"]`; "drop" removes them from
        `doc.ents` as well.
    calibrator (Optional[Callable]): The calibrator that `fit` uses; None means Platt.
    """
    return CalibratedConfidence(
        nlp,
        name,
        pipe_name=pipe_name,
        spans_key=spans_key,
        candidate_cut=candidate_cut,
        min_confidence=min_confidence,
        below=below,
        calibrator=calibrator,
    )


class CalibratedConfidence(Pipe):
    """Writes candidates with posterior and confidence; changes entities only where asked to.

    calibration (Optional[Calibration]): What `fit` found. None: confidence stays None.
    out_of_fold (bool): Score every document with the parameters that were fitted without its fold;
        for the documents that the component was fitted on.
    """

    def __init__(
        self,
        nlp: Language,
        name: str = "calibrated_confidence",
        *,
        pipe_name: str = "ner",
        spans_key: str = KEY,
        candidate_cut: float = CANDIDATE_CUT,
        min_confidence: Optional[float] = None,
        below: str = "flag",
        calibrator: Optional[Callable] = None,
    ) -> None:
        if below not in ("flag", "drop"):
            raise LLMJudgeError(Errors.J103.format(name=name, found=below))
        for setting, value, ends in (
            ("candidate_cut", candidate_cut, ()),
            ("min_confidence", min_confidence, (0, 1)),
        ):
            if value is not None and value not in ends and not 0.0 < value < 1.0:
                raise LLMJudgeError(Errors.J104.format(name=name, setting=setting, found=value))
        self.name = name
        self.pipe_name = pipe_name
        self.spans_key = spans_key
        self.candidate_cut = candidate_cut
        self.min_confidence = min_confidence
        self.below = below
        self.calibrator = calibrator
        self.calibration: Optional[Calibration] = None
        self.out_of_fold = False
        self._nlp = nlp
        self._adapter: Optional[Any] = None
        self._has_warned = False
        register_extensions()

    @property
    def _weak_key(self) -> str:
        return f"{self.spans_key}_weak"

    @property
    def is_fitted(self) -> bool:
        """Whether posteriors can be turned into confidence."""
        return self.calibration is not None

    def __call__(self, doc: Doc) -> Doc:
        """Score one document.

        doc (Doc): The document, after the component that `pipe_name` names.
        RETURNS (Doc): The same document.
        """
        self._process([doc])
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Score a stream of documents, a batch at a time.

        stream (Iterable[Doc]): The documents.
        batch_size (int): How many are scored at once.
        YIELDS (Doc): The documents in order. One that fails goes to the error handler alone.
        """
        for batch in util.minibatch(stream, size=batch_size):
            docs = list(batch)
            try:
                self._process(docs)
            except Exception:
                yield from self._process_singly(docs)
            else:
                yield from docs

    def get_error_handler(self) -> Callable:
        """RETURNS (Callable): The handler of this component, or else that of its pipeline."""
        return getattr(self, "error_handler", self._nlp.default_error_handler)

    def fit(
        self,
        examples: Iterable[Example],
        *,
        calibrator: Optional[Any] = None,
        n_folds: int = 5,
    ) -> Any:
        """Calibrate on held-out gold, which neither the training nor a choice of models has seen.

        examples (Iterable[Example]): The pipeline annotates copies of their predicted side.
        calibrator (Optional[Any]): Instead of the one in the config.
        n_folds (int): Folds for the out-of-fold parameters.
        RETURNS (Calibration): Also set as `calibration`.
        """
        from .calibrate import fit_calibration

        calibrator = self.calibrator if calibrator is None else calibrator
        self.calibration = fit_calibration(self, examples, calibrator=calibrator, n_folds=n_folds)
        return self.calibration

    def collect_evidence(self, examples: Iterable[Example]) -> Tuple[Any, List[Any]]:
        """Annotate and score held-out gold with the pipeline in front of this component.

        examples (Iterable[Example]): Held-out gold.
        RETURNS (Tuple[Any, List[Evidence]]): The adapter, and one piece of evidence a document.
        """
        from .calibrate import Evidence
        from .posterior import unset_copy

        adapter, evidence = None, []
        for batch in util.minibatch(examples, size=128):
            batch = list(batch)
            docs = [unset_copy(eg.predicted) for eg in batch]
            names = upstream_names(self._nlp, self.name, self.pipe_name)
            with self._nlp.select_pipes(enable=names):
                pairs = list(self._nlp.pipe(zip(docs, batch), as_tuples=True))
            docs = [doc for doc, _ in pairs]
            adapter = self._get_adapter(docs)
            for (doc, eg), scores in zip(pairs, adapter.score(docs)):
                predicted, forced = adapter.split(doc, scores)
                gold = adapter.gold(eg)
                evidence.append(Evidence(doc.text, scores, predicted, forced, gold))
        return adapter or self._get_adapter([]), evidence

    @property
    def scorer(self) -> Callable:
        """RETURNS (Callable): `score`, by the name under which `spacy find-threshold` looks for it."""
        return self.score

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
        """How honest the confidence of the predicted entities is; the posterior where not fitted.

        examples (Iterable[Example]): Annotated documents with gold.
        RETURNS (Dict[str, Any]): `ents_ece`, `ents_brier` and `ents_auroc`; None without entities.
        """
        from .posterior import span_keys
        from .reliability import reliability

        probability, correct = [], []
        for eg in examples:
            adapter = self._get_adapter([eg.predicted])
            gold = adapter.gold(eg)
            predicted = set(adapter.predicted(eg.predicted))
            predicted.update(span_keys(eg.predicted.spans.get(self._weak_key, ())))
            for candidate in get_candidates(eg.predicted, self.spans_key):
                value = candidate.student_probability
                is_correct = gold.is_correct(candidate.key)
                if value is None or is_correct is None or candidate.key not in predicted:
                    continue
                probability.append(value)
                correct.append(is_correct)
        found = reliability(probability, correct)
        return {f"ents_{name}": found[name] for name in ("ece", "brier", "auroc")}

    def to_bytes(self, *, exclude: Iterable[str] = util.SimpleFrozenList()) -> bytes:
        """RETURNS (bytes): The calibration; the settings are in the config of the pipeline."""
        return util.to_bytes({"calibration": self._dump}, exclude)

    def from_bytes(
        self, data: bytes, *, exclude: Iterable[str] = util.SimpleFrozenList()
    ) -> "CalibratedConfidence":
        """RETURNS (CalibratedConfidence): This component with the calibration of the other."""
        util.from_bytes(data, {"calibration": self._load}, exclude)
        return self

    def to_disk(
        self,
        path: Union[str, Path],
        *,
        exclude: Iterable[str] = util.SimpleFrozenList(),
    ) -> None:
        """Write `calibration.json` into a folder."""
        serialize = {"calibration.json": lambda p: p.write_bytes(self._dump())}
        util.to_disk(path, serialize, exclude)

    def from_disk(
        self,
        path: Union[str, Path],
        *,
        exclude: Iterable[str] = util.SimpleFrozenList(),
    ) -> "CalibratedConfidence":
        """RETURNS (CalibratedConfidence): This component with the calibration of the folder."""
        deserialize = {"calibration.json": lambda p: self._load(p.read_bytes())}
        util.from_disk(path, deserialize, exclude)
        return self

    def _dump(self) -> bytes:
        data = None if self.calibration is None else self.calibration.to_dict()
        return json.dumps(data, indent=2, sort_keys=True).encode("utf8")

    def _load(self, data: bytes) -> None:
        from .calibrate import Calibration

        found = json.loads(data)
        self.calibration = None if found is None else Calibration.from_dict(found)

    def _process_singly(self, docs: Sequence[Doc]) -> Iterator[Doc]:
        handle = self.get_error_handler()
        for doc in docs:
            try:
                self._process([doc])
            except Exception as error:
                handle(self.name, self, [doc], error)
            else:
                yield doc

    def _process(self, docs: Sequence[Doc]) -> None:
        """Score all, then write all: a batch that fails has changed no document."""
        for doc in docs:
            require_length(doc, f"The component '{self.name}'")
        adapter = self._get_adapter(docs)
        scores = adapter.score(docs)
        parts = [adapter.split(doc, s) for doc, s in zip(docs, scores)]
        results: List[Any] = [None] * len(docs)
        for fold, rows in self._by_fold(docs).items():
            temperature, calibrator = 1.0, None
            if self.calibration is not None:
                temperature, calibrator = self.calibration.parameters(fold)
            found = adapter.posteriors(
                [scores[i] for i in rows],
                temperature=temperature,
                forced=[parts[i][1] for i in rows],
            )
            for i, result in zip(rows, found):
                results[i] = (result, calibrator)
        for doc, (predicted, forced), (result, calibrator) in zip(docs, parts, results):
            self._write(doc, predicted, forced, result, calibrator, adapter.keeps_all)

    def _by_fold(self, docs: Sequence[Doc]) -> Dict[Optional[int], List[int]]:
        if self.calibration is None or not self.out_of_fold:
            return {None: list(range(len(docs)))}
        rows: Dict[Optional[int], List[int]] = {}
        for i, doc in enumerate(docs):
            rows.setdefault(self.calibration.fold_of(doc.text), []).append(i)
        return rows

    def _write(
        self,
        doc: Doc,
        predicted: Sequence[Tuple[int, int, str]],
        forced: Sequence[Tuple[int, int, str]],
        result: Any,
        calibrator: Optional[Callable],
        keeps_all: bool,
    ) -> None:
        old = {c.key: c for c in get_candidates(doc, self.spans_key)}
        kept = {key for key, c in old.items() if c.source == "judge"}
        cut = 0.0 if keeps_all else self.candidate_cut
        over = {key for key, p in result.spans.items() if p >= cut}
        keys = sorted(over | kept | set(predicted))
        posterior = {key: result.spans.get(key, 0.0) for key in keys}
        confidence: Dict[Any, Optional[float]] = dict.fromkeys(keys)
        if calibrator is not None:
            values = calibrator([posterior[key] for key in keys])
            confidence = dict(zip(keys, map(float, values)))
        candidates = []
        for key in keys:
            start, end, label = key
            candidate = old.get(key, Candidate(start, end, label, source="student"))
            changed = candidate.replace(posterior=posterior[key], confidence=confidence[key])
            candidates.append(changed)
        candidates += [Candidate(*key) for key in forced if key not in posterior]
        set_candidates(doc, candidates, self.spans_key)
        if result.outside is not None:
            set_outside(doc, result.outside, self.spans_key)
        if self.min_confidence is not None:
            self._act(doc, {key: confidence[key] for key in predicted})

    def _act(self, doc: Doc, confidence: Dict[Tuple[int, int, str], Optional[float]]) -> None:
        if not self.is_fitted:
            if not self._has_warned:
                warnings.warn(Warnings.JW102.format(name=self.name), stacklevel=2)
                self._has_warned = True
            return
        least = self.min_confidence or 0.0
        weak = {key for key, value in confidence.items() if value is not None and value < least}
        doc.spans[self._weak_key] = [Span(doc, s, e, label=x) for s, e, x in sorted(weak)]
        if self.below == "drop" and weak:
            rest = [e for e in doc.ents if (e.start, e.end, e.label_) not in weak]
            gone = [e for e in doc.ents if (e.start, e.end, e.label_) in weak]
            doc.set_ents(rest, outside=gone, default="unmodified")

    def _get_adapter(self, docs: Sequence[Doc]) -> Any:
        from .adapters import make_adapter

        pipe = find_component(self._nlp, self.name, self.pipe_name)
        if self._adapter is None or self._adapter.component is not pipe:
            require_fresh_encoding(self._nlp, self.name, self.pipe_name)
            adapter = make_adapter(pipe, docs)
            if getattr(adapter, "key", None) == self.spans_key:
                raise LLMJudgeError(
                    Errors.J109.format(name=self.name, key=self.spans_key, pipe_name=self.pipe_name)
                )
            self._check_labels(adapter)
            if not any(len(doc) for doc in docs):
                return adapter
            self._adapter = adapter
        return self._adapter

    def _check_labels(self, adapter: Any) -> None:
        found = sorted(adapter.component.labels)
        if self.calibration is not None and found != self.calibration.labels:
            expected = ", ".join(self.calibration.labels)
            warnings.warn(
                Warnings.JW103.format(name=self.name, found=", ".join(found), expected=expected),
                stacklevel=2,
            )
