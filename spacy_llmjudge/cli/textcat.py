"""`textcat ...`: text classification with an LLM's labels, step by step."""

import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

import typer
from wasabi import msg

from ..errors import Errors, LLMJudgeError
from .arguments import CONTEXT, Arg, Opt, overrides_of
from .evaluate import parse_models
from .package import build_wheel, show_wheel
from .progress import progress_bar, spinner
from .timing import show_seconds, timed
from .user_errors import show_command, user_errors

textcat_app = typer.Typer(
    name="textcat",
    help="Text classification: an LLM's labels, denoised with a little gold, make a plain textcat",
    no_args_is_help=True,
)


@user_errors
def prepare_cli(
    # fmt: off
    source: Path = Arg(
        ...,
        help="JSONL file with a column for the split (pool or test), or a folder with pool.jsonl and test.jsonl",
    ),
    output: Path = Arg(..., help="Folder for the corpus"),
    gold: int = Opt(
        60, "--gold", help="So many documents of the pool, at random, become the gold evidence"
    ),
    seed: int = Opt(0, "--seed", help="Seed of the draw"),
    lang: str = Opt("en", "--lang", "-l", help="Language code: whose tokenizer cuts the texts"),
    labels: Optional[str] = Opt(
        None,
        "--labels",
        help="The labels of the task, separated by commas; without it, all that the rows have",
    ),
    label_column: str = Opt(
        "label",
        "--label-column",
        help="Column with the label, or with a list of labels where a text may have any number",
    ),
    split_column: str = Opt(
        "split", "--split-column", help="Column of a single file that says pool or test"
    ),
    metrics: Optional[Path] = Opt(None, "--metrics", help="Folder for the time that it took"),
    # fmt: on
) -> None:
    """Turn labelled and raw texts into a corpus of DocBins with doc.cats, without duplicates.

    Rows are {"text": ..., "label": ...}. The pool is written without labels; what is known of it
    beyond the evidence is kept apart in pool_gold.spacy, for measuring only.
    """
    from ..textcat.prepare import prepare_texts

    with timed("prepare", metrics), spinner("Preparing the corpus..."):
        report = prepare_texts(
            source,
            output,
            gold=gold,
            seed=seed,
            lang=lang,
            labels=_split(labels) if labels else None,
            label_column=label_column,
            split_column=split_column,
        )
    for name, n in report["documents"].items():
        if name != "pool_gold":
            msg.good(f"{output / name}.spacy: {n} documents")
    counts = ", ".join(f"{label} {n}" for label, n in report["labels"]["evidence"].items())
    msg.info(f"Evidence: {counts}")
    for split, dropped in report["dropped"].items():
        for reason, n in dropped.items():
            msg.info(f"{split}: dropped {n} ({reason})")
    for split, n in report["left_out"].items():
        msg.info(f"{n} rows of the split '{split}' were left out: only pool and test are used")


@user_errors
def features_cli(
    # fmt: off
    corpus: Path = Arg(..., help="Folder that `textcat prepare` wrote"),
    encoder: Path = Arg(..., help="Folder that `encoder` wrote"),
    output: Path = Arg(..., help="Folder for the vectors"),
    metrics: Optional[Path] = Opt(None, "--metrics", help="Folder for the time that it took"),
    # fmt: on
) -> None:
    """Compute a vector for each document: the encoder's middle and last layer, averaged. Kept until texts or encoder change."""
    from ..encoders.doc_vectors import make_features

    with timed("features", metrics), progress_bar(0, "Embedding") as progress:
        found = make_features(corpus, encoder, output, progress=progress)
    state = "" if found["computed"] else ", computed before"
    n = sum(found["documents"].values())
    msg.good(f"{output}: {n} vectors of width {found['width']}{state}")


@user_errors
def judge_cli(
    # fmt: off
    ctx: typer.Context,  # settings of the config, by their dotted names
    corpus: Path = Arg(..., help="Folder that `textcat prepare` wrote"),
    output: Path = Arg(..., help="Folder that gets pool/ (and test/) in shards"),
    column: Optional[Path] = Opt(
        None, "--from", help="JSONL file that holds the LLM's labels already"
    ),
    label_column: str = Opt(
        "llm_label", "--label-column", help="Its column with the LLM's label, or list of labels"
    ),
    confidence_column: Optional[str] = Opt(
        None,
        "--confidence-column",
        help="Its column with the LLM's confidence, from 0 to 1 or to 100",
    ),
    refusal: List[str] = Opt(
        [],
        "--refusal",
        help="A label that stands for no answer, such as -1; may be repeated: --refusal=-1",
    ),
    config: Optional[Path] = Opt(
        None,
        "--config",
        help="Or ask an LLM: spaCy config with an llm component, see configs/judges/textcat.cfg",
    ),
    test: bool = Opt(False, "--test", help="Judge the test set as well, to measure the LLM there"),
    metrics: Optional[Path] = Opt(
        None, "--metrics", help="Folder for what it did and the time that it took"
    ),
    # fmt: on
) -> None:
    """Let an LLM label the pool: read its labels from a column, or ask it with spacy-llm's TextCat.

    Settings of the config can be given by their dotted names, as in `spacy train`. A run that was
    stopped goes on with the shards that are missing.
    """
    from ..steps.judging import count_states
    from ..storage import write_json
    from ..textcat.judge import judge_texts

    if (column is None) == (config is None):
        raise LLMJudgeError(Errors.J920)
    source: Optional[Dict[str, Any]] = None
    if column is not None:
        source = {
            "path": str(column),
            "label": label_column,
            "confidence": confidence_column,
            "refusals": list(refusal),
        }
    splits = ["pool", "test"] if test else ["pool"]
    with timed("judge", metrics), progress_bar(0, "Judging") as progress:
        report = judge_texts(
            corpus,
            output,
            column=source,
            config=config,
            overrides=overrides_of(ctx),
            splits=splits,
            progress=progress,
        )
    if metrics is not None:
        write_json(metrics / "judge.json", report)
    not_sent = 0
    for split in splits:
        shown = ", ".join(f"{n} {state}" for state, n in report[split].items())
        msg.good(f"{output / split}: {shown}")
        not_sent += count_states(report[split], "not_sent")
    msg.info(", ".join(f"{label} {n}" for label, n in report["labels"].items()))
    if not_sent:
        msg.warn(f"{not_sent} documents were not asked about. All replies are kept; go on with:")
        show_command(sys.argv[1:])
        sys.exit(1)


@user_errors
def denoise_cli(
    # fmt: off
    corpus: Path = Arg(..., help="Folder that `textcat prepare` wrote"),
    judged: Path = Arg(..., help="Folder that `textcat judge` wrote"),
    features: Path = Arg(..., help="Folder that `textcat features` wrote"),
    output: Path = Arg(..., help="Folder that gets a folder for each method"),
    method: str = Opt(
        "stacking",
        "--method",
        "-m",
        help="none, gold, confident_learning, prior_correction, stacking, uu or sidyp; several separated by commas",
    ),
    evidence: Optional[Path] = Opt(
        None, "--evidence", help="Other gold than evidence.spacy of the corpus"
    ),
    cats: Optional[Path] = Opt(
        None,
        "--cats",
        help="The pool with doc.cats of students that were not trained on the document, a .spacy file, for stacking",
    ),
    name: Optional[str] = Opt(None, "--name", help="Another name for the folder; for one method"),
    allow_missing: bool = Opt(
        False, "--allow-missing", help="Go on where the evidence lacks labels that the LLM gives"
    ),
    seed: int = Opt(0, "--seed", help="Seed of folds, weights and batches"),
    metrics: Optional[Path] = Opt(None, "--metrics", help="Folder for the time that it took"),
    # fmt: on
) -> None:
    """Refine the LLM's labels with the gold evidence: labels and probabilities for every document of the pool."""
    from ..textcat.steps import denoise_texts

    methods = _split(method)
    with timed(f"denoise {name or ''}".strip(), metrics):
        with progress_bar(len(methods), "Denoising", unit="method") as progress:
            reports = denoise_texts(
                corpus,
                judged,
                features,
                output,
                methods,
                evidence=evidence,
                cats=cats,
                name=name,
                allow_missing=allow_missing,
                seed=seed,
                progress=progress,
            )
    for done, report in reports.items():
        msg.good(
            f"{output / done}: {report['labelled']} of {report['documents']} documents labelled, "
            f"{report['changed']} of the LLM's labels changed, {report['seconds']:.1f} s"
        )


@user_errors
def train_cli(
    # fmt: off
    ctx: typer.Context,  # settings of the config, by their dotted names
    config: Path = Arg(
        ..., help="spaCy training config with a component textcat, see configs/textcat.cfg"
    ),
    corpus: Path = Arg(..., help="Folder that `textcat prepare` wrote"),
    output: Path = Arg(..., help="Folder that gets model-best"),
    labels: Optional[Path] = Opt(
        None,
        "--labels",
        help="Labels of the pool, a .spacy file with doc.cats; without it, only the evidence is trained on",
    ),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    step: str = Opt("train", "--step", help="Name of this step in the table of times"),
    metrics: Optional[Path] = Opt(None, "--metrics", help="Folder for the time that it took"),
    # fmt: on
) -> None:
    """Train a textcat (or a textcat_multilabel) with `spacy train` on the evidence and the labels of the pool.

    Settings of the config can be given by their dotted names. A training that was finished before
    with the same config and data is not repeated.
    """
    from ..textcat.steps import train_texts

    with timed(step, metrics):
        result = train_texts(
            config, corpus, output, labels=labels, overrides=overrides_of(ctx), gpu_id=gpu_id
        )
    n = result["documents"]
    if result["trained"]:
        msg.good(
            f"Trained {output / 'model-best'} on {n['gold']} gold and {n['pool']} pool documents "
            f"in {result['seconds']:.0f} s"
        )
    else:
        msg.good(f"{output / 'model-best'} was trained before with the same inputs")


@user_errors
def annotate_cli(
    # fmt: off
    ctx: typer.Context,  # settings of the config, by their dotted names
    config: Path = Arg(..., help="spaCy training config with a component textcat"),
    corpus: Path = Arg(..., help="Folder that `textcat prepare` wrote"),
    output: Path = Arg(..., help="File that gets the pool with probabilities as doc.cats, .spacy"),
    folds: int = Opt(
        3, "--folds", help="So many students are trained, each on the evidence without a fold"
    ),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    metrics: Optional[Path] = Opt(None, "--metrics", help="Folder for the time that it took"),
    # fmt: on
) -> None:
    """Self-training: pseudo-label the pool by students of the evidence that have not seen the document."""
    from ..textcat.rounds import annotate_texts

    with timed("annotate", metrics), progress_bar(folds, "Training", unit="student") as progress:
        found = annotate_texts(
            config,
            corpus,
            output,
            n_folds=folds,
            overrides=overrides_of(ctx),
            gpu_id=gpu_id,
            progress=progress,
        )
    msg.good(f"{output}: {found['documents']} documents, by {found['students']} students")


@user_errors
def select_cli(
    # fmt: off
    corpus: Path = Arg(..., help="Folder that `textcat prepare` wrote"),
    judged: Path = Arg(..., help="Folder that `textcat judge` wrote"),
    features: Path = Arg(..., help="Folder that `textcat features` wrote"),
    output: Path = Arg(..., help="Folder that gets pool.spacy and report.json"),
    cats: Optional[Path] = Opt(None, "--cats", help="File that `textcat annotate` wrote"),
    q: float = Opt(0.1, "--q", help="The share of documents with a wrong label that may be kept"),
    allow_missing: bool = Opt(
        False, "--allow-missing", help="Go on where the evidence lacks labels that the LLM gives"
    ),
    seed: int = Opt(0, "--seed", help="Seed of the folds"),
    metrics: Optional[Path] = Opt(None, "--metrics", help="Folder for the time that it took"),
    # fmt: on
) -> None:
    """Self-training: fuse students and LLM on the evidence, and keep documents up to a share of wrong ones."""
    from ..textcat.rounds import select_texts

    with timed("select", metrics), spinner("Selecting..."):
        report = select_texts(
            corpus, judged, features, output, q=q, cats=cats, allow_missing=allow_missing, seed=seed
        )
    msg.good(f"{output / 'pool.spacy'}: {report['accepted']} of {report['documents']} documents")
    msg.text(report["statement"])


@user_errors
def evaluate_cli(
    # fmt: off
    corpus: Path = Arg(..., help="Folder that `textcat prepare` wrote"),
    judged: Path = Arg(..., help="Folder that `textcat judge` wrote"),
    denoised: Path = Arg(..., help="Folder that `textcat denoise` wrote to"),
    students: Optional[List[str]] = Arg(
        None,
        help="NAME=PIPELINE, such as stacking=training/topics/stacking/model-best; a pipeline that is not there is left out",
    ),
    metrics: Path = Opt(..., "--metrics", help="Folder for summary.json"),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    # fmt: on
) -> None:
    """Measure the LLM, the denoisers' classifiers and students on the test set: accuracy and macro-F1 with intervals."""
    from ..textcat.evaluate import evaluate_texts

    chosen = {f"{name} (spaCy)": path for name, path in parse_models(students or []).items()}
    with (
        timed("evaluate", metrics),
        progress_bar(len(chosen), "Evaluating", unit="model") as progress,
    ):
        evaluate_texts(
            corpus, judged, denoised, metrics, students=chosen, gpu_id=gpu_id, progress=progress
        )
    msg.good(f"{metrics / 'summary.json'}")


@user_errors
def package_cli(
    # fmt: off
    model: Path = Arg(..., help="The pipeline"),
    output: Path = Arg(..., help="Folder of packages"),
    name: str = Opt("topics", "--name", "-n", help="Name of the package, without the language"),
    version: str = Opt("0.1.0", "--version", "-v", help="Version of the package"),
    metrics: Optional[Path] = Opt(
        None, "--metrics", help="Folder whose summary.json tells the performance of this pipeline"
    ),
    encoder: Optional[Path] = Opt(
        None, "--encoder", help="Folder that `encoder` wrote, for the name of the encoder"
    ),
    # fmt: on
) -> None:
    """Make a wheel that loads with spacy.load where nobody has heard of this project or of an LLM."""
    from ..storage import read_json

    scores = {}
    if metrics is not None and (metrics / "summary.json").exists():
        summary = read_json(metrics / "summary.json")
        for student, path in summary["students"].items():
            if Path(path) == model:
                test = summary["rows"][student]["test"]
                scores = {
                    "cats_acc": test["accuracy"]["value"],
                    "cats_macro_f": test["macro_f1"]["value"],
                }
    build_wheel(
        model,
        output,
        metrics,
        encoder,
        name=name,
        version=version,
        description="Text classification, trained on labels of an LLM that were denoised",
        scores=scores,
    )


@user_errors
def summary_cli(
    # fmt: off
    metrics: Path = Arg(..., help="Folder that `textcat evaluate` wrote to"),
    packages: Optional[Path] = Opt(
        None, "--packages", help="The package to name, a folder in packages/"
    ),
    # fmt: on
) -> None:
    """Print what a run came to: the LLM, the denoisers, the students, and the time it took."""
    from ..stages import read_seconds
    from ..storage import read_json
    from ..textcat.evaluate import header, table_rows

    summary = read_json(metrics / "summary.json", "Run the step `textcat-evaluate` first.")
    documents = summary["documents"]
    msg.divider(f"Text classification on {documents['test']} test documents (%)")
    rows = table_rows(summary)
    msg.table(rows, header=header(), divider=True, aligns=tuple("lrrrrr"), max_col=60)
    msg.text(
        "The rows of methods are classifiers on frozen vectors, trained on the labels of the method; "
        f"a student is a spaCy pipeline. Gold evidence: {documents['evidence']} documents.\n"
    )
    seconds = read_seconds(metrics)
    if seconds:
        show_seconds(seconds)
    show_wheel(packages)


def _split(names: str) -> List[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def register(app) -> None:
    textcat_app.command("prepare")(prepare_cli)
    textcat_app.command("features")(features_cli)
    textcat_app.command("judge", context_settings=CONTEXT)(judge_cli)
    textcat_app.command("denoise")(denoise_cli)
    textcat_app.command("train", context_settings=CONTEXT)(train_cli)
    textcat_app.command("annotate", context_settings=CONTEXT)(annotate_cli)
    textcat_app.command("select")(select_cli)
    textcat_app.command("evaluate")(evaluate_cli)
    textcat_app.command("package")(package_cli)
    textcat_app.command("summary")(summary_cli)
    app.add_typer(textcat_app)
