"""The whole job as one function: two files and a judge go in, a plain spaCy pipeline comes out."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional, Union

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..corpora.prepare import prepare
from ..encoders.fetch import MINILM, NONE, fetch_encoder
from ..errors import Errors, LLMJudgeError
from ..stages import read_seconds
from ..storage import read_docs, read_json, write_json
from ..training.student import load_student, train_student
from .annotate import annotate
from .crossfit import CrossfitSettings, crossfit
from .evaluate import evaluate
from .filter import filter_candidates
from .judge import judge as ask_judge
from .judge_report import make_judge_report
from .loop import run_loop
from .round import Bar, LoopSettings, Watch
from .stopping import StopRules
from .template import copy_template, find_template

if TYPE_CHECKING:
    from spacy.language import Language

PathLike = Union[str, Path]


@dataclass
class SelfTraining:
    """What `selftrain` made.

    folder (Path): A project, as `spacy project` knows it, with everything in it.
    model (Path): The last student.
    summary (Dict[str, Any]): What the run came to: the selection and its statement, the judge, seconds, and
        with a test set the scores of the students.
    """

    folder: Path
    model: Path
    summary: Dict[str, Any] = field(default_factory=dict)

    @property
    def nlp(self) -> "Language":
        """The last student, loaded again each time."""
        return load_student(str(self.model))

    @property
    def silver(self) -> Iterator[Doc]:
        """The silver documents of the last round."""
        rounds = sorted((self.folder / "corpus").glob("round-*/silver.spacy"))
        return read_docs(rounds[-1], Vocab())


@dataclass(frozen=True)
class _Run:
    """Where everything of a run is, and its settings."""

    folder: Path
    config: Path
    judge: Path
    student: Dict[str, Any]
    asked: Dict[str, Any]
    selection: Dict[str, Any]
    q: Optional[float]
    steps: int
    at_most: int
    gpu_id: int

    @property
    def corpus(self) -> Path:
        return self.folder / "corpus"

    @property
    def training(self) -> Path:
        return self.folder / "training"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics" / "round-1"

    @property
    def filter(self) -> Path:
        return self.folder / "configs" / "filter.cfg"


def selftrain(
    labelled: PathLike,
    pool: PathLike,
    judge: PathLike,
    output: PathLike,
    *,
    dev: Optional[PathLike] = None,
    test: Optional[PathLike] = None,
    pool_gold: Optional[PathLike] = None,
    target: Optional[str] = None,
    encoder: str = MINILM,
    config: Optional[PathLike] = None,
    replies: Optional[PathLike] = None,
    rules: Optional[PathLike] = None,
    lang: str = "en",
    q: Optional[float] = None,
    at_most: int = 0,
    rounds: int = 1,
    seed_steps: int = 150,
    steps: int = 400,
    seed: int = 0,
    overrides: Optional[Dict[str, Dict[str, Any]]] = None,
    gpu_id: int = -1,
    watch: Watch = None,
    bar: Optional[Bar] = None,
) -> SelfTraining:
    """Train a student on a few labelled documents and on what an LLM confirms in many others. A run that was
    stopped resumes where it was, and no question to the judge is paid for twice.

    labelled (PathLike): The labelled documents, in any format that `prepare` reads.
    pool (PathLike): The unlabelled documents.
    judge (PathLike): A config with the component `llm_judge`, or the name of one in the template, such as
        "openai", "recorded" or "embedded".
    output (PathLike): The folder of the project; it is made where it is not there.
    dev (Optional[PathLike]): Labelled documents that are a random sample of the pool's text: the evidence.
        None takes the evidence from the labelled set by cross-fitting, and nothing is promised.
    test (Optional[PathLike]): A test set, for scores only.
    pool_gold (Optional[PathLike]): Hidden gold of the pool, for measuring the silver only.
    target (Optional[str]): "ents", "spans" or "cats"; None finds it out from the data.
    encoder (str): The pretrained encoder: a name on the hub, a folder, or "none".
    config (Optional[PathLike]): A training config; None takes one that fits the encoder.
    replies (Optional[PathLike]): Recorded replies, for the judge "recorded".
    rules (Optional[PathLike]): Task rules that the judge is shown.
    lang (str): The language.
    q (Optional[float]): The share of wrong that the silver may have; None takes the default.
    at_most (int): So many documents of the pool are asked about; 0: all.
    rounds (int): At most so many rounds; with more than one a part of dev says when to stop.
    seed_steps, steps (int): Training steps of the seed student and of the later ones.
    seed (int): Of everything that is drawn.
    overrides (Optional[Dict[str, Dict[str, Any]]]): More settings by dotted names, for "student", "judge"
        and "filter".
    gpu_id (int): The GPU, or -1 for the CPU.
    watch, bar: See `run_loop`.
    RETURNS (SelfTraining): What was made.

    EXAMPLE:
        result = selftrain("labelled.jsonl", "raw.txt", "embedded", "my_project", dev="dev.jsonl")
        doc = result.nlp("There are spider mites on my monstera.")
    """
    folder = Path(output)
    for name in find_template():
        if not (folder / name).exists():
            copy_template(folder, force=True)
            break
    given = {key: dict(value) for key, value in (overrides or {}).items()}
    student_config = "student_cpu.cfg" if encoder == NONE else "student.cfg"
    fetched = fetch_encoder(encoder, folder / "assets" / "encoder")
    paths = {} if fetched["name"] == NONE else {"paths.encoder": str(folder / "assets" / "encoder")}
    run = _Run(
        folder=folder,
        config=Path(config) if config is not None else folder / "configs" / student_config,
        judge=_find_judge(folder, judge),
        student={
            "nlp.lang": lang,
            "system.seed": seed,
            "paths.gold": str(folder / "corpus" / "labelled.spacy"),
            **paths,
            **given.get("student", {}),
        },
        asked={
            "nlp.lang": lang,
            **({"paths.replies": str(replies)} if replies is not None else {}),
            **({"paths.rules": str(rules)} if rules is not None else {}),
            **given.get("judge", {}),
        },
        selection=given.get("filter", {}),
        q=q,
        steps=steps,
        at_most=at_most,
        gpu_id=gpu_id,
    )
    sets = {"dev": dev, "test": test, "pool_gold": pool_gold}
    named: Dict[str, Any] = {name: path for name, path in sets.items() if path is not None}
    how: Dict[str, Any] = {} if target is None else {"target": target}
    with tempfile.TemporaryDirectory() as empty:
        prepare(empty, run.corpus, labelled=labelled, pool=pool, lang=lang, **named, **how)
    held_out = run.corpus / ("dev.spacy" if dev is not None else "labelled.spacy")
    settings = {"paths.dev": str(held_out), "training.max_steps": seed_steps}
    train_student(
        run.config,
        run.training / "round-0",
        overrides={**run.student, **settings},
        gpu_id=gpu_id,
    )
    if dev is not None:
        return _with_dev(run, rounds, watch, bar)
    return _without_dev(run, bar)


def _find_judge(folder: Path, judge: PathLike) -> Path:
    for path in (Path(judge), folder / "configs" / "judges" / f"{judge}.cfg"):
        if path.suffix == ".cfg" and path.exists():
            return path
    known = sorted(p.stem for p in (folder / "configs" / "judges").glob("*.cfg"))
    raise LLMJudgeError(Errors.J840.format(found=judge, known=", ".join(known)))


def _with_dev(run: _Run, rounds: int, watch: Watch, bar: Optional[Bar]) -> SelfTraining:
    settings = LoopSettings(
        config=run.config,
        judge=run.judge,
        filter=run.filter,
        corpus=run.corpus,
        training=run.training,
        metrics=run.folder / "metrics",
        overrides={
            "student": {**run.student, "training.max_steps": run.steps},
            "judge": run.asked,
            "filter": run.selection,
        },
        rules=StopRules(max_rounds=rounds),
        q=run.q,
        at_most=run.at_most,
        stop_share=0.3 if rounds > 1 else 0.0,
        gpu_id=run.gpu_id,
    )
    result = run_loop(settings, watch=watch, bar=bar)
    last = run.folder / "metrics" / f"round-{len(result['rounds']) - 1}"
    summary = _summarise(last)
    return SelfTraining(
        run.folder, run.training / "loop" / "model-best", {**summary, "loop": result}
    )


def _without_dev(run: _Run, bar: Optional[Bar]) -> SelfTraining:
    corpus, first = run.corpus, run.training / "round-0"
    asked = {**run.asked, "paths.labelled": str(corpus / "labelled.spacy")}
    crossfit(
        CrossfitSettings(
            labelled=corpus / "labelled.spacy",
            config=run.config,
            judge=run.judge,
            output=corpus / "crossfit",
            training=run.training / "crossfit",
            calibration=first / "calibration.json",
            overrides={"student": run.student, "judge": run.asked},
            gpu_id=run.gpu_id,
        ),
        bar=bar,
    )
    annotated, judged = (corpus / "round-1" / part / "pool" for part in ("annotated", "judged"))
    annotate(
        str(first / "model-best"),
        first / "calibration.json",
        corpus / "pool.spacy",
        annotated,
        labels=corpus / "labelled.spacy",
        gpu_id=run.gpu_id,
    )
    found = ask_judge(annotated, judged, run.judge, at_most=run.at_most, overrides=asked)
    write_json(run.metrics / "judge.json", make_judge_report({"pool": found}))
    silver = corpus / "round-1" / "silver.spacy"
    filter_candidates(
        judged,
        corpus / "crossfit" / "evidence",
        corpus / "labelled.spacy",
        run.filter,
        silver,
        run.metrics / "selection.json",
        overrides=run.selection,
        q=run.q,
    )
    model = run.training / "round-1"
    settings = {
        "paths.dev": str(corpus / "labelled.spacy"),
        "paths.silver": str(silver),
        "training.max_steps": run.steps,
    }
    train_student(run.config, model, overrides={**run.student, **settings}, gpu_id=run.gpu_id)
    if (corpus / "test.spacy").exists():
        evaluate(
            {"seed": str(first / "model-best"), "judged": str(model / "model-best")},
            corpus / "test.spacy",
            run.metrics,
            silver=silver,
            pool_gold=corpus / "pool_gold.spacy",
            gpu_id=run.gpu_id,
        )
    return SelfTraining(run.folder, model / "model-best", _summarise(run.metrics))


def _summarise(metrics: Path) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The summary of a round, or what is known without a test set."""
    path = metrics / "summary.json"
    if path.exists():
        found: Dict[str, Any] = read_json(path)
        return found
    selection = read_json(metrics / "selection.json")
    return {
        "silver": {"spans": selection["spans"], "statement": selection["statement"]},
        "judge": read_json(metrics / "judge.json"),
        "seconds": read_seconds(metrics),
    }
