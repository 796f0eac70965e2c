"""Files that the tools' own code made from sentences of ours: `prepare` and `import` find the spans of the source."""

import json
import shutil
from pathlib import Path

import pytest
import spacy
from corpora_helpers import quietly, write_jsonl
from english import NLP
from exchange_helpers import make_gold, said_in
from spacy.training import biluo_tags_to_offsets, iob_to_biluo

from spacy_llmjudge.corpora.exchange import ExportSettings, export_docs, import_docs
from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.storage import read_docs

EXPORTS = Path(__file__).parent / "exports"
TEXTS = [
    "label-studio-json.json",
    "label-studio-json-min.json",
    "label-studio-csv.csv",
    "argilla.json",
    "argilla-flat.json",
    "doccano.jsonl",
    "doccano-relation.jsonl",
    "spacy.spacy",
    "brat",
]
# they hold tokens, so that white space is not that of the source
TOKENS = [
    "label-studio-conll2003.conll",
    "spacy-biluo.conll",
    "datasets.parquet",
    "datasets/train.jsonl",
    "gliner.json",
]


def source():
    """Texts with their spans, as words and labels."""
    rows = json.loads((EXPORTS / "source.json").read_text(encoding="utf8"))
    return [
        (row["text"], [(row["text"][s:e], label) for s, e, label in row["spans"]]) for row in rows
    ]


def squeeze(words, label, of_words):
    """Without white space, and without the punctuation that stays at words that were cut at spaces."""
    words = "".join(words.split())
    return (words.strip('.,!“”"') if of_words else words, label)


@pytest.mark.parametrize("name", TEXTS)
def test_texts_and_spans_are_those_of_the_source(tmp_path, name):
    _, codes = quietly(import_docs, [EXPORTS / name], tmp_path / "gold.spacy")
    # the notes of brat are named
    assert set(codes) == ({"JW976"} if name == "brat" else set())
    assert sorted(said_in(tmp_path / "gold.spacy")) == sorted(source())


@pytest.mark.parametrize("name", TOKENS)
def test_tokens_and_spans_are_those_of_the_source(tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    import_docs([EXPORTS / name], tmp_path / "gold.spacy")
    of_words = name.startswith("datasets") or "conll2003" in name
    expected = {
        "".join(text.split()): [squeeze(*span, of_words) for span in spans]
        for text, spans in source()
    }
    found = said_in(tmp_path / "gold.spacy")
    for text, spans in found:
        clean = "".join(text.split())
        wanted = expected[clean]
        if name == "gliner.json":
            # it writes labels in small letters
            wanted = [(words, label.lower()) for words, label in wanted]
        assert [squeeze(*span, of_words) for span in spans] == wanted
    assert len(found) == (5 if name == "gliner.json" else len(expected))


@pytest.mark.parametrize("name", [*TEXTS, "datasets/train.jsonl", "spacy-biluo.conll"])
def test_prepare_reads_them_directly(tmp_path, name):
    data = tmp_path / "data"
    data.mkdir()
    path = EXPORTS / name
    copy = shutil.copytree if path.is_dir() else shutil.copyfile
    copy(path, data / f"train{path.suffix}")
    if name == "datasets/train.jsonl":
        shutil.copyfile(path.with_name("dataset_info.json"), data / "dataset_info.json")
    write_jsonl(data / "pool.jsonl", [{"text": "greenfly on the beans"}])
    report, _ = quietly(prepare, data, tmp_path / "corpus")
    assert report["documents"]["labelled"] == len(source())
    assert report["entities"]["labelled"] == sum(len(spans) for _, spans in source())


def test_spacy_reads_what_is_written_for_it(tmp_path):
    gold = make_gold(tmp_path / "gold.spacy")
    docs = list(read_docs(gold, NLP.vocab))
    export_docs(gold, tmp_path / "v2.json", ExportSettings("spacy-v2"))
    nlp = spacy.blank("en")
    for (text, said), doc in zip(json.loads((tmp_path / "v2.json").read_text()), docs):
        example = spacy.training.Example.from_dict(nlp.make_doc(text), said)
        ents = [(e.start_char, e.end_char, e.label_) for e in example.reference.ents]
        assert ents == [(e.start_char, e.end_char, e.label_) for e in doc.ents]
    export_docs(gold, tmp_path / "iob.conll", ExportSettings("conll"))
    blocks = (tmp_path / "iob.conll").read_text(encoding="utf8").strip().split("\n\n")
    for block, doc in zip(blocks, docs):
        words, tags = zip(*(line.split("\t") for line in block.split("\n")))
        made = spacy.tokens.Doc(nlp.vocab, words=list(words))
        found = biluo_tags_to_offsets(made, iob_to_biluo(list(tags)))
        assert [label for _, _, label in found] == [ent.label_ for ent in doc.ents]
