"""The step `disagreements`: what anybody's trained pipeline and an LLM see differently in a file of texts."""

from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

from spacy.language import Language

from ..candidates import is_judged
from ..confidence.pipeline import add_confidence
from ..corpora.lines import read_lines
from ..corpora.rows import read_rows, require_string
from ..errors import Errors, LLMJudgeError
from ..review.disagreements import Row, find_disagreements
from ..storage import require_file, write_json_lines
from ..targets.ents import Ents
from ..training.student import component_name, load_student
from .judge_config import read_judge_config


class Disagreements(NamedTuple):
    """What was found.

    rows (List[Row]): The disagreements, in the order of the texts.
    texts (int): How many texts were read.
    unanswered (int): For how many of them the judge gave no full answer.
    """

    rows: List[Row]
    texts: int
    unanswered: int


def add_second_opinion(
    nlp: Language, config: Path, overrides: Optional[Dict[str, Any]] = None, pipe_name: str = "auto"
) -> Language:
    """Add both components to a trained pipeline: how sure is it, and does an LLM agree?

    nlp (Language): The pipeline.
    config (Path): The config of a judge.
    overrides (Optional[Dict[str, Any]]): Settings of that config by their dotted names.
    pipe_name (str): The name of the NER component; "auto" finds it.
    RETURNS (Language): The same pipeline.
    """
    from ..judge import component  # noqa: F401 it registers the factory

    pipe_name = component_name(nlp, Ents(), pipe_name)
    add_confidence(nlp, pipe_name, after=pipe_name)
    blocks = read_judge_config(config, overrides).get("components", {})
    found = [block for block in blocks.values() if block.get("factory") == "llm_judge"]
    if not found:
        raise LLMJudgeError(Errors.J253.format(path=config, found=", ".join(blocks) or "none"))
    judge = {k: v for k, v in found[0].items() if k != "factory"}
    task = judge.get("task", {})
    pipe: Any = nlp.get_pipe(pipe_name)
    if not task.get("labels") and not task.get("demonstrations"):
        task["labels"] = list(pipe.labels)
    nlp.add_pipe("llm_judge", config=judge)
    return nlp


def list_disagreements(
    model: str,
    texts: Path,
    config: Path,
    *,
    overrides: Optional[Dict[str, Any]] = None,
    pipe_name: str = "auto",
    output: Optional[Path] = None,
) -> Disagreements:
    """List the entities on which a pipeline and a judge disagree.

    model (str): A folder or a package with a pipeline that has NER.
    texts (Path): A .txt or .jsonl file.
    config (Path): The config of a judge.
    overrides (Optional[Dict[str, Any]]): Settings of that config by their dotted names.
    pipe_name (str): The name of the NER component; "auto" finds it.
    output (Optional[Path]): Gets the rows as JSONL.
    RETURNS (Disagreements): What was found.
    """
    found = read_texts(texts)
    nlp = add_second_opinion(load_student(model), config, overrides, pipe_name)
    docs = list(nlp.pipe(found))
    rows = [one.to_row(doc) for doc in docs for one in find_disagreements(doc)]
    if output is not None:
        write_json_lines(output, rows)
    return Disagreements(rows, len(docs), sum(not is_judged(doc) for doc in docs))


def read_texts(path: Path) -> List[str]:
    """RETURNS (List[str]): The texts of a .jsonl file, or the lines of another one, without empty ones."""
    path = require_file(
        path, "It should hold the texts: lines of a .txt file, or rows of a .jsonl file."
    )
    if path.suffix == ".jsonl":
        texts = [require_string(row.get("text"), "text", where) for where, row in read_rows(path)]
    else:
        texts = [line for _, line in read_lines(path)]
    return [text.strip() for text in texts if text.strip()]
