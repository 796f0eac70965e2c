"""Tables: CSV in its dialects, a row for a text or for a token, and parquet."""

import json
import sys

import pytest
from corpora_helpers import ents_of, read_file, said_by, write_jsonl

from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.corpora.tables import read_table
from spacy_llmjudge.errors import LLMJudgeError

KAGGLE = """Sentence #,Word,POS,Tag
Sentence: 1,Vera,NNP,B-PER
,Moss,NNP,I-PER
,left,VBD,O
Sentence: 2,"1,000",CD,O
,in,IN,O
,Bergen,NNP,B-LOC
"""


def write(tmp_path, text, name="data.csv", encoding="utf8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def rows(path):
    return [row for _, row in read_table(path)]


def test_a_row_for_every_token(tmp_path):
    first, second = read_file(write(tmp_path, KAGGLE))
    assert ents_of(first) == [("Vera Moss", "PER")]
    assert [t.text for t in second] == ["1,000", "in", "Bergen"] and ents_of(second)


def test_sentences_whose_name_stands_in_every_row(tmp_path):
    text = "sentence_id,token,ner\n1,Vera,B-PER\n1,left,O\n2,Bergen,B-LOC\n"
    assert [doc.text for doc in read_file(write(tmp_path, text))] == ["Vera left", "Bergen"]


def test_sentences_that_an_empty_line_ends(tmp_path):
    text = "word,tag\nVera,B-PER\n,\nBergen,B-LOC\n"
    assert [doc.text for doc in read_file(write(tmp_path, text))] == ["Vera", "Bergen"]


def test_a_token_without_a_tag_is_named(tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J612\].*data\.csv, line 3"):
        read_file(write(tmp_path, "word,tag\nVera,B-PER\nMoss,\n"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf8", "utf-8-sig", "utf-16"])
def test_dialects(tmp_path, delimiter, encoding):
    text = f'text{delimiter}label\r\n"a ""b""{delimiter} c\nd"{delimiter}FEED\r\nün{delimiter}\r\n'
    name = "data.tsv" if delimiter == "\t" else "data.csv"
    found = rows(write(tmp_path, text, name, encoding))
    assert found == [
        {"text": f'a "b"{delimiter} c\nd', "label": "FEED"},
        {"text": "ün", "label": None},
    ]


def test_lines_are_counted_through_cells_of_several_lines(tmp_path):
    text = 'text,label\n"a\nb",X\nc,Y\n'
    assert [where.rpartition(" ")[2] for where, _ in read_table(write(tmp_path, text))] == [
        "2",
        "4",
    ]


@pytest.mark.parametrize("write_list", [json.dumps, str])
def test_cells_that_hold_lists(tmp_path, write_list):
    spans = [{"start": 0, "end": 4, "label": "PER"}]
    cell = write_list(spans).replace('"', '""')
    (doc,) = read_file(write(tmp_path, f'text,spans\nVera left,"{cell}"\n'))
    assert ents_of(doc) == [("Vera", "PER")]


def test_tokens_and_tags_in_cells(tmp_path):
    text = "tokens,ner_tags\n\"['Vera', 'left']\",\"['B-PER', 'O']\"\n"
    assert ents_of(read_file(write(tmp_path, text))[0]) == [("Vera", "PER")]


@pytest.mark.parametrize(
    "cell,expected",
    [
        ("['Vera' 'left']", ["Vera", "left"]),
        ("""['O\\'Neil' "d'Or"\n '.']""", ["O'Neil", "d'Or", "."]),
        ("[1 0 -100]", [1, 0, -100]),
        ("['one']", ["one"]),
        ("[1]", [1]),
        ("[]", []),
        ("[see 'a' 'b']", "[see 'a' 'b']"),
        ("[note] see 'a'", "[note] see 'a'"),
    ],
)
def test_arrays_as_numpy_prints_them(tmp_path, cell, expected):
    quoted = cell.replace('"', '""')
    assert rows(write(tmp_path, f'text,tokens\na,"{quoted}"\n')) == [
        {"text": "a", "tokens": expected}
    ]


def test_a_single_column_is_a_raw_pool(tmp_path):
    docs = read_file(write(tmp_path, "text\none\ntwo\n"))
    assert [doc.text for doc in docs] == ["one", "two"]


@pytest.mark.parametrize("text", ["", "\n", ",\n1,2\n", "text\na,b\n"])
def test_what_is_no_table(tmp_path, text):
    with pytest.raises(LLMJudgeError, match=r"\[J641\].*data\.csv"):
        read_file(write(tmp_path, text))


def test_a_table_without_texts_names_its_columns(tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J604\].*line 2.*a, b"):
        read_file(write(tmp_path, "a,b\n1,2\n"))


def test_a_tsv_of_columns_is_columns(tmp_path):
    path = write(tmp_path, "Vera\tB-PER\nleft\tO\n\nBergen\tB-LOC\n", "train.tsv")
    assert [doc.text for doc in read_file(path)] == ["Vera left", "Bergen"]


def test_a_table_with_a_column_for_the_set(tmp_path):
    lines = ["message,topic,split"]
    lines += [f"message {c},{'FEED' if c in 'ab' else 'PEST'},train" for c in "abcd"]
    lines += [f"raw {c},,pool" for c in "abc"]
    path = write(tmp_path, "\n".join(lines).replace("message,", "text,", 1) + "\n")
    report = prepare(path, tmp_path / "out", label_column="topic")
    assert report["labels"]["labelled"] == {"FEED": 2, "PEST": 2}
    assert report["documents"] == {"labelled": 4, "pool": 3}
    assert said_by(tmp_path / "out", "labelled")[0] == ("message a", ["FEED"])


def test_parquet_without_pyarrow_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    path = write(tmp_path, "PAR1", "train.parquet")
    write_jsonl(tmp_path / "pool.jsonl", [{"text": "raw"}])
    with pytest.raises(LLMJudgeError, match=r"\[J642\].*train\.parquet.*pip install pyarrow"):
        prepare(tmp_path, tmp_path / "out")
    with pytest.raises(LLMJudgeError, match=r"\[J642\]"):
        read_file(path)


def test_parquet_with_the_names_of_its_tags(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    names = ["O", "B-PER", "B-LOC"]
    feature = {"feature": {"names": names, "_type": "ClassLabel"}, "_type": "Sequence"}
    table = pa.table({"tokens": [["Vera", "left"], ["Bergen"]], "ner_tags": [[1, 0], [2]]})
    info = json.dumps({"info": {"features": {"ner_tags": feature}}})
    parquet.write_table(
        table.replace_schema_metadata({"huggingface": info}), tmp_path / "train.parquet"
    )
    docs = read_file(tmp_path / "train.parquet")
    assert [ents_of(doc) for doc in docs] == [[("Vera", "PER")], [("Bergen", "LOC")]]


def test_a_parquet_file_that_is_none_is_one_line(tmp_path):
    pytest.importorskip("pyarrow")
    with pytest.raises(LLMJudgeError, match=r"\[J648\].*train\.parquet"):
        read_file(write(tmp_path, "PAR1 cut", "train.parquet"))


def test_blanks_around_the_names_of_columns_are_none_of_them(tmp_path):
    write(tmp_path, " text , label\nslugs, PEST\nhostas,FEED\n", "train.csv")
    write_jsonl(tmp_path / "pool.jsonl", [{"text": "raw"}])
    report = prepare(tmp_path, tmp_path / "out")
    assert report["labels"]["labelled"] == {"FEED": 1, "PEST": 1}


def test_two_columns_of_one_name_are_refused(tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J641\].*several columns 'text'"):
        read_file(write(tmp_path, "text,label,text\nold,A,new\n"))
    assert len(read_file(write(tmp_path, "text,,\none,,\ntwo,x,y\n"))) == 2


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
def test_excels_line_about_the_separator(tmp_path, delimiter):
    lines = ["sep=" + delimiter, f"text{delimiter}note", f'slugs{delimiter}"a,b;c|d"', ""]
    docs = read_file(write(tmp_path, "\r\n".join(lines)))
    assert [doc.text for doc in docs] == ["slugs"]
    with pytest.raises(LLMJudgeError, match=r"\[J641\].*data\.csv, line 4"):
        read_file(write(tmp_path, "\r\n".join([*lines[:3], delimiter * 4])))


def test_a_text_that_is_missing_is_an_empty_text(tmp_path):
    write(tmp_path, "text,label\n,PEST\nslugs,PEST\nhostas,FEED\n", "train.csv")
    write_jsonl(tmp_path / "pool.jsonl", [{"text": "raw"}])
    report = prepare(tmp_path, tmp_path / "out")
    assert report["documents"]["labelled"] == 2 and report["dropped"]["labelled"] == {"empty": 1}


def test_spans_as_tuples(tmp_path):
    (doc,) = read_file(write(tmp_path, "text,entities\nVera left,\"[(0, 4, 'PER')]\"\n"))
    assert ents_of(doc) == [("Vera", "PER")]


def test_two_columns_of_one_name_that_nobody_reads_do_not_matter(tmp_path):
    (doc,) = read_file(write(tmp_path, "text,note,label,note\nslugs,old,PEST,new\n"))
    assert doc.text == "slugs"
    assert rows(tmp_path / "data.csv") == [
        {"text": "slugs", "note (1)": "old", "label": "PEST", "note (2)": "new"}
    ]
    path = write(tmp_path, "word,text,tag,text\nVera,x,B-PER,y\n")
    assert ents_of(read_file(path)[0]) == [("Vera", "PER")]
    for header in ("text,label,label", "text,spans,spans", "text,split,split", "tokens,tags,tags"):
        with pytest.raises(LLMJudgeError, match=r"\[J641\].*line 1.*several columns"):
            read_file(write(tmp_path, f"{header}\nslugs,,\n"))
    with pytest.raises(LLMJudgeError, match=r"\[J641\].*several columns 'tag'"):
        read_file(write(tmp_path, "word,tag,tag\nVera,B-PER,O\n"))


def test_a_column_of_labels_that_is_there_twice_is_named(tmp_path):
    path = write(tmp_path, "text,topic,topic\nslugs,A,B\nrain,A,A\n", "train.csv")
    write_jsonl(tmp_path / "pool.jsonl", [{"text": "raw"}])
    with pytest.raises(LLMJudgeError, match=r"\[J632\].*topic \(1\), topic \(2\)"):
        prepare(tmp_path, tmp_path / "out", label_column="topic")
    report = prepare(tmp_path, tmp_path / "out", label_column="topic (2)")
    assert report["labels"]["labelled"] == {"A": 1, "B": 1} and path.exists()
