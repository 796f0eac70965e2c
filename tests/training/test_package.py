"""What is in a wheel: this model, and no word of a text that it was trained on."""

import json
import zipfile
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import read_json
from spacy_llmjudge.training.package import describe_student, export_package
from spacy_llmjudge.training.strings import STRINGS, strip_strings
from spacy_llmjudge.training.student import train_student

CONFIG = Path(__file__).parents[2] / "configs" / "student_cpu.cfg"
TEXTS = ["Call Annabelle now .", "Slugs ate 99 roses", "zyzzy and plugh", "I don't know"]


def files_of(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def export(nlp, folder, **settings):
    nlp.to_disk(folder / "model")
    how = {"name": "mine", "version": "1.0.0", **settings}
    return export_package(folder / "model", folder / "packages", **how)


@pytest.mark.parametrize(
    "factory,what,names",
    [
        ("ner", "Named entity recognition", {"ents_p", "ents_r", "ents_f", "ents_per_type"}),
        ("spancat", "Span categorization", {f"spans_sc_{n}" for n in ("p", "r", "f", "per_type")}),
        (
            "textcat",
            "Text classification",
            {"cats_macro_p", "cats_macro_r", "cats_macro_f", "cats_f_per_type"},
        ),
    ],
)
def test_the_meta_names_what_the_student_does_and_its_scores(tmp_path, factory, what, names):
    nlp = spacy.blank("en")
    nlp.add_pipe(factory)
    nlp.config.to_disk(tmp_path / "config.cfg")
    scores = {"p": 0.5, "r": 0.4, "f": 0.44, "per_type": {"PEST": {"p": 0.5, "r": 0.4, "f": 0.44}}}
    description, named = describe_student(tmp_path, scores)
    assert description.startswith(what) and set(named) == names
    assert describe_student(tmp_path, {})[1] == {}


@pytest.mark.slow
def test_no_file_of_an_earlier_model_is_in_the_wheel(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "OLD", "pattern": "weights"}])
    first = files_of(export(nlp, tmp_path))
    assert any("entity_ruler" in name for name in first)
    nlp.remove_pipe("entity_ruler")
    nlp.add_pipe("sentencizer")
    second = files_of(export(nlp, tmp_path, description="Another one"))
    assert not [name for name in second if "entity_ruler" in name]
    assert any("sentencizer" in name for name in second)
    readme = next(data for name, data in second.items() if name.endswith("README.md"))
    assert b"Another one" in readme and b"OLD" not in readme
    folder = tmp_path / "packages" / "en_mine-1.0.0"
    assert not list(folder.rglob("*entity_ruler*")) and not (folder / "build").exists()
    assert [path.name for path in (tmp_path / "packages").iterdir() if path.is_dir()] == [
        folder.name
    ]


@pytest.mark.slow
def test_a_package_is_made_once(tmp_path):
    wheel = export(spacy.blank("en"), tmp_path)
    before = wheel.stat().st_mtime_ns
    assert export(spacy.blank("en"), tmp_path).stat().st_mtime_ns == before
    export(spacy.blank("en"), tmp_path, scores={"ents_f": 0.5})
    assert wheel.stat().st_mtime_ns > before


def test_a_folder_that_is_no_package_is_left_alone(tmp_path):
    mine = tmp_path / "packages" / "en_mine-1.0.0" / "thesis.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("years of work")
    with pytest.raises(LLMJudgeError, match=r"\[J663\]"):
        export(spacy.blank("en"), tmp_path)
    assert mine.read_text() == "years of work"


@pytest.mark.slow
def test_no_word_of_the_pool_is_anywhere_in_the_wheel(small_corpus, tmp_path):
    """A digit-word of one message of the pool, one of the labelled set, and a name."""
    from spacy.vocab import Vocab

    from spacy_llmjudge.storage import read_docs, write_docs

    docs = list(read_docs(small_corpus / "labelled.spacy", Vocab()))[:10]
    secrets = {}
    for name, word in (("labelled", "x1947263x"), ("silver", "+4917655512"), ("dev", "Zdzislawa")):
        secret = Doc(docs[0].vocab, words=["Call", word, "now"], ents=["O", "B-PLANT", "O"])
        write_docs(tmp_path / f"{name}.spacy", [*docs, secret])
        secrets[name] = word.encode()
    paths = {"gold": "labelled", "silver": "silver", "dev": "dev"}
    given = {f"paths.{key}": str(tmp_path / f"{name}.spacy") for key, name in paths.items()}
    train_student(CONFIG, tmp_path / "m", overrides={**given, "training.max_steps": 3})
    model = tmp_path / "m" / "model-best"
    known = (model / STRINGS).read_bytes()
    assert all(word in known for word in secrets.values())
    wheel = export_package(model, tmp_path / "packages", name="mine", version="1.0.0")
    for name, data in files_of(wheel).items():
        assert not [word for word in secrets.values() if word in data], name
        assert str(tmp_path).encode() not in data, name
    readme = next(data for name, data in files_of(wheel).items() if name.endswith("README.md"))
    assert b"no words of the texts that it was trained on" in readme
    package = next(path for path in wheel.parents[1].glob("en_mine/en_mine-*"))
    texts = [doc.text for doc in docs]
    plain, packed = spacy.load(model), spacy.load(package)
    assert [d.to_json() for d in plain.pipe(texts)] == [d.to_json() for d in packed.pipe(texts)]


def everything():
    """A pipeline with a component of every kind that writes strings or hashes of strings."""
    nlp = spacy.blank("en")
    for name in ("ner", "tagger", "morphologizer", "spancat", "textcat"):
        nlp.add_pipe(name)
    nlp.add_pipe("trainable_lemmatizer", config={"min_tree_freq": 1})
    examples = []
    for text in ("Call Annabelle now .", "Slugs ate 4711 roses", "We sang songs"):
        doc = nlp.make_doc(text)
        gold = {
            "tags": [f"T{i}" for i in range(len(doc))],
            "morphs": [f"Number=Sing|X={i}" for i in range(len(doc))],
            "pos": ["NOUN"] * len(doc),
            "lemmas": [token.text.lower()[:-1] + "q" for token in doc],
            "entities": [(0, len(doc[0]), "PERSON")],
            "cats": {"A": 1.0, "B": 0.0},
            "spans": {"sc": [(0, len(doc[0]), "FIRST")]},
        }
        examples.append(Example.from_dict(doc, gold))
    nlp.initialize(lambda: examples)
    for _ in range(30):
        nlp.update(examples)
    patterns = [
        {"label": "MAGIC", "pattern": "zyzzy"},
        {"label": "X", "pattern": [{"LOWER": "plugh"}]},
    ]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    nlp.add_pipe("attribute_ruler").add([[{"TEXT": "know"}]], {"TAG": "KNOW"})
    return nlp


def read_out(model):
    found = []
    for doc in spacy.load(model).pipe(TEXTS):
        tokens = [(t.tag_, str(t.morph), t.pos_, t.lemma_, t.norm_, t.ent_type_) for t in doc]
        found.append([tokens, [(s.text, s.label_) for s in doc.spans["sc"]], doc.cats])
    return json.loads(json.dumps(found))


@pytest.mark.slow
def test_a_pipeline_keeps_the_strings_that_it_needs(tmp_path):
    everything().to_disk(tmp_path)
    before = read_out(tmp_path)
    tokens = [token for doc in before for token in doc[0]]
    assert {"MAGIC", "PERSON"} <= {token[5] for token in tokens}
    assert any(token[3].endswith("q") for token in tokens)
    strip_strings(spacy.load(tmp_path), tmp_path)
    assert read_out(tmp_path) == before
    kept = set(read_json(tmp_path / STRINGS))
    assert not kept & {"4711", "Annabelle", "annabelle", "Slugs", "roses", "songs"}


@pytest.mark.slow
def test_words_with_a_vector_keep_their_names(tmp_path):
    import numpy

    nlp = spacy.blank("en")
    nlp.vocab.set_vector("banana", numpy.ones(3, dtype="float32"))
    nlp("but 4711 has none")
    nlp.to_disk(tmp_path)
    strip_strings(nlp, tmp_path)
    kept = read_json(tmp_path / STRINGS)
    assert "banana" in kept and "4711" not in kept
    assert spacy.load(tmp_path).vocab.get_vector("banana").sum() == 3
