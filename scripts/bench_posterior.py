"""Measure the posteriors of a few-shot student on real text: ranking, candidates, honesty, cost.

    python scripts/bench_posterior.py --data DIR --json posterior.json

DIR holds `mit_restaurant/` with `labelled_10shot.jsonl`, `dev.jsonl`, `pool.jsonl` and
`pool_gold.jsonl` (rows of `tokens` and `ents`). A student (configs/student.cfg) is trained on the ten
shots, calibrated on dev, and measured on the first sentences of the pool.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, Optional

import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_llmjudge.confidence.posterior import span_keys, span_posteriors
from spacy_llmjudge.confidence.reliability import auroc, reliability
from spacy_llmjudge.encoders.fetch import MINILM, fetch_encoder
from spacy_llmjudge.storage import write_docs, write_json
from spacy_llmjudge.training.student import train_student

CONFIG = Path(__file__).parent.parent / "configs" / "student.cfg"
CUTS = (0.02, 0.05, 0.1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--json", type=Path, required=True, help="where to write")
    parser.add_argument("--work", type=Path, default=Path("training/bench_posterior"))
    parser.add_argument("--sentences", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    folder = args.data / "mit_restaurant"
    vocab = Vocab()
    labelled = _read(vocab, folder / "labelled_10shot.jsonl")
    seen = {doc.text for doc in labelled}
    dev = [d for d in _read(vocab, folder / "dev.jsonl") if d.text not in seen]
    pool = _read(vocab, folder / "pool.jsonl", folder / "pool_gold.jsonl")
    pool = pool[: args.sentences]

    write_docs(args.work / "labelled.spacy", labelled)
    write_docs(args.work / "dev.spacy", dev)
    fetch_encoder(MINILM, args.work / "encoder")
    overrides = {
        "paths.encoder": str(args.work / "encoder"),
        "paths.gold": str(args.work / "labelled.spacy"),
        "paths.dev": str(args.work / "dev.spacy"),
        "system.seed": args.seed,
    }
    model = args.work / f"seed-{args.seed}"
    trained = train_student(CONFIG, model, overrides=overrides)
    nlp = spacy.load(model / "model-best")
    result = {
        "seed": args.seed,
        "train_seconds": trained["seconds"],
        **measure(nlp, dev, pool),
    }
    write_json(args.json, result)
    print(json.dumps(result, indent=2))
    return 0


def measure(nlp: Any, dev: List[Doc], pool: List[Doc]) -> Dict[str, Any]:
    """Annotate the pool with the pipeline alone, then time and judge the pass."""
    docs = [_bare(nlp, doc) for doc in pool]
    start = time.perf_counter()
    docs = list(nlp.pipe(docs))
    pipeline_seconds = time.perf_counter() - start
    component = nlp.add_pipe("calibrated_confidence")
    list(component.pipe([docs[0]]))
    start = time.perf_counter()
    list(component.pipe(docs, batch_size=256))
    pass_seconds = time.perf_counter() - start
    gold = [set(span_keys(doc.ents)) for doc in pool]
    raw = _judge(span_posteriors(nlp.get_pipe("ner"), docs), docs, gold)

    start = time.perf_counter()
    calibration = component.fit(Example(_bare(nlp, doc), doc) for doc in dev)
    fit_seconds = time.perf_counter() - start
    tempered = span_posteriors(nlp.get_pipe("ner"), docs, temperature=calibration.temperature)
    fitted = _judge(tempered, docs, gold, calibration.calibrator)
    n_gold = sum(len(spans) for spans in gold)
    n_right = sum(len(g & set(span_keys(d.ents))) for g, d in zip(gold, docs))
    return {
        "sentences": len(docs),
        "gold_recall_of_prediction": n_right / n_gold,
        "raw": raw,
        "fitted": fitted,
        "temperature": calibration.temperature,
        "calibrator": calibration.calibrator.type,
        "held_out_spans": calibration.n_spans,
        "seconds": {
            "pipeline": pipeline_seconds,
            "pass": pass_seconds,
            "ratio": pass_seconds / pipeline_seconds,
            "fit": fit_seconds,
        },
    }


def _judge(
    posteriors: Any, docs: List[Doc], gold: List[Any], calibrator: Any = None
) -> Dict[str, Any]:
    entities, candidates = [], []
    recall = dict.fromkeys(CUTS, 0)
    for found, doc, right in zip(posteriors, docs, gold):
        for key in span_keys(doc.ents):
            entities.append((found.spans.get(key, 0.0), key in right))
        for key, p in found.spans.items():
            if p >= CUTS[0]:
                candidates.append((p, key in right))
            for cut in CUTS:
                recall[cut] += p >= cut and key in right
    p, y = zip(*entities)
    total = sum(len(spans) for spans in gold)
    probability = p if calibrator is None else calibrator(p)
    every, is_right = zip(*candidates)
    every = every if calibrator is None else calibrator(every)
    scores = reliability(probability, y)
    wide = reliability(every, is_right)
    return {
        "entities": {name: scores[name] for name in ("n", "ece", "brier", "log_loss")},
        "auroc": auroc(p, y),
        "candidates": {name: wide[name] for name in ("n", "ece", "brier", "auroc")},
        "candidate_recall": {str(cut): n / total for cut, n in recall.items()},
    }


def _read(vocab: Vocab, path: Path, gold: Optional[Path] = None) -> List[Doc]:
    """Read rows of tokens; where another file holds their gold, its rows are in the same order."""
    docs = []
    for row, right in zip(_rows(path), _rows(gold or path)):
        doc = Doc(vocab, words=row["tokens"])
        doc.ents = [Span(doc, start, end, label) for start, end, label in right["ents"]]
        docs.append(doc)
    return docs


def _rows(path: Path) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


def _bare(nlp: Any, doc: Doc) -> Doc:
    return Doc(nlp.vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc])


if __name__ == "__main__":
    sys.exit(main())
