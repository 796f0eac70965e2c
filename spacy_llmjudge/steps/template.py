"""The project template: project.yml and configs, from the wheel or from a clone."""

import shutil
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Dict, Iterable, List

from ..errors import Errors, LLMJudgeError
from ..storage import PathLike, write_bytes

JUDGES = Path("configs/judges")


def find_template() -> Dict[str, Path]:
    """Find the files of the template.

    RETURNS (Dict[str, Path]): Their place in a project to where they are now.
    """
    clone = Path(__file__).parents[2]
    if (clone / "project.yml").exists() and (clone / "configs").is_dir():
        configs = [path for path in clone.glob("configs/**/*") if path.is_file()]
        found = [clone / "project.yml", *configs]
        return {str(path.relative_to(clone)): path for path in sorted(found)}
    share = "share/spacy_llmjudge/"
    try:
        installed = files("spacy_llmjudge") or []
    except PackageNotFoundError:
        installed = []
    template = {
        path.as_posix().partition(share)[2]: Path(str(path.locate()))
        for path in installed
        if share in path.as_posix()
    }
    if "project.yml" not in template:
        raise LLMJudgeError(Errors.J806)
    return template


def copy_template(folder: Path, force: bool = False) -> List[Path]:
    """Copy the template into a folder.

    folder (Path): The folder, which must be new or empty unless
    force (bool): files in it may be overwritten.
    RETURNS (List[Path]): The files that were written.
    """
    was_there = folder.exists()
    is_empty = not was_there or not any(folder.iterdir())
    if not is_empty and not force:
        raise LLMJudgeError(Errors.J807.format(path=folder))
    written = []
    try:
        for name, source in find_template().items():
            write_bytes(folder / name, source.read_bytes())
            written.append(folder / name)
    except BaseException:
        # half a template would stand in the way of the same command
        for path in folder.iterdir() if is_empty and folder.exists() else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not was_there and folder.exists():
            folder.rmdir()
        raise
    return written


def find_judge(judge: PathLike, configs: Iterable[Path]) -> Path:
    """Find the config of a judge.

    judge (PathLike): Its path, or the name of
    configs (Iterable[Path]): one of these.
    RETURNS (Path): The config.
    RAISES (LLMJudgeError): J840 where there is none.
    """
    path = Path(judge)
    if path.suffix == ".cfg" and path.is_file():
        return path
    known = {config.stem: config for config in configs if config.suffix == ".cfg"}
    if str(judge) not in known:
        raise LLMJudgeError(Errors.J840.format(found=judge, known=", ".join(sorted(known))))
    return known[str(judge)]
