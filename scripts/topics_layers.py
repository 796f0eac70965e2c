"""Which layers of the encoder are the vectors of documents made of? Asked without any gold.

    python scripts/topics_layers.py --encoder assets/encoder

Logistic regression learns the LLM's labels of the demo's pool from the means of some layers; the
log-loss on the labels that it has not seen says how much these layers know of what the labels depend
on. Five ways to deal out the folds; the penalty is the best for each choice of layers.
"""

import json
from pathlib import Path

import numpy as np
import typer
from transformers import AutoConfig

from spacy_llmjudge.denoise.linear import out_of_fold
from spacy_llmjudge.encoders.doc_vectors import centre_layers, load_encoder

ROOT = Path(__file__).parents[1]
PENALTIES = (1.0, 3.0, 10.0)
SEEDS = range(5)


def main(encoder: Path = typer.Option(..., help="Folder that the step `encoder` wrote")) -> None:
    rows = map(
        json.loads, (ROOT / "assets/garden/topics.jsonl").read_text(encoding="utf8").splitlines()
    )
    pool = [row for row in rows if row["split"] == "pool" and row["llm_label"]]
    classes = sorted({row["llm_label"] for row in pool})
    codes = np.array([classes.index(row["llm_label"]) for row in pool])
    last = AutoConfig.from_pretrained(encoder).num_hidden_layers
    layers = load_encoder(encoder, range(1, last + 1))([row["text"] for row in pool])
    for name, chosen in {
        "last": [last],
        "middle": [last // 2],
        "middle and last": [last // 2, last],
        "first and last": [1, last],
        "the last two": [last - 1, last],
        "all": list(range(1, last + 1)),
    }.items():
        x = centre_layers({"pool": layers[:, [i - 1 for i in chosen]]})["pool"]
        found = []
        for penalty in PENALTIES:
            made = [out_of_fold(x, codes, len(classes), penalty, None, 5, seed) for seed in SEEDS]
            losses = [-np.log(p[np.arange(len(codes)), codes]).mean() for p in made]
            right = np.mean([p.argmax(axis=1) == codes for p in made])
            found.append((np.mean(losses), np.std(losses, ddof=1), right))
        print("{:18s} log-loss {:.3f} ± {:.3f}, agreement {:.1%}".format(name, *min(found)))


if __name__ == "__main__":
    typer.run(main)
