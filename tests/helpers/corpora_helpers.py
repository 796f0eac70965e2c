"""Small datasets on disk, and what is read of them."""

import json
import warnings
from collections import Counter

from english import NLP

from spacy_llmjudge.corpora.documents import make_doc
from spacy_llmjudge.corpora.formats import Part, read_records, warn_of_repairs
from spacy_llmjudge.corpora.settings import ReadSettings
from spacy_llmjudge.corpora.shapes import read_row
from spacy_llmjudge.corpora.shapes.common import RowContext
from spacy_llmjudge.storage import read_docs
from spacy_llmjudge.targets.base import find_target
from spacy_llmjudge.targets.ents import Ents


def write_jsonl(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf8")
    return path


def read_examples(path, nlp=NLP, target=None, counts=None, **settings):
    """The documents of a file, one at a time."""
    target = Ents() if target is None else target
    counts = Counter() if counts is None else counts
    how, part, before = ReadSettings(**settings), Part(path), counts["repaired_tags"]
    for record in read_records(part, nlp, how, target):
        yield make_doc(record, nlp, target, how, counts)
    warn_of_repairs(path, counts["repaired_tags"] - before)


def read_file(path, nlp=NLP, target=None, counts=None, **settings):
    """The documents of a file."""
    return list(read_examples(path, nlp, target, counts, **settings))


def records_of(row, nlp=NLP, class_names=None, **settings):
    """The records of one row."""
    context = RowContext(nlp, ReadSettings(**settings), class_names or {})
    return read_row(row, "data.jsonl, line 1", context)


def spans_of(record):
    """What a record marks, as texts with labels."""
    return [(record.text[m.start : m.end], m.label) for m in record.mentions]


def ents_of(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def read_split(corpus, split):
    return list(read_docs(corpus / f"{split}.spacy", NLP.vocab))


def said_by(corpus, split):
    """What the documents of a set say: a text with its spans or labels each."""
    target = find_target(corpus / "labelled.spacy")
    found = []
    for doc in read_split(corpus, split):
        keys = target.keys(doc)
        if target.name == "cats":
            found.append((doc.text, [label for _, _, label in keys]))
        else:
            found.append((doc.text, [(doc[s:e].text, label) for s, e, label in keys]))
    return found


def codes_of(caught):
    """The codes of warnings that were recorded."""
    return [str(w.message)[1:].partition("]")[0] for w in caught if "[JW" in str(w.message)]


def quietly(function, *args, **kwargs):
    """The result of a call, and the codes of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*args, **kwargs)
    return result, codes_of(caught)
