"""A small corpus whose topics a few words tell, with an LLM that is wrong in a way of its own."""

import json

WORDS = {
    "PEST": "aphids slugs mites".split(),
    "WATER": "watering dry wet".split(),
    "FEED": "compost nitrogen potash".split(),
}
NAMES = tuple(sorted(WORDS))


def make_rows(n=90, n_test=30):
    """Every fourth label of the LLM is the next label; every tenth text has a second topic."""
    rows = []
    for i in range(n + n_test):
        label = NAMES[i % 3]
        other = NAMES[(i + 1) % 3]
        words = [WORDS[label][i % 2], WORDS[label][(i + 1) % 3]]
        labels = [label]
        if i % 10 == 0:
            labels.append(other)
            words.append(WORDS[other][0])
        rows.append(
            {
                "text": f"note {i}: about {' and '.join(words)} in my garden",
                "split": "pool" if i < n else "test",
                "label": label,
                "labels": labels,
                "llm_label": other if i % 4 == 0 else label,
                "llm_labels": [other] if i % 4 == 0 else [label],
                "llm_confidence": 60 if i % 4 == 0 else 90,
            }
        )
    return rows


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return path


def make_corpus(folder, rows, *, multilabel=False, gold=45):
    """Prepared, judged from the columns, with TF-IDF vectors: the folder of the corpus."""
    from spacy_llmjudge.encoders.doc_vectors import make_features
    from spacy_llmjudge.encoders.fetch import fetch_encoder
    from spacy_llmjudge.textcat.judge import judge_texts
    from spacy_llmjudge.textcat.prepare import prepare_texts

    suffix = "s" if multilabel else ""
    source = write_rows(folder / "rows.jsonl", rows)
    corpus = folder / "corpus"
    prepare_texts(source, corpus, gold=gold, label_column=f"label{suffix}")
    fetch_encoder("none", folder / "encoder")
    make_features(corpus, folder / "encoder", corpus / "features")
    column = {"path": str(source), "label": f"llm_label{suffix}", "confidence": "llm_confidence"}
    judge_texts(corpus, corpus / "judged", column=column, splits=("pool", "test"))
    return corpus
