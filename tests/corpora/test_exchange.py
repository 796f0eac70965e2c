"""`export` and `import`: what a format can hold comes back as it was, and what it cannot is said."""

import json
from xml.etree import ElementTree

import pytest
from corpora_helpers import quietly, write_jsonl
from english import NLP
from exchange_helpers import SENTENCES, make_gold, make_silver, said_in, there_and_back
from hostile_strings import FOLDER, HOSTILE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_llmjudge.corpora.exchange import ExportSettings, compare, export_docs, import_docs
from spacy_llmjudge.corpora.formats import Part, read_records
from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.corpora.record import Record
from spacy_llmjudge.corpora.settings import ReadSettings
from spacy_llmjudge.corpora.writers import FORMATS
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import read_docs, write_docs
from spacy_llmjudge.streams import SHARD_SIZE, write_documents
from spacy_llmjudge.targets.base import write_target
from spacy_llmjudge.targets.cats import Cats
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.targets.spans import Spans

FILES = {
    name: f"data{sorted(one.suffixes, reverse=True)[0]}"
    for name, one in FORMATS.items()
    if one.suffixes
}
FILES["brat"] = "data"
ALL = sorted(FORMATS)
# of columns the text is put together from tokens
EXACT = [name for name in ALL if name != "conll"]
FILES["hf"] = "data.jsonl"
OVERLAPPING = [("the grey field slug", [("grey field slug", "PEST"), ("field", "PLACE")])]


@pytest.mark.parametrize("name", EXACT)
def test_texts_and_spans_come_back(tmp_path, name):
    source = make_gold(tmp_path / "gold.spacy")
    exported, back = there_and_back(source, tmp_path / FILES[name], name)
    assert exported.lost == [] and not exported.predictions
    assert (exported.documents, exported.units) == (len(SENTENCES), 15)
    assert said_in(back) == said_in(source)


@pytest.mark.parametrize("scheme", ["bio", "iob1", "bioes", "biluo"])
def test_columns_lose_white_space_and_say_so(tmp_path, scheme):
    source = make_gold(tmp_path / "gold.spacy")
    exported, back = there_and_back(source, tmp_path / "data.conll", "conll", scheme=scheme)
    (lost,) = exported.lost
    assert "texts have other white space" in lost
    assert said_in(back, squeeze=True) == said_in(source, squeeze=True)


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    source = make_gold(tmp_path / "gold.spacy")
    exported, back = there_and_back(source, tmp_path / "data.parquet", "hf")
    assert exported.lost == [] and said_in(back) == said_in(source)


@pytest.mark.parametrize("name", [n for n in ALL if "utf-16" in FORMATS[n].holds])
def test_offsets_of_a_browser(tmp_path, name):
    source = make_gold(tmp_path / "gold.spacy")
    path = tmp_path / FILES[name]
    (exported, back), codes = quietly(there_and_back, source, path, name, offsets="utf-16")
    assert exported.lost == [] and codes == ["JW612"]
    assert said_in(back) == said_in(source)
    assert (
        '"start": 5' in path.read_text()
        or "[5, 10" in path.read_text()
        or '"start_offset": 5' in path.read_text()
    )


@pytest.mark.parametrize("name", [n for n in EXACT if "overlap" in FORMATS[n].holds])
def test_overlapping_spans_come_back(tmp_path, name):
    source = make_gold(tmp_path / "gold.spacy", OVERLAPPING, Spans())
    (exported, back), _ = quietly(there_and_back, source, tmp_path / FILES[name], name)
    assert exported.lost == [] and said_in(back) == said_in(source)


@pytest.mark.parametrize("name", [n for n in ALL if "overlap" not in FORMATS[n].holds])
def test_overlapping_spans_are_refused_or_counted(tmp_path, name):
    source = make_gold(tmp_path / "gold.spacy", OVERLAPPING, Spans())
    path = tmp_path / FILES[name]
    with pytest.raises(LLMJudgeError, match="J608"):
        export_docs(source, path, ExportSettings(name))
    assert not path.exists()
    exported = export_docs(source, path, ExportSettings(name, overlaps="longest"))
    assert exported.lost == ["1 spans that share tokens with another one are left out"]
    assert exported.units == 1


@pytest.mark.parametrize("policy", ["refuse", "longest", "first"])
def test_gold_that_overlaps_stays_whole_where_the_format_can_hold_it(tmp_path, policy):
    text, spans = "the grey field slug", [[4, 19, "PEST"], [9, 14, "PLACE"]]
    source = write_jsonl(tmp_path / "gold.jsonl", [{"text": text, "spans": spans}])
    settings = ExportSettings("label-studio", overlaps=policy)
    found = export_docs(source, tmp_path / "tasks.json", settings)
    assert (found.units, found.lost) == (2, [])
    settings, path = ExportSettings("conll", overlaps=policy), tmp_path / "data.conll"
    if policy == "refuse":
        with pytest.raises(LLMJudgeError, match=rf"J608\] {source}, document 1"):
            export_docs(source, path, settings)
        return
    found = export_docs(source, path, settings)
    assert found.units == 1
    assert found.lost == ["1 spans that share tokens with another one are left out"]


def test_ends_of_lines_stay_in_csv_as_they_are(tmp_path):
    rows = [("Hi\r\nold rose went", [("old rose", "PLANT")]), ("a\rb\n rose", [("rose", "PLANT")])]
    source = make_gold(tmp_path / "gold.spacy", rows)
    exported, back = there_and_back(source, tmp_path / "data.csv", "csv")
    assert exported.lost == [] and said_in(back) == said_in(source) == rows


def test_shards_of_silver_go_out_with_their_probabilities(tmp_path):
    make_silver(tmp_path)
    for name in ("silver", "decided"):
        docs = list(read_docs(tmp_path / f"{name}.spacy", NLP.vocab)) * 2
        (tmp_path / f"{name}.spacy").unlink()
        write_documents(tmp_path / f"{name}.spacy", docs * SHARD_SIZE, most=1)
    source = tmp_path / "silver.spacy"
    assert source.is_dir()
    found = export_docs(source, tmp_path / "a.jsonl", ExportSettings("jsonl"))
    assert found.documents == 2 * SHARD_SIZE and "0.75" in (tmp_path / "a.jsonl").read_text()
    found = export_docs(source, tmp_path / "b.jsonl", ExportSettings("jsonl", cut=0.5))
    assert found.units == 2 * SHARD_SIZE


LABELLED = [("aphids", ["PEST"]), ("mildew 🌱", ["DISEASE"]), ("more aphids", ["PEST"])]
ANY = [("aphids and mildew", ["DISEASE", "PEST"]), ("sunshine", []), ("slugs", ["PEST"])]
WITH_LABELS = [n for n in ALL if "labels" in FORMATS[n].holds and n != "label-studio-min"]


@pytest.mark.parametrize("name", WITH_LABELS)
@pytest.mark.parametrize("rows, exclusive", [(LABELLED, True), (ANY, False)])
def test_labels_of_texts_come_back(tmp_path, name, rows, exclusive):
    target = Cats(("DISEASE", "PEST", "WEATHER"), exclusive)
    source = make_gold(tmp_path / "gold.spacy", rows, target)
    exported, back = there_and_back(source, tmp_path / FILES[name], name)
    assert exported.lost == []
    assert said_in(back) == said_in(source)


@pytest.mark.parametrize("name", sorted(set(ALL) - set(WITH_LABELS) - {"label-studio-min"}))
def test_a_format_without_labels_of_texts_is_refused(tmp_path, name):
    source = make_gold(tmp_path / "gold.spacy", LABELLED, Cats(("DISEASE", "PEST")))
    with pytest.raises(LLMJudgeError, match="J955.*label-studio"):
        export_docs(source, tmp_path / FILES[name], ExportSettings(name))


def test_labels_beside_entities_are_counted(tmp_path):
    (doc,) = read_docs(make_gold(tmp_path / "gold.spacy", SENTENCES[:1]), NLP.vocab)
    doc.cats = {"QUESTION": 1.0}
    write_docs(tmp_path / "gold.spacy", [doc])
    found = export_docs(tmp_path / "gold.spacy", tmp_path / "x.json", ExportSettings("gliner"))
    assert found.lost == ["1 documents lose the labels of the whole text"]
    found = export_docs(
        tmp_path / "gold.spacy", tmp_path / "y.json", ExportSettings("label-studio")
    )
    assert found.lost == []


@pytest.mark.parametrize("name", ["label-studio", "argilla", "prodigy", "jsonl", "csv"])
def test_silver_goes_out_with_its_probabilities(tmp_path, name):
    path = tmp_path / FILES[name]
    found = export_docs(make_silver(tmp_path), path, ExportSettings(name, model_version="round-1"))
    assert found.predictions and "0.75" in path.read_text()
    assert found.lost == [
        "1 tokens of which nothing is known look like any token outside of all spans"
    ]
    if name == "label-studio":
        (task,) = json.loads(path.read_text())
        assert "annotations" not in task
        (prediction,) = task["predictions"]
        assert (prediction["score"], prediction["model_version"]) == (0.75, "round-1")
        assert prediction["result"][0]["value"]["text"] == "aphids"


def test_what_is_not_known_stays_so_in_columns(tmp_path):
    path = tmp_path / "data.bio"
    found = export_docs(make_silver(tmp_path), path, ExportSettings("conll"))
    assert found.lost == ["1 documents lose the probabilities of what is in them"]
    assert path.read_text() == "aphids\tB-PEST\non\tO\nthe\tO\nsick\tO\nquince\t-\n\n"


def test_documents_of_which_a_part_is_known_are_left_out_where_asked(tmp_path):
    settings = ExportSettings("doccano", partial="drop")
    found = export_docs(make_silver(tmp_path), tmp_path / "data.jsonl", settings)
    assert found.documents == 0
    assert found.lost == ["1 documents of which only a part is known are left out"]


def test_candidates_over_a_cut(tmp_path):
    make_silver(tmp_path)
    decided = tmp_path / "decided.spacy"
    for cut, n in ((0.29, 2), (0.5, 1), (0.8, 0)):
        path = tmp_path / f"{n}.json"
        assert export_docs(decided, path, ExportSettings("label-studio", cut=cut)).units == n


def test_predictions_are_gold_only_where_that_is_asked_for(tmp_path):
    for name in ("label-studio", "argilla", "prodigy"):
        path, out = tmp_path / f"{name}-{FILES[name]}", tmp_path / f"{name}.spacy"
        source = make_gold(tmp_path / "gold.spacy", SENTENCES[:3])
        export_docs(source, path, ExportSettings(name, say="predictions"))
        with pytest.raises(LLMJudgeError, match="J617.*3 only predicted"):
            quietly(import_docs, [path], out)
        assert not out.exists()
        import_docs([path], out, settings=ReadSettings(predictions=True))
        assert said_in(out) == said_in(source)


def test_corrections_count_and_predictions_beside_them_do_not(tmp_path):
    source = make_gold(tmp_path / "gold.spacy", SENTENCES[:2])
    path = tmp_path / "tasks.json"
    export_docs(source, path, ExportSettings("label-studio", say="predictions"))
    tasks = json.loads(path.read_text())
    result = dict(
        tasks[0]["predictions"][0]["result"][0], value={"start": 22, "end": 28, "labels": ["TREE"]}
    )
    tasks[0]["annotations"] = [{"id": 1, "result": [result]}]
    path.write_text(json.dumps(tasks))
    found, codes = quietly(import_docs, [path], tmp_path / "back.spacy")
    assert said_in(tmp_path / "back.spacy") == [(SENTENCES[0][0], [("quince", "TREE")])]
    assert codes == ["JW950"] and found.dropped == {"only_predicted": 1}
    assert found.tools == ["Label Studio"]


@pytest.mark.parametrize("suffix", [".spacy", ".jsonl"])
def test_what_was_imported_is_the_labelled_set_of_prepare(tmp_path, suffix):
    source = make_gold(tmp_path / "gold.spacy")
    export_docs(source, tmp_path / "tasks.json", ExportSettings("label-studio"))
    data = tmp_path / "data"
    data.mkdir()
    import_docs([tmp_path / "tasks.json"], data / f"labelled{suffix}")
    write_jsonl(data / "pool.jsonl", [{"text": "greenfly on the beans"}])
    prepare(data, tmp_path / "corpus")
    assert said_in(tmp_path / "corpus" / "labelled.spacy") == said_in(source)


def test_brat_and_gold_of_several_files_become_one(tmp_path):
    first = make_gold(tmp_path / "a.spacy", SENTENCES[:2])
    export_docs(
        make_gold(tmp_path / "b.spacy", SENTENCES[1:4]), tmp_path / "b", ExportSettings("brat")
    )
    found = import_docs([first, tmp_path / "b"], tmp_path / "all.jsonl")
    assert found.documents == 4 and found.dropped == {"duplicates": 1}
    assert found.tools == ["documents of spaCy", "brat"]


def test_what_cannot_be_written_for_brat_is_refused(tmp_path):
    source = make_gold(tmp_path / "gold.spacy", [("old rose", [("rose", "A PLANT")])])
    with pytest.raises(LLMJudgeError, match="J951.*A PLANT"):
        export_docs(source, tmp_path / "brat", ExportSettings("brat"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gold.spacy"]


def test_the_interface_of_label_studio_is_xml_whatever_the_labels_are(tmp_path):
    rows = [
        (f"rose {i}", [("rose", label)]) for i, label in enumerate(HOSTILE) if label.isprintable()
    ]
    source = make_gold(tmp_path / "gold.spacy", rows)
    found = export_docs(source, tmp_path / "data.json", ExportSettings("label-studio"))
    names = [one.get("value") for one in ElementTree.fromstring(found.interface).iter("Label")]
    assert names == sorted(label for _, ((_, label),) in rows)


def test_people_can_correct_with_every_label_of_the_labelled_set(tmp_path):
    """Silver may have none of a label, and that is where a person finds one."""
    silver = make_silver(tmp_path / "round-1")
    make_gold(tmp_path / "labelled.spacy", [("rust on it", [("rust", "DISEASE")])])
    write_target(tmp_path, Ents())
    found = export_docs(silver, tmp_path / "data.json", ExportSettings("label-studio"))
    names = [one.get("value") for one in ElementTree.fromstring(found.interface).iter("Label")]
    assert names == ["DISEASE", "PEST"]
    export_docs(silver, tmp_path / "brat", ExportSettings("brat"))
    conf = (tmp_path / "brat" / "annotation.conf").read_text(encoding="utf8").splitlines()
    assert conf[:4] == ["[entities]", "DISEASE", "PEST", ""]


@pytest.mark.parametrize("name", EXACT)
def test_hostile_texts_come_back_or_are_counted(tmp_path, name):
    rows = [(f"rose {text}", [("rose", "PLANT")]) for text in HOSTILE]
    source = make_gold(tmp_path / "gold.spacy", rows)
    path = tmp_path / FILES[name]
    exported = export_docs(source, path, ExportSettings(name))
    read = list(read_records(Part(path), NLP, ReadSettings(offsets="characters")))
    n_other = sum(record.text != text for record, (text, _) in zip(read, rows))
    assert len(read) == len(rows)
    assert all([m.label for m in record.mentions] == ["PLANT"] for record in read)
    assert not n_other and exported.lost == []


@pytest.mark.parametrize("name", ALL)
def test_hostile_spans_and_labels_come_back_or_are_refused(tmp_path, name):
    """As the words of a span and as its label at once, in a file of such a name."""
    docs = []
    for text in HOSTILE:
        doc = Doc(NLP.vocab, words=["rose", text, "."], spaces=[True, False, False])
        Ents().annotate(doc, [(1, 2, text)])
        docs.append(doc)
    write_docs(tmp_path / "gold.spacy", docs)
    path = tmp_path / FOLDER / FILES[name]
    if name == "brat":
        with pytest.raises(LLMJudgeError, match="J951"):
            export_docs(tmp_path / "gold.spacy", path, ExportSettings(name))
        assert not path.exists()
        return
    exported = export_docs(tmp_path / "gold.spacy", path, ExportSettings(name))
    if name in ("conll", "hf"):
        # a tag has no place for a line break
        assert exported.lost
        return
    read = list(read_records(Part(path), NLP, ReadSettings(offsets="characters")))
    said = [(r.text, [(r.text[m.start : m.end], m.label) for m in r.mentions or ()]) for r in read]
    assert said == [(doc.text, [(doc[1].text, doc[1].text)]) for doc in docs]
    assert exported.lost == []


TEXTS = st.text(st.sampled_from("ab é🌱\u00a0\t\n\r,\"[{'\\#-OB1"), min_size=1, max_size=20)


@pytest.mark.parametrize("name", ALL)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    texts=st.lists(TEXTS.filter(str.strip), min_size=1, max_size=4, unique=True),
    seed=st.integers(0, 99),
)
def test_any_document_comes_back_or_is_counted(tmp_path_factory, name, texts, seed):
    folder = tmp_path_factory.mktemp("any")
    docs = []
    for text in texts:
        doc = NLP.make_doc(text)
        words = [i for i, token in enumerate(doc) if token.text.strip()]
        first = words[seed % len(words)]
        Ents().annotate(doc, [(first, first + 1, "X")])
        docs.append(doc)
    write_docs(folder / "gold.spacy", docs)
    path = folder / FILES[name]
    exported = export_docs(folder / "gold.spacy", path, ExportSettings(name))
    if exported.lost:
        return
    records = list(read_records(Part(path), NLP, ReadSettings(offsets="characters")))
    assert [record.text for record in records] == texts
    assert [[(m.start, m.label) for m in r.mentions] for r in records] == [
        [(ent.start_char, "X") for ent in doc.ents] for doc in docs
    ]


@pytest.mark.parametrize(
    "output, force, code",
    [
        ("gold.spacy", False, "J630"),
        ("there.json", False, "J959"),
        ("data.txt", False, "J957"),
        ("full.json", True, "J958"),
    ],
)
def test_nothing_else_is_written_over(tmp_path, output, force, code):
    source = make_gold(tmp_path / "gold.spacy", SENTENCES[:1])
    (tmp_path / "there.json").write_text("mine")
    (tmp_path / "full.json").mkdir()
    (tmp_path / "full.json" / "mine").write_text("mine")
    with pytest.raises(LLMJudgeError, match=code):
        export_docs(source, tmp_path / output, ExportSettings("label-studio"), force=force)
    assert (tmp_path / "there.json").read_text() == "mine"


def test_a_file_is_replaced_where_asked(tmp_path):
    source = make_gold(tmp_path / "gold.spacy", SENTENCES[:1])
    (tmp_path / "there.json").write_text("mine")
    export_docs(source, tmp_path / "there.json", ExportSettings("label-studio"), force=True)
    assert json.loads((tmp_path / "there.json").read_text())[0]["data"]["text"] == SENTENCES[0][0]


@pytest.mark.parametrize(
    "given, code",
    [
        ({"format": "excel"}, "J614.*'excel'.*label-studio"),
        ({"say": "guesses"}, "J614"),
        ({"scheme": "io"}, "J614"),
        ({"cut": 0.5}, "J960"),
        ({"format": "gliner", "offsets": "utf-16"}, "J956.*label-studio"),
    ],
)
def test_settings_that_cannot_be(tmp_path, given, code):
    source = write_jsonl(tmp_path / "gold.jsonl", [{"text": "rose", "spans": [[0, 4, "PLANT"]]}])
    with pytest.raises(LLMJudgeError, match=code):
        export_docs(
            source, tmp_path / "x.json", ExportSettings(**{"format": "label-studio", **given})
        )


def test_documents_that_are_lost_are_counted():
    records = [Record("a", "rose"), Record("b", "rust"), Record("c", "slug")]
    assert compare(records, iter(records[:1]), ())["documents"] == 2


def test_spans_and_labels_of_one_text_stay_together(tmp_path):
    (doc,) = read_docs(make_gold(tmp_path / "gold.spacy", SENTENCES[:1]), NLP.vocab)
    doc.cats = {"QUESTION": 1.0}
    write_docs(tmp_path / "gold.spacy", [doc])
    for name in ("argilla", "label-studio", "doccano", "prodigy", "spacy-v2", "csv"):
        path = tmp_path / FILES[name].replace("data", name)
        assert export_docs(tmp_path / "gold.spacy", path, ExportSettings(name)).lost == []
        (record,) = read_records(Part(path), NLP, ReadSettings())
        assert record.choice.chosen == ("QUESTION",) and len(record.mentions) == 2


@pytest.mark.parametrize("name", ALL)
def test_a_full_disk_is_one_line_and_leaves_what_was_there(tmp_path, limit_files, name):
    rows = [{"text": "slug" * 5000 + f"{i}", "spans": []} for i in range(3)]
    source = write_jsonl(tmp_path / "gold" / "gold.jsonl", rows)
    out = tmp_path / "out" / FILES[name]
    out.parent.mkdir()
    if name != "brat":
        out.write_text("before", encoding="utf8")
    limit_files(5000)
    with pytest.raises(LLMJudgeError, match=r"\[J003\]") as caught:
        export_docs(source, out, ExportSettings(format=name), force=True)
    limit_files(None)
    assert out.name in str(caught.value)
    left = [path.name for path in out.parent.rglob("*")]
    assert left == ([out.name] if name != "brat" else [])
    assert name == "brat" or out.read_text(encoding="utf8") == "before"
