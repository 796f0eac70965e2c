"""Small datasets on disk, and what is read of them."""

import json
import warnings

import spacy

from spacy_llmjudge.corpora.formats import read_examples
from spacy_llmjudge.corpora.settings import ReadSettings
from spacy_llmjudge.corpora.shapes import read_row
from spacy_llmjudge.corpora.shapes.common import RowContext
from spacy_llmjudge.storage import read_docs
from spacy_llmjudge.targets.base import find_target

NLP = spacy.blank("en")


def write_jsonl(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf8")
    return path


def read_file(path, nlp=NLP, target=None, counts=None, **settings):
    """The documents of a file."""
    how = ReadSettings(**settings)
    return list(read_examples(path, nlp, target=target, settings=how, counts=counts))


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
