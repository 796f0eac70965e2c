"""How many documents a second does a packaged student read on one core, and what do int8 and ONNX change?

    python scripts/bench_speed.py training/loop/model-best corpus/test.spacy --json docs/speed.json

The same pipeline is measured as `spacy.load` gives it, with the linear layers of its encoder in int8 (torch's dynamic
quantisation), and with its encoder in onnxruntime, as float32 and in int8 (`pip install onnx onnxscript onnxruntime`).
All of them read the same documents in turn, so that other work on the machine meets all alike; the ratio is that of
CPU seconds, round by round, of which the middle one counts. F1 is on the same documents.

Each is also saved with `nlp.to_disk` and loaded again with `spacy.load`, and F1 of that is the last column: the layer of
spacy-transformers builds its model in float32 whatever was saved, so that only the first form outlives this.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

# before torch
os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE")

import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from transformers.modeling_outputs import BaseModelOutput

from spacy_llmjudge.evaluation.scores import score_pair
from spacy_llmjudge.steps.card import find_processor
from spacy_llmjudge.storage import read_docs, write_json
from spacy_llmjudge.targets.base import find_target

OPSET = 17


def encoder_of(nlp: Language) -> Any:
    """RETURNS (torch.nn.Module): The encoder of a pipeline."""
    return nlp.get_pipe("transformer").model.transformer


def put_encoder(nlp: Language, encoder: torch.nn.Module) -> None:
    """Let a pipeline use another encoder, until it is closed."""
    shim = nlp.get_pipe("transformer").model.layers[0].shims[0]
    shim._model = shim._hfmodel.transformer = encoder


def use_int8(nlp: Language, folder: Path) -> None:
    """The linear layers in int8: weights now, activations as they come."""
    linear = {torch.nn.Linear}
    found = torch.ao.quantization.quantize_dynamic(encoder_of(nlp), linear, dtype=torch.qint8)
    put_encoder(nlp, found)


class Session(torch.nn.Module):
    """An encoder in onnxruntime, in the place of the one of torch."""

    def __init__(self, path: Path, config: Any) -> None:
        import onnxruntime

        super().__init__()
        self.config = config
        self.device = torch.device("cpu")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.names = [one.name for one in self.session.get_inputs()]

    def forward(self, **inputs: Any) -> BaseModelOutput:
        given = {name: inputs[name].long().numpy() for name in self.names}
        (found,) = self.session.run(None, given)
        return BaseModelOutput(last_hidden_state=torch.from_numpy(found))


class _Hidden(torch.nn.Module):
    """What is exported of an encoder: the last hidden state."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
        given = {"attention_mask": attention_mask, "token_type_ids": token_type_ids}
        return self.encoder(input_ids, return_dict=False, **given)[0]


def export(nlp: Language, folder: Path) -> Path:
    """RETURNS (Path): The encoder as a file of ONNX."""
    path = folder / "encoder.onnx"
    if not path.exists():
        names = ["input_ids", "attention_mask", "token_type_ids"]
        example = tuple(torch.ones(2, 8, dtype=torch.long) for _ in names)
        axes = {name: {0: "batch", 1: "length"} for name in (*names, "hidden")}
        torch.onnx.export(
            _Hidden(encoder_of(nlp)).eval(),
            example,
            str(path),
            input_names=names,
            output_names=["hidden"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    return path


def use_onnx(nlp: Language, folder: Path) -> None:
    """The encoder in onnxruntime."""
    put_encoder(nlp, Session(export(nlp, folder), encoder_of(nlp).config))


def use_onnx_int8(nlp: Language, folder: Path) -> None:
    """The encoder in onnxruntime, its matrices in int8."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path = folder / "int8.onnx"
    quantize_dynamic(str(export(nlp, folder)), str(path), weight_type=QuantType.QInt8)
    put_encoder(nlp, Session(path, encoder_of(nlp).config))


FORMS: Dict[str, Callable[[Language, Path], None]] = {
    "as loaded": lambda nlp, folder: None,
    "int8, torch": use_int8,
    "float32, ONNX": use_onnx,
    "int8, ONNX": use_onnx_int8,
}


def score(nlp: Language, gold: List[Doc], target: Any) -> float:
    """RETURNS (float): F1 in % on the tokens of gold."""
    given = (Doc(nlp.vocab, [t.text for t in d], [bool(t.whitespace_) for t in d]) for d in gold)
    predicted = [target.copy(doc) for doc in nlp.pipe(given)]
    return float(100 * score_pair(gold, predicted, target)["spacy"]["f"])


def measure(model: Path, gold: List[Doc], target: Any, rounds: int) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): A row for each form."""
    texts = [doc.text for doc in gold]
    seconds: Dict[str, List[float]] = {name: [] for name in FORMS}
    f1: Dict[str, float] = {}
    saved: Dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        pipelines = {}
        for name, change in FORMS.items():
            nlp = spacy.load(model)
            change(nlp, Path(folder))
            pipelines[name] = nlp
            f1[name] = score(nlp, gold, target)
            nlp.to_disk(Path(folder) / name)
            saved[name] = score(spacy.load(Path(folder) / name), gold, target)
        for _ in range(rounds):
            for name, nlp in pipelines.items():
                start = time.process_time()
                for _ in nlp.pipe(texts):
                    pass
                seconds[name].append(time.process_time() - start)
    base = seconds["as loaded"]
    return [
        {
            "form": name,
            "documents_per_second": len(texts) / statistics.median(found),
            "ratio": statistics.median(b / s for b, s in zip(base, found)),
            "ratios": [b / s for b, s in zip(base, found)],
            "f1": f1[name],
            "f1_saved": saved[name],
        }
        for name, found in seconds.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path, help="a pipeline with a transformer")
    parser.add_argument("test", type=Path, help="labelled documents (.spacy)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--documents", type=int, help="only the first of the test set")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    nlp = spacy.load(arguments.model)
    gold = list(read_docs(arguments.test, nlp.vocab))[: arguments.documents]
    rows = measure(arguments.model, gold, find_target(arguments.test), arguments.rounds)
    words = sum(len(doc) for doc in gold)
    print(f"{len(gold)} documents, {words} words, one thread of {find_processor()}")
    for row in rows:
        print(
            "{form:15} {documents_per_second:7.1f} documents/s  x {ratio:.2f}  F1 {f1:.1f}, saved {f1_saved:.1f}".format(
                **row
            )
        )
    if arguments.json:
        versions = {"torch": torch.__version__, "spacy": spacy.__version__}
        facts = {"documents": len(gold), "words": words, "processor": find_processor(), **versions}
        write_json(arguments.json, {**facts, "rounds": arguments.rounds, "rows": rows})


if __name__ == "__main__":
    main()
