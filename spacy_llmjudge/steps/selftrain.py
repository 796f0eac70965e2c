"""The whole job as one function: two files and a judge go in, a plain spaCy pipeline comes out."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional, Union

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..corpora.prepare import prepare
from ..encoders.fetch import MINILM, NONE, fetch_encoder
from ..storage import read_docs, read_json
from ..training.student import train_student
from .loop import LOOP, run_loop
from .loop_settings import LoopSettings
from .reading import Bar, silent
from .round import Watch
from .stopping import StopRules
from .template import JUDGES, copy_template, find_judge, find_template

if TYPE_CHECKING:
    from spacy.language import Language

PathLike = Union[str, Path]


@dataclass
class SelfTraining:
    """What `selftrain` made.

    folder (Path): A project, as `spacy project` knows it, with everything in it.
    model (Path): The last student.
    summary (Dict[str, Any]): What the run came to: the selection and its statement, the judge, seconds, scores
        on the held-out documents, and with a test set those of the students.
    """

    folder: Path
    model: Path
    summary: Dict[str, Any] = field(default_factory=dict)

    @property
    def nlp(self) -> "Language":
        """The last student, loaded again each time."""
        import spacy

        # with the factories of all that is installed: whoever gets it may add any component
        return spacy.load(self.model)

    @property
    def silver(self) -> Iterator[Doc]:
        """The silver documents of the last round."""
        rounds = sorted((self.folder / "corpus").glob("round-*/silver.spacy"))
        return read_docs(rounds[-1], Vocab())


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
    guidelines: Optional[PathLike] = None,
    lang: str = "en",
    q: Optional[float] = None,
    budget_calls: int = 0,
    rounds: int = 1,
    folds: int = 5,
    seed_steps: int = 150,
    teacher_steps: int = 400,
    steps: int = 400,
    evidence_trains: bool = True,
    seed: int = 0,
    overrides: Optional[Dict[str, Dict[str, Any]]] = None,
    gpu_id: int = -1,
    watch: Watch = None,
    bar: Bar = silent,
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
    guidelines (Optional[PathLike]): What the labels mean, as YAML or JSON: a definition, examples and counter-examples
        of each.
    lang (str): The language.
    q (Optional[float]): The share of wrong that the silver may have; None takes the default.
    budget_calls (int): So many documents are asked about in all, dev or (without it) the labelled set included;
        of the pool those that the seed student is least certain about. 0: all.
    rounds (int): At most so many rounds; with more than one, which need dev, a part of it says when to stop.
    folds (int): Without dev: folds of the cross-fitting.
    seed_steps, teacher_steps, steps (int): Training steps of the seed student, of the teacher that annotates the
        pool where not all of it is asked about, and of later students.
    evidence_trains (bool): The last student learns from the gold of dev as well.
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
    corpus, training = folder / "corpus", folder / "training"
    own = {"nlp.lang": lang, "system.seed": seed, **paths, **given.get("student", {})}
    files = {"paths.replies": replies, "paths.rules": rules, "paths.definitions": guidelines}
    asked = {name: str(path) for name, path in files.items() if path is not None}
    settings = LoopSettings(
        config=Path(config) if config is not None else folder / "configs" / student_config,
        judge=find_judge(judge, (folder / JUDGES).iterdir()),
        filter=folder / "configs" / "filter.cfg",
        corpus=corpus,
        training=training,
        metrics=folder / "metrics",
        overrides={
            "student": {**own, "training.max_steps": steps},
            "seed": {**own, "training.max_steps": seed_steps},
            "judge": {"nlp.lang": lang, **asked, **given.get("judge", {})},
            "filter": given.get("filter", {}),
        },
        rules=StopRules(max_rounds=rounds),
        q=q,
        budget_calls=budget_calls,
        teacher_steps=teacher_steps,
        evidence_trains=evidence_trains,
        n_folds=folds,
        gpu_id=gpu_id,
    )
    sets = {"dev": dev, "test": test, "pool_gold": pool_gold, "guidelines": guidelines}
    named: Dict[str, Any] = {name: path for name, path in sets.items() if path is not None}
    how: Dict[str, Any] = {} if target is None else {"target": target}
    with tempfile.TemporaryDirectory() as empty:
        prepare(empty, corpus, labelled=labelled, pool=pool, lang=lang, **named, **how)
    gold = {"paths.gold": str(settings.labelled), "paths.dev": str(settings.labelled)}
    train_student(
        settings.config,
        training / "round-0",
        overrides={**settings.of("seed"), **gold},
        gpu_id=gpu_id,
    )
    result = run_loop(settings, watch=watch, bar=bar)
    summary = read_json(folder / "metrics" / result["metrics"] / "summary.json")
    return SelfTraining(folder, training / LOOP / "model-best", {**summary, "loop": result})
