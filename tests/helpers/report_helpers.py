"""A round on disk, as the steps leave it: drawn documents, really selected and really scored."""

from selection_helpers import draw_documents
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import (
    DECIDED,
    get_candidates,
    get_status,
    set_candidates,
    set_status,
)
from spacy_llmjudge.evaluation.scores import count_matches, labels_of, score_pair
from spacy_llmjudge.evaluation.significance import bootstrap_f1, compare
from spacy_llmjudge.evaluation.summary import make_summary
from spacy_llmjudge.shards import process_shards
from spacy_llmjudge.steps.evaluate import PREDICTED
from spacy_llmjudge.steps.filter import filter_candidates
from spacy_llmjudge.steps.report import ReportInputs
from spacy_llmjudge.storage import write_docs, write_json
from spacy_llmjudge.targets.base import make_target, write_target

VOCAB = Vocab()
FILTER = '[selector]\n@llmjudge_selectors = "llmjudge.Conformal.v1"\nq = {q}\n\n[silver]\n'


def copy_doc(doc, target, names, word):
    """The same document for another target, with other labels and another first word."""
    words = [token.text for token in doc]
    if word is not None:
        words[0] = word
    copied = Doc(VOCAB, words=words, spaces=[bool(token.whitespace_) for token in doc])
    keys = [(ent.start, ent.end, names[ent.label_]) for ent in doc.ents]
    found = [c.replace(label=names[c.label]) for c in get_candidates(doc)]
    if target.name == "cats":
        # the first span gives the document its label
        chosen = keys[0][2] if keys else names["A"]
        copied.cats = {label: float(label == chosen) for label in target.labels}
        by_label = {c.label: c.replace(start=0, end=len(doc)) for c in reversed(found)}
        found = list(by_label.values())
    elif target.name == "spans":
        spans = [Span(copied, start, end, label=label) for start, end, label in keys]
        copied.spans[target.spans_key] = spans
    else:
        copied.set_ents([Span(copied, start, end, label=label) for start, end, label in keys])
    if found:
        set_candidates(copied, found)
        set_status(copied, **get_status(doc))
    return copied


def make_round(folder, kind="ents", *, hostile=(), n=60, q=0.3):
    """Make a round and return what a report on it is made of.

    hostile: strings that are labels and first words, each of another document, in place of PLANT.
    """
    labels = hostile or ["PLANT"]
    settings = {
        "cats": {"labels": sorted({*labels, "PEST"}), "exclusive": True},
        "spans": {"spans_key": "sc"},
    }
    target = make_target({"target": kind, **settings.get(kind, {})})
    corpus, metrics = folder / "corpus", folder / "metrics" / "round-1"
    silver = corpus / "round-1" / "silver.spacy"

    def draw(seed):
        return [
            [
                copy_doc(
                    doc,
                    target,
                    {"A": labels[i % len(labels)], "B": "PEST"},
                    hostile[i % len(hostile)] if hostile else None,
                )
                for i, doc in enumerate(docs)
            ]
            for docs in draw_documents(seed, n)
        ]

    (pool, gold), (held_out, dev), (said, test) = draw(1), draw(2), draw(3)
    write_target(corpus, target)
    sets = {"labelled": dev[:5], "dev": dev, "pool_gold": gold, "test": test}
    for name, docs in sets.items():
        write_docs(corpus / f"{name}.spacy", docs)
    for name, docs in {"pool": pool, "dev": held_out}.items():
        process_shards(
            docs,
            corpus / "round-1" / "judged" / name,
            lambda batch: batch,
            fingerprint={},
            shard_size=50,
        )
    (folder / "filter.cfg").write_text(FILTER.format(q=q), encoding="utf8")
    filter_candidates(
        corpus / "round-1" / "judged" / "pool",
        corpus / "round-1" / "judged" / "dev",
        corpus / "dev.spacy",
        folder / "filter.cfg",
        silver,
        metrics / "selection.json",
        decided=silver.with_name(DECIDED),
    )
    states = {"judged": n - 3, "abstained: no_reply": 3}
    counted = {"stored": 12, "tokens_in": 3400, "tokens_out": 560, "cost": 0.25}
    judge = {"requests": n, "abstained": 3, "pool": states, **counted}
    write_json(metrics / "judge.json", judge)
    write_json(metrics / "seconds.json", {"judge": 61.0, "filter": 2.5})
    write_json(metrics / "commands.json", {"filter": "python -m spacy llmjudge filter ..."})
    _score(metrics, target, test, {"judged": said, "seed": [*said[1:], said[0]]})
    return ReportInputs(corpus=corpus, metrics=metrics, silver=silver, title="A round")


def _score(metrics, target, test, predicted):
    """What `evaluate` writes; the seed student says about each document what belongs to the next one."""
    said = {
        name: [_on_tokens(gold, doc, target) for gold, doc in zip(test, docs)]
        for name, docs in predicted.items()
    }
    labels = labels_of(test, *said.values(), target=target)
    counts = {name: count_matches(test, docs, labels, target) for name, docs in said.items()}
    results = {
        name: {
            **score_pair(test, docs, target),
            "interval": bootstrap_f1(counts[name], averages=target.averages, n_resamples=50),
            "accuracy_interval": {"low": 0.0, "high": 1.0},
            "intervals": {
                label: bootstrap_f1(counts[name][:, [i]], n_resamples=50)
                for i, label in enumerate(labels)
            },
        }
        for name, docs in said.items()
    }
    gain = compare(counts["judged"], counts["seed"], averages=target.averages, n_resamples=50)
    for name, result in results.items():
        write_json(metrics / f"{name}.json", result)
    write_json(
        metrics / "summary.json",
        make_summary(metrics, results, {"seed": gain}, None, target.name),
    )
    write_docs(metrics / PREDICTED, (target.copy(doc) for doc in said["judged"]))


def _on_tokens(gold, doc, target):
    copied = target.copy(gold)
    target.annotate(copied, target.keys(doc))
    return copied
