"""What does a training step spend its time on?

    python scripts/bench_training.py --gold corpus/labelled.spacy --silver corpus/round-1/silver.spacy \
        --dev corpus/dev.spacy --encoder assets/encoder --json docs/training_speed.json

Trains the student of configs/student.cfg for some steps and adds up the seconds inside the functions
below, without a profiler, which would slow down Python and not torch. CPU seconds are those of all threads
of the process; beside them stand the seconds on the clock. The first steps do not count.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

# before spacy_llmjudge, so that OMP_WAIT_POLICY is what the environment says
import torch
from spacy.cli.train import train
from spacy.language import Language
from spacy.training import loop
from spacy_transformers.layers import transformer_model
from thinc.shims.pytorch import PyTorchShim

from spacy_llmjudge.storage import write_json
from spacy_llmjudge.training import readers

CONFIG = Path(__file__).parents[1] / "configs" / "student.cfg"
WARM_UP = 5
# where it is, its name, and what it does
PARTS: List[Tuple[Any, str, str]] = [
    (torch.autograd, "backward", "torch, backward"),
    (PyTorchShim, "begin_update", "torch, forward"),
    (PyTorchShim, "finish_update", "optimizer of the encoder"),
    (transformer_model, "huggingface_tokenize", "tokenizing"),
    (Language, "update", "all components"),
    (readers, "_has_gold_path", "reading, of this: whether there is a gold path"),
]
READING = "reading"


class Meter:
    """Adds up CPU seconds and seconds on the clock by part, between two steps of a training."""

    def __init__(self, steps: int) -> None:
        self.seconds: Dict[str, List[float]] = defaultdict(lambda: [0.0, 0.0])
        self._steps = steps
        self._done = 0
        self._begin = (0.0, 0.0)

    def call(self, part: str, function: Callable, *args: Any, **settings: Any) -> Any:
        begin = _now()
        try:
            return function(*args, **settings)
        finally:
            if WARM_UP <= self._done < WARM_UP + self._steps:
                self._add(part, begin)

    def step(self) -> None:
        self._done += 1
        if self._done == WARM_UP:
            self._begin = _now()
        if self._done == WARM_UP + self._steps:
            self._add("step", self._begin)

    def _add(self, part: str, begin: Tuple[float, float]) -> None:
        for i, (start, end) in enumerate(zip(begin, _now())):
            self.seconds[part][i] += end - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("gold", "silver", "dev", "encoder"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True, help="where to write")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    meter = Meter(args.steps)
    watch(meter)
    overrides: Dict[str, Any] = {
        f"paths.{name}": str(getattr(args, name)) for name in ("gold", "silver", "dev", "encoder")
    }
    overrides["training.batcher.size"] = 24
    # two more, so that neither the last evaluation nor the saving counts
    overrides["training.max_steps"] = WARM_UP + args.steps + 2
    overrides["training.eval_frequency"] = 10 * overrides["training.max_steps"]
    overrides["training.logger.progress_bar"] = False
    with tempfile.TemporaryDirectory() as folder:
        train(CONFIG, Path(folder), overrides=overrides)
    result = describe(meter, args)
    write_json(args.json, result)
    for part, row in result["parts"].items():
        print(f"{part:50s} {row['cpu']:.4f} s CPU {row['clock']:.4f} s {row['share']:6.1%}")
    return 0


def watch(meter: Meter) -> None:
    """Put a meter around the parts of a step."""
    for owner, name, part in PARTS:
        setattr(owner, name, _metered(meter, part, getattr(owner, name)))
    make_batches, improve = loop.create_train_batches, loop.train_while_improving

    def read(*args: Any) -> Iterator[Any]:
        batches = make_batches(*args)
        while True:
            yield meter.call(READING, next, batches)

    def count(*args: Any, **settings: Any) -> Iterator[Any]:
        for found in improve(*args, **settings):
            meter.step()
            yield found

    loop.create_train_batches, loop.train_while_improving = read, count


def _metered(meter: Meter, part: str, function: Callable) -> Callable:
    return lambda *args, **settings: meter.call(part, function, *args, **settings)


def describe(meter: Meter, args: argparse.Namespace) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Seconds a step by part, and the share of the CPU seconds."""
    whole = meter.seconds["step"][0]
    rows = sorted(meter.seconds.items(), key=lambda item: -item[1][0])
    return {
        "steps": args.steps,
        "threads": args.threads,
        "cores": os.cpu_count(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "torch": torch.__version__,
        "parts": {
            part: {"cpu": cpu / args.steps, "clock": clock / args.steps, "share": cpu / whole}
            for part, (cpu, clock) in rows
        },
    }


def _now() -> Tuple[float, float]:
    return time.process_time(), time.perf_counter()


if __name__ == "__main__":
    sys.exit(main())
