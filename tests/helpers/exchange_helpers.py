"""Documents of our own that are hard to carry from one tool to another, and what a file says of them."""

from english import NLP

from spacy_llmjudge.candidates import Candidate, set_candidates
from spacy_llmjudge.corpora.exchange import ExportSettings, export_docs, import_docs
from spacy_llmjudge.storage import read_docs, write_docs
from spacy_llmjudge.targets.base import find_target
from spacy_llmjudge.targets.cats import Cats
from spacy_llmjudge.targets.ents import Ents

# a text, and its spans: words and label, in the order in which they stand
SENTENCES = [
    ("Aphids sat on the old quince.", [("Aphids", "PEST"), ("quince", "PLANT")]),
    ("🐌🐌 Slugs ate my 🌱 hosta!", [("Slugs", "PEST"), ("hosta", "PLANT")]),
    ("The  dog rose \t has   rust", [("dog rose", "PLANT"), ("rust", "DISEASE")]),
    ("Café au lait, ein Mädesüß, naïve", [("Café au lait", "PLANT"), ("Mädesüß", "PLANT")]),
    ("Line one\nmildew on line\n\ttwo", [("mildew", "DISEASE")]),
    ("月季 有 蚜虫 。", [("月季", "PLANT"), ("蚜虫", "PEST")]),
    ('He said "leaf miners", [twice] {really}, a\\b', [("leaf miners", "PEST")]),
    ("# not a comment: box hedge", [("box hedge", "PLANT")]),
    ("Nothing to see here, <b>at all</b> &amp; never", []),
    ("rust rust rust", [("rust", "DISEASE"), ("rust", "DISEASE")]),
]


def make_gold(path, sentences=SENTENCES, target=None):
    """A file of gold documents."""
    target = Ents() if target is None else target
    docs = []
    for text, spans in sentences:
        doc = NLP.make_doc(text)
        if isinstance(target, Cats):
            target.annotate(doc, [(0, len(doc), label) for label in spans])
        else:
            target.annotate(doc, keys_of(doc, spans))
        docs.append(doc)
    write_docs(path, docs)
    return path


def keys_of(doc, spans):
    """Spans as keys; of words that stand in several places each is the one behind the last."""
    keys, seen = [], {}
    for words, label in spans:
        start = doc.text.index(words, seen.get((words, label), 0))
        seen[words, label] = start + len(words)
        span = doc.char_span(start, start + len(words))
        keys.append((span.start, span.end, label))
    return keys


def make_silver(folder):
    """Silver with a token of which nothing is known, and the decisions beside it."""
    silver = NLP.make_doc("aphids on the sick quince")
    Ents().annotate(silver, [(0, 1, "PEST")])
    silver.set_ents(list(silver.ents), missing=[silver[4:5]], default="outside")
    decided = NLP.make_doc(silver.text)
    set_candidates(silver, [])
    found = Candidate(0, 1, "PEST", posterior=0.4, confidence=0.5, probability=0.75)
    unsure = Candidate(4, 5, "PLANT", posterior=0.2, confidence=0.3)
    set_candidates(decided, [found, unsure])
    write_docs(folder / "silver.spacy", [silver])
    write_docs(folder / "decided.spacy", [decided])
    return folder / "silver.spacy"


def said_in(path, squeeze=False):
    """What a `.spacy` file says: texts with their spans or labels."""
    target = find_target(path)
    found = []
    for doc in read_docs(path, NLP.vocab):
        clean = "".join(doc.text.split()) if squeeze else doc.text
        if isinstance(target, Cats):
            found.append((clean, sorted(key[2] for key in target.keys(doc))))
            continue
        words = [(doc[s:e].text, label) for s, e, label in sorted(target.keys(doc))]
        found.append((clean, [("".join(w.split()), n) if squeeze else (w, n) for w, n in words]))
    return found


def there_and_back(source, path, format_, *, back=None, **settings):
    """Export a file, and import what came out."""
    exported = export_docs(source, path, ExportSettings(format_, **settings))
    gold = path.parent / "back.spacy"
    import_docs([path], gold, force=True, **(back or {}))
    return exported, gold
