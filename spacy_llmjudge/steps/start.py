"""Start a project: the template, the files of a dataset in their place, and the settings that fit
them."""

import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from ..corpora.check import Findings, check
from ..corpora.formats import is_set
from ..corpora.guidelines import NAMES as GUIDELINES
from ..corpora.guidelines import make_template
from ..corpora.prepare import Report, prepare
from ..corpora.split_names import split_of_stem
from ..errors import Errors, LLMJudgeError
from ..storage import require_file, write_bytes
from ..targets.cats import Cats
from .template import JUDGES, copy_template, find_judge, find_template

DATASET = "data"


class Started(NamedTuple):
    """What a new project holds: what `prepare` read, what `check` says of it, and the environment
    variables that the judge needs and that are not set."""

    report: Report
    findings: Findings
    keys: List[str]


def start_project(
    folder: Path,
    judge: str,
    sets: Dict[str, Path],
    *,
    replies: Optional[Path] = None,
    lang: str = "en",
    target: Optional[str] = None,
) -> Started:
    """Write a project around a dataset. Either all of it appears, or nothing.

    folder (Path): The project: a new folder, or an empty one.
    judge (str): The name of a config of the template in configs/judges, or the path of another one.
    sets (Dict[str, Path]): "labelled" and "pool", and where they are there "dev" and "test": files
        in any format that `prepare` reads.
    replies (Optional[Path]): What an LLM said before, for judges that replay it.
    lang (str): The language.
    target (Optional[str]): What is labelled; None: what the labelled set shows.
    RETURNS (Started): What was found in the files.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LLMJudgeError(Errors.J430.format(path=folder))
    template = find_template()
    config = find_judge(judge, [template[name] for name in template if Path(name).parent == JUDGES])
    keys = _check_judge(config, judge, replies)
    for name, path in sets.items():
        require_file(path, f"Check the name of the {name} file.")
        if path.is_dir() and not is_set(path):
            raise LLMJudgeError(Errors.J431.format(path=path, name=name))
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "none").mkdir()
        corpus = Path(scratch) / "corpus"
        report = prepare(
            Path(scratch) / "none",
            corpus,
            labelled=sets["labelled"],
            pool=sets["pool"],
            dev=sets.get("dev"),
            test=sets.get("test"),
            target=target,
            lang=lang,
        )
        findings = check(corpus, lang=lang)
    failed = [text for level, text in findings.messages if level == "fail"]
    if failed:
        raise LLMJudgeError(Errors.J432.format(found=" ".join(failed)))
    partial = folder.absolute().with_name(f".{folder.absolute().name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write(partial, config, judge, sets, replies, {"lang": lang, "target": target or "auto"})
        known = findings.target
        labels = known.labels if isinstance(known, Cats) else report["labels"]["labelled"]
        place = partial / "assets" / DATASET / GUIDELINES[0]
        write_bytes(place, make_template(labels).encode("utf8"))
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Started(report, findings, keys)


def _check_judge(config: Path, judge: str, replies: Optional[Path]) -> List[str]:
    """RETURNS (List[str]): The environment variables that a judge needs and that are not set."""
    from spacy.util import load_config

    loaded = load_config(config, interpolate=False)
    if "replies" in loaded.get("paths", {}):
        if replies is None:
            raise LLMJudgeError(Errors.J433.format(judge=judge))
        require_file(replies, "It is the file with the replies that are replayed.")
    elif replies is not None:
        raise LLMJudgeError(Errors.J434.format(judge=judge))
    return unset_keys(loaded)


def unset_keys(config: Dict[str, Any]) -> List[str]:
    """RETURNS (List[str]): The environment variables with keys that a judge needs and that are not set."""
    names = {str(name) for name in _values(config, "api_key_env") if name}
    return [name for name in sorted(names) if not os.environ.get(name)]


def _values(block: Dict[str, Any], key: str) -> Iterator[Any]:
    for name, value in block.items():
        if name == key:
            yield value
        elif isinstance(value, dict):
            yield from _values(value, key)


def _write(
    folder: Path,
    config: Path,
    judge: str,
    sets: Dict[str, Path],
    replies: Optional[Path],
    settings: Dict[str, str],
) -> None:
    copy_template(folder)
    name = Path(judge).stem
    place = folder / JUDGES / f"{name}.cfg"
    if place.exists() and place.read_bytes() != config.read_bytes():
        name = f"my_{name}"
        place = place.with_name(f"{name}.cfg")
    write_bytes(place, config.read_bytes())
    assets = folder / "assets" / DATASET
    assets.mkdir(parents=True)
    for split, path in sets.items():
        place = assets / f"{split}{_suffix(path)}"
        if path.is_dir():
            shutil.copytree(path, place)
        else:
            shutil.copyfile(path, place)
    if replies is not None:
        shutil.copyfile(replies, assets / "responses.jsonl")
    project = folder / "project.yml"
    text = project.read_text(encoding="utf8")
    for variable, value in {"dataset": DATASET, "judge": name, **settings}.items():
        line = f"  {variable}: {json.dumps(value)}"
        text = re.sub(rf"(?m)^  {variable}: .*$", line.replace("\\", r"\\"), text, count=1)
    write_bytes(project, text.encode("utf8"))


def _suffix(path: Path) -> str:
    """RETURNS (str): The suffix of a file; where it names a set, as in `eng.testa`, that of
    columns."""
    suffix = path.suffix.lower()
    return ".conll" if split_of_stem(suffix[1:]) else suffix
