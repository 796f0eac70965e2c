"""The model card of a student: what a run left in its folders, and how fast the student is here."""

import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from ..corpora.guidelines import find_definitions
from ..evaluation.scores import evaluate_model
from ..judge.prompts import read_rules
from ..report.card import CardFacts, Speed, make_card
from ..selection.certificate import read_certificate
from ..stages import once
from ..storage import read_docs, read_json_if_there
from ..targets.base import find_target
from ..training.student import component_name, load_student

if TYPE_CHECKING:
    from spacy.language import Language

# documents that speed is measured on at most
MOST = 200


def make_model_card(
    model: Path,
    corpus: Path,
    metrics: Optional[Path] = None,
    *,
    name: str,
    version: str,
    rules: Optional[Path] = None,
    encoder: Optional[Path] = None,
    licence: str = "",
) -> str:
    """Write the card of a student.

    model (Path): The student.
    corpus (Path): The folder that `prepare` wrote, with what the labels mean where that was written down. Speed
        is measured on its test set, where there is one.
    metrics (Optional[Path]): The folder of metrics of the round.
    name (str): The name of the package, without the language.
    version (str): Its version.
    rules (Optional[Path]): Task rules, which define the labels.
    encoder (Optional[Path]): The record of the encoder.
    licence (str): The licence of the package.
    RETURNS (str): Markdown.
    """
    nlp = load_student(str(model))
    target = find_target(corpus / "labelled.spacy")
    pipe: Any = nlp.get_pipe(component_name(nlp, target))
    labels: Dict[str, List[str]] = {label: [] for label in pipe.labels}
    said = find_definitions(corpus)
    for label in labels.keys() & said.keys():
        labels[label].append(said[label])
    for label, meaning in read_rules(rules) if rules is not None else ():
        if label in labels:
            labels[label].append(meaning)
    size = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
    return make_card(
        CardFacts(
            name=f"{nlp.lang}_{name}",
            version=version,
            lang=str(nlp.lang),
            target=target.name,
            pipeline=nlp.pipe_names,
            labels=labels,
            encoder=read_json_if_there(encoder).get("name", ""),
            megabytes=size / 1e6,
            prepared=read_json_if_there(corpus / "prepare.json"),
            selection=read_json_if_there(metrics and metrics / "selection.json"),
            summary=read_json_if_there(metrics and metrics / "summary.json"),
            judged=read_json_if_there(metrics and metrics / "judged.json"),
            certificate=read_certificate(metrics),
            speed=_know_speed(nlp, model, corpus / "test.spacy", metrics),
            licence=licence,
        )
    )


def _know_speed(
    nlp: "Language", model: Path, test: Path, metrics: Optional[Path]
) -> Optional[Speed]:
    """Measured once for a model on a processor, so that the card of a student that has not changed stays as it is."""
    if metrics is None or not test.exists():
        return measure_speed(nlp, test)

    def work() -> Dict[str, Any]:
        found = measure_speed(nlp, test)
        return {"speed": found and found._asdict()}

    inputs = {"model": model, "test": test, "processor": find_processor()}
    found = once("speed", inputs, [], work, beside=metrics / "speed")["speed"]
    return found and Speed(**found)


def measure_speed(nlp: "Language", test: Path) -> Optional[Speed]:
    """RETURNS (Optional[Speed]): How fast a pipeline is on the documents of a file; None without any."""
    import torch

    docs = list(read_docs(test, nlp.vocab))[:MOST] if test.exists() else []
    if not docs:
        return None
    evaluate_model(nlp, docs[:10])
    start = time.perf_counter()
    evaluate_model(nlp, docs)
    seconds = time.perf_counter() - start
    words = sum(map(len, docs))
    return Speed(len(docs), words / seconds, find_processor(), torch.get_num_threads())


def find_processor() -> str:
    """RETURNS (str): The name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
