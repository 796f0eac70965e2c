"""Fit the config of a student to what is labelled: which stock component it trains, and how."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional

from ..configs import read_config
from ..errors import Errors, LLMJudgeError
from ..targets.base import Target, find_target
from ..targets.cats import Cats
from ..targets.ents import Ents

if TYPE_CHECKING:
    from thinc.api import Config

COMPONENTS = "components"


def fit_config(config: Path, target: Target, overrides: Dict[str, Any]) -> Optional["Config"]:
    """Put the component of the target into a training config that has one of another target.

    config (Path): A spaCy training config. The folder `components` beside it has a config for each
        component; the part `tok2vec` of the model is taken from the component that goes.
    target (Target): What is labelled.
    overrides (Dict[str, Any]): Settings of the config by their dotted names; what they set stays.
    RETURNS (Optional[Config]): The config with the overrides, not interpolated; None where the config
        is right as it is.
    RAISES (LLMJudgeError): J662 where nothing beside the config fits the target.
    """
    given = {key: value for key, value in overrides.items() if not _is_about_component(key)}
    loaded = read_config(config, given, interpolate=False)
    pipeline = loaded.get("nlp", {}).get("pipeline")
    if not isinstance(pipeline, list) or not all(isinstance(name, str) for name in pipeline):
        expected = f"a list of components of {config}"
        raise LLMJudgeError(
            Errors.J684.format(name="nlp.pipeline", found=pipeline, expected=expected)
        )
    name = find_component(loaded, target)
    is_wide = _fit_width(loaded)
    if name is None:
        name = _swap_component(loaded, config, target)
    elif not target.component_settings(name) and not is_wide:
        return None
    _apply(loaded, target.component_settings(name))
    _apply(loaded, {key: value for key, value in overrides.items() if _is_about_component(key)})
    return loaded


def target_of_config(config: Path, overrides: Dict[str, Any]) -> Target:
    """RETURNS (Target): That of the gold which a training config names; entities where it is not there."""
    paths = read_config(config, overrides).get("paths", {})
    gold = Path(paths.get("gold") or "")
    return find_target(gold) if gold.exists() else Ents()


def find_component(config: "Config", target: Target) -> Optional[str]:
    """RETURNS (Optional[str]): The component of a config that predicts the target."""
    blocks = config.get("components", {})
    for name in config["nlp"]["pipeline"]:
        if blocks.get(name, {}).get("factory") in target.factories:
            return str(name)
    return None


def _fit_width(config: "Config") -> bool:
    """Make a layer between the encoder and a head as wide as the encoder, where that lies in a folder.

    RETURNS (bool): Whether anything was changed.
    """
    from transformers import AutoConfig

    heads = (block.get("model", {}).get("tok2vec", {}) for block in config["components"].values())
    layers = [
        head["encode"]
        for head in heads
        if "encode" in head and "TransformerListener" in head["embed"].get("@architectures", "")
    ]
    encoder = Path(config.get("paths", {}).get("encoder") or "")
    if not layers or not (encoder / "config.json").exists():
        return False
    try:
        width = AutoConfig.from_pretrained(encoder, local_files_only=True).hidden_size
    except (AttributeError, OSError, ValueError):
        # the training says what is wrong with it
        return False
    narrow = [layer for layer in layers if layer.get("width") != width]
    for layer in narrow:
        layer["width"] = width
    return bool(narrow)


def _swap_component(config: "Config", path: Path, target: Target) -> str:
    blocks, is_cats = config["components"], isinstance(target, Cats)
    heads = [
        name
        for name in config["nlp"]["pipeline"]
        if "tok2vec" in blocks.get(name, {}).get("model", {})
    ]
    source = path.parent / COMPONENTS / f"{target.component}.cfg"
    if len(heads) != 1 or not source.exists():
        expected = " or ".join(target.factories)
        found = ", ".join(config["nlp"]["pipeline"])
        raise LLMJudgeError(
            Errors.J662.format(path=path, found=found, expected=expected, units=target.units)
        )
    new = read_config(source, interpolate=False)
    ((name, block),) = new["components"].items()
    tok2vec = blocks.pop(heads[0])["model"]["tok2vec"]
    # a layer over the neighbours of a token says nothing about a whole document
    block["model"]["tok2vec"] = tok2vec.get("embed", tok2vec) if is_cats else tok2vec
    blocks[name] = block
    pipeline = [name if one == heads[0] else one for one in config["nlp"]["pipeline"]]
    config["nlp"]["pipeline"] = pipeline
    # a score that the new component does not have would be no score at all
    config["training"]["score_weights"] = new.get("training", {}).get("score_weights", {})
    return str(name)


def _apply(config: "Config", settings: Dict[str, Any]) -> None:
    for key, value in settings.items():
        *sections, last = key.split(".")
        block = config
        for section in sections:
            block = block.setdefault(section, {})
        block[last] = value


def _is_about_component(key: str) -> bool:
    return key.startswith(("components.", "initialize."))
