"""Measure the steps of a round on pools of several sizes: CPU seconds and peak memory of each.

    python scripts/bench_scale.py --sizes 1000 10000 100000 1000000 --json docs/scale.json

A figure is kept in the work folder as soon as it is measured: the same command goes on where it was stopped, and
`--only` measures steps again. The page and the plot beside the JSON are made of it.

The documents are the sentences of the demo's pool with a few words and a number behind each, so that no two are the
same. Each step is a process of its own. The student is the one for CPUs, trained for a few steps; the judge answers
without any delay what was recorded for the sentence. Beside `annotate` stand `spacy apply` with the same student, and
a plain loop over `nlp.pipe` with and without the component that adds candidates and confidence. In the same run,
documents with 28 candidates are read and written.
"""

import argparse
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple, TypedDict

from bench_documents import make_docs, measure
from scale_report import write_report

ROOT = Path(__file__).parents[1]
DATA = ROOT / "assets" / "garden"
# words and a number behind each sentence
N_ADDED = 4
JUDGE_CODE = """
import json
from pathlib import Path
from typing import Any, Iterable
from spacy_llm.registry import registry

@registry.llm_models("bench.Scripted.v1")
def make_scripted(path: str, n_added: int):
    lines = Path(path).read_text("utf8").splitlines()
    replies = {row["text"]: json.dumps(row["response"]) for row in map(json.loads, lines)}

    def model(prompts: Iterable[Iterable[Any]]) -> Iterable[Iterable[Any]]:
        for group in prompts:
            texts = [prompt.text for prompt in group]
            yield [replies.get(x) or replies[x.rsplit(" ", n_added)[0]] for x in texts]

    return model
"""
LOOP = """
import sys
import spacy
from spacy_llmjudge.confidence.calibrate import Calibration
from spacy_llmjudge.confidence.pipeline import add_confidence
from spacy_llmjudge.storage import read_json

model, texts, calibration = sys.argv[1:]
nlp = spacy.load(model)
if calibration != "none":
    component = add_confidence(nlp, "ner", 0.02)
    component.calibration = Calibration.from_dict(read_json(calibration))
with open(texts, encoding="utf8") as lines:
    for doc in nlp.pipe((line.rstrip("\\n") for line in lines)):
        pass
"""


class Cost(TypedDict):
    """What a process took: seconds of CPU, its own and of those that it started, and its largest memory."""

    cpu_s: float
    peak_mb: float


class Size(TypedDict):
    """What a pool of a size took, by step; `candidates`: how many a document has."""

    documents: int
    candidates: float
    steps: Dict[str, Cost]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--work", type=Path, default=ROOT / "bench" / "scale")
    parser.add_argument(
        "--json", type=Path, required=True, help="where to write; a table stands beside"
    )
    parser.add_argument(
        "--only", nargs="*", help="steps that are run again in a folder that is there"
    )
    args = parser.parse_args()
    work = args.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    make_student(work)
    found: Dict[str, Any] = {
        "machine": describe_machine(),
        "documents": time_documents(),
        "sizes": [],
    }
    for n in args.sizes:
        one: Size = {"documents": n, "candidates": 0.0, "steps": {}}
        found["sizes"].append(one)
        for name, cost in measure_size(work, n, args.only or []):
            one["steps"][name] = cost
            print(n, name, cost, flush=True)
            if name == "judge":
                one["candidates"] = count_candidates(work / str(n) / "judged" / "pool")
            write_report(args.json, found)
    return 0


def time_documents(n: int = 1000, n_candidates: int = 28) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): Milliseconds for reading and for writing a document with candidates, medians."""
    from spacy.vocab import Vocab

    from spacy_llmjudge.storage import read_docs, write_docs

    docs = make_docs(n, n_candidates)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "docs.spacy"
        seconds = measure(
            {
                "write": {"ms": lambda: write_docs(path, docs)},
                "read": {"ms": lambda: list(read_docs(path, Vocab()))},
            },
            5,
        )
    ms = {task: round(1000 * ways["ms"] / n, 3) for task, ways in seconds.items()}
    return {"candidates": n_candidates, **ms}


def make_student(work: Path) -> None:
    """Train and calibrate the student, once for all sizes."""
    if (work / "calibration.json").exists():
        return
    verb("prepare", DATA, work / "demo")
    gold = work / "demo" / "labelled.spacy"
    paths = ["--paths.gold", gold, "--paths.dev", gold, "--training.max_steps", 150]
    verb("train", ROOT / "configs" / "student_cpu.cfg", work / "student", *paths)
    verb(
        "calibrate",
        work / "student" / "model-best",
        work / "demo" / "dev.spacy",
        work / "calibration.json",
    )


def measure_size(work: Path, n: int, again: List[str]) -> Iterator[Tuple[str, Cost]]:
    """YIELDS (Tuple[str, Cost]): What each step took with a pool of n documents, those of an earlier run too."""
    folder = work / str(n)
    make_dataset(folder / "data", n)
    model, corpus = work / "student" / "model-best", folder / "corpus"
    annotated, judged = folder / "annotated", folder / "judged"
    annotate = ["annotate", model, work / "calibration.json", corpus, annotated]
    judge = ["judge", annotated, judged, folder / "judge.cfg", "--code", folder / "judge.py"]
    silver = folder / "silver.spacy"
    select = [
        "filter",
        judged,
        corpus / "dev.spacy",
        silver,
        ROOT / "configs" / "filter.cfg",
        "--metrics",
        folder,
    ]
    texts = folder / "texts.txt"
    loop = [sys.executable, "-c", LOOP, model, texts]
    commands: Dict[str, List[Any]] = {
        "prepare": verb_of("prepare", folder / "data", corpus),
        "annotate": verb_of(*annotate),
        "annotate again": verb_of(*annotate),
        "judge": verb_of(*judge),
        "judge again": verb_of(*judge),
        "filter": verb_of(*select),
        "filter again": verb_of(*select),
        "spacy apply": [
            sys.executable,
            "-m",
            "spacy",
            "apply",
            model,
            folder / "data" / "pool.jsonl",
            folder / "applied.spacy",
            "--force",
        ],
        "nlp.pipe": [*loop, "none"],
        "nlp.pipe with confidence": [*loop, work / "calibration.json"],
    }
    made = {"prepare": [corpus], "annotate": [annotated], "judge": [judged], "filter": [silver]}
    kept = folder / "costs.json"
    costs: Dict[str, Cost] = json.loads(kept.read_text("utf8")) if kept.exists() else {}
    write_judge(folder, corpus)
    for name, command in commands.items():
        if name not in costs or name in again:
            for path in made.get(name, []):
                # what a run that was stopped has done would be missing in the figure
                for one in folder.glob(f"{path.name}*"):
                    shutil.rmtree(one) if one.is_dir() else one.unlink()
            costs[name] = run(command)
            kept.write_text(json.dumps(costs, indent=2) + "\n", encoding="utf8")
        yield name, costs[name]


def make_dataset(folder: Path, n: int) -> None:
    """The demo's sets, with a pool of n sentences of which no two are the same."""
    if (folder / "pool.jsonl").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("labelled", "dev", "test"):
        (folder / f"{name}.jsonl").write_bytes((DATA / f"{name}.jsonl").read_bytes())
    lines = (DATA / "pool.jsonl").read_text("utf8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    words = sorted({word for text in texts for word in text.split() if word.isalpha()})
    rng = random.Random(0)
    with (
        (folder / "pool.jsonl").open("w", encoding="utf8") as rows,
        (folder.parent / "texts.txt").open("w", encoding="utf8") as plain,
    ):
        for i in range(n):
            text = " ".join([texts[i % len(texts)], *rng.sample(words, N_ADDED - 1), str(i)])
            rows.write(json.dumps({"text": text}) + "\n")
            plain.write(text.replace("\n", " ") + "\n")


def write_judge(folder: Path, corpus: Path) -> None:
    """A judge that answers at once, as a config and the code that it names."""
    (folder / "judge.py").write_text(JUDGE_CODE, encoding="utf8")
    config = (ROOT / "configs" / "judges" / "recorded.cfg").read_text("utf8")
    config = config.replace("llmjudge.Recorded.v1", "bench.Scripted.v1")
    config = config.replace("replies = null", f'replies = "{DATA / "responses.jsonl"}"')
    config = config.replace("rules = null", f'rules = "{DATA / "rules.txt"}"')
    config = config.replace("labelled = null", f'labelled = "{corpus / "labelled.spacy"}"')
    (folder / "judge.cfg").write_text(f"{config}n_added = {N_ADDED}\n", encoding="utf8")


def verb_of(*arguments: Any) -> List[Any]:
    return [sys.executable, "-m", "spacy", "llmjudge", *arguments]


def verb(*arguments: Any) -> None:
    subprocess.run([str(one) for one in verb_of(*arguments)], check=True)


def run(command: List[Any]) -> Cost:
    """RETURNS (Cost): What a command took; one that fails ends all."""
    words = [str(one) for one in command]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}\n{said.decode()[-2000:]}")
    return {
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": round(used.ru_maxrss / 1024, 1),
    }


def count_candidates(folder: Path) -> float:
    """RETURNS (float): How many candidates a document of the first shard has."""
    from spacy.vocab import Vocab

    from spacy_llmjudge.candidates import get_candidates
    from spacy_llmjudge.storage import list_files, read_docs

    counts = [len(get_candidates(doc)) for doc in read_docs(list_files(folder)[0], Vocab())]
    return round(sum(counts) / len(counts), 1)


def describe_machine() -> str:
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


if __name__ == "__main__":
    sys.exit(main())
