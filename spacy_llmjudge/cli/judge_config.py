"""What the verbs with a judge share: the settings of its config, and loading it without asking it anything."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple, cast

from ..errors import Errors, LLMJudgeError

if TYPE_CHECKING:
    from spacy.language import Language

    from ..judge.component import LLMJudge


def paths_in(assets: Optional[Path]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The settings of a judge's config that name what a folder of assets has; a
    dataset that is one file may hold what an LLM said in a column."""
    if assets is not None and assets.is_file():
        return {"paths.replies": str(assets)}
    names = {"paths.rules": "rules.txt", "paths.replies": "responses.jsonl"}
    files = {key: (assets or Path()) / name for key, name in names.items()}
    return {key: str(file_) for key, file_ in files.items() if assets and file_.exists()}


def load_judge(
    config: Path, overrides: Dict[str, Any]
) -> Tuple["Language", "LLMJudge", Dict[str, Any]]:
    """Load the pipeline of a judge's config.

    config (Path): The config.
    overrides (Dict[str, Any]): Settings of the config by their dotted names.
    RETURNS (Tuple[Language, LLMJudge, Dict[str, Any]]): The pipeline, its judge, and the block of the
        judge with all defaults.
    """
    from spacy.util import load_config

    from ..steps.loading import load_pipeline
    from ..storage import require_file

    config = require_file(config, "The configs of judges are in configs/judges/.")
    loaded = load_config(config, overrides=overrides, interpolate=True)
    nlp = load_pipeline(loaded, config)
    if "llm_judge" not in nlp.pipe_names:
        found = ", ".join(nlp.pipe_names) or "nothing"
        raise LLMJudgeError(Errors.J253.format(path=config, found=found))
    block = nlp.config.interpolate()["components"]["llm_judge"]
    return nlp, cast("LLMJudge", nlp.get_pipe("llm_judge")), block
