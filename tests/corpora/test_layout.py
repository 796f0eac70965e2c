"""Columns are found whatever stands beside tokens and tags, and plain text is no columns."""

import random
import warnings

import pytest
from corpora_helpers import ents_of, quietly, read_file
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.corpora.layout import find_layout, has_columns
from spacy_llmjudge.errors import LLMJudgeError

SENTENCES = [
    [("Vera", "B-PER"), ("Moss", "I-PER"), ("left", "O"), ("Bergen", "B-LOC"), (".", "O")],
    [("It", "O"), ("rained", "O")],
    [("Delta", "B-ORG"), ("Works", "I-ORG"), ("paid", "O"), ("Vera", "B-PER")],
]
EXPECTED = [
    [("Vera Moss", "PER"), ("Bergen", "LOC")],
    [],
    [("Delta Works", "ORG"), ("Vera", "PER")],
]


def write(tmp_path, text, name="data.conll"):
    path = tmp_path / name
    path.write_text(text, encoding="utf8", newline="")
    return path


def table(row, separator="\t", head="", between="\n"):
    """Sentences as columns; `row` makes the cells of a line from number, token and tag."""
    blocks = []
    for n, sentence in enumerate(SENTENCES):
        lines = [separator.join(row(i, *pair)) for i, pair in enumerate(sentence, start=1)]
        blocks.append(head.format(n=n) + "\n".join(lines) + "\n")
    return between.join(blocks)


def check(path):
    docs = read_file(path)
    assert [[token.text for token in doc] for doc in docs] == [[w for w, _ in s] for s in SENTENCES]
    assert [ents_of(doc) for doc in docs] == EXPECTED


@pytest.mark.parametrize(
    "row",
    [
        lambda i, word, tag: (str(i), word, tag, "O"),
        lambda i, word, tag: (str(i), word, tag, "-", "who"),
        lambda i, word, tag: (str(i), word, tag, "-", "-"),
        lambda i, word, tag: (str(i - 1), word, "NOUN", tag),
        lambda i, word, tag: (word, "NN", "I-NP", tag),
        lambda i, word, tag: (word, word.lower(), "NN", "I-NC", tag),
        lambda i, word, tag: (str(i), word, tag),
        lambda i, word, tag: ("7", word, tag),
        lambda i, word, tag: (word, "_", "_", tag),
        lambda i, word, tag: (tag, word),
    ],
    ids=[
        "nested_tags_empty",
        "annotator",
        "empty_columns",
        "from_zero",
        "chunks",
        "german_chunks",
        "three",
        "sentence_number",
        "underscores",
        "tag_first",
    ],
)
@pytest.mark.parametrize("separator", ["\t", " ", "  \t "])
def test_whatever_stands_beside_tokens_and_tags(tmp_path, row, separator):
    check(write(tmp_path, table(row, separator)))


@pytest.mark.parametrize(
    "names,row",
    [
        ("ID FORM UPOS NER", lambda i, w, t: (str(i), w, "X", t)),
        ("ID NER:IOB2 LEMMA FORM", lambda i, w, t: (str(i), t, w.lower(), w)),
        ("TOKEN TAG NER:BIOES", lambda i, w, t: (w, "B-X", t)),
    ],
)
def test_columns_that_are_named(tmp_path, names, row):
    check(write(tmp_path, f"# global.columns = {names}\n" + table(row)))


def test_of_several_tag_columns_the_first_is_read_and_that_is_said(tmp_path):
    text = "1\tVera\tB-PER\tO\n2\tof\tI-PER\tO\n3\tBergen\tI-PER\tB-LOC\n"
    docs, codes = quietly(read_file, write(tmp_path, text))
    assert ents_of(docs[0]) == [("Vera of Bergen", "PER")] and codes == ["JW615"]


def test_columns_without_tokens_are_refused(tmp_path):
    text = "1 B-PER\n2 I-PER\n3 O\n\n1 O\n2 B-LOC\n"
    with pytest.raises(LLMJudgeError, match=r"\[J640\].*data\.conll"):
        read_file(write(tmp_path, text))


def test_tags_on_both_sides_are_refused(tmp_path):
    text = "B-PER Vera I-X\nO left O\nO Bergen B-Y\n"
    with pytest.raises(LLMJudgeError, match=r"\[J640\].*columns 1, 3"):
        read_file(write(tmp_path, text))


def test_numbers_can_be_tokens(tmp_path):
    text = "2019 O\n1984 B-YEAR\n\n7 O\n"
    (first, second) = read_file(write(tmp_path, text))
    assert ents_of(first) == [("1984", "YEAR")] and second.text == "7"


def test_multiword_lines_of_conllu_are_passed_over(tmp_path):
    text = "1-2\tdon't\t_\n1\tdo\tO\n2\tn't\tO\n2.1\tgone\tO\n3\tgo\tB-V\n"
    (doc,) = read_file(write(tmp_path, text))
    assert [token.text for token in doc] == ["do", "n't", "go"]


COMMENTS = [
    "# text = Vera has type O",
    "# type O",
    "# id 3 domain=dev",
    "#",
    "# newdoc -",
    "#\thttp://example.org/7 [2021-03-04]",
    "# B-PER",
]


@pytest.mark.parametrize("comment", COMMENTS)
@pytest.mark.parametrize("separator,width", [(" ", 3), (" ", 4), ("\t", 2), ("\t", 4)])
def test_a_comment_stays_a_comment_whatever_it_ends_in(tmp_path, comment, separator, width):
    def row(i, word, tag):
        return (word, *["_"] * (width - 2), tag)

    check(write(tmp_path, table(row, separator, head=comment + "\n")))


@pytest.mark.parametrize("middle", ["_", "NN"])
def test_the_token_number_sign_at_the_start_of_a_sentence(tmp_path, middle):
    text = f"a {middle} O\nb {middle} B-X\n\n# {middle} B-X\n1 {middle} O\n"
    _, doc = read_file(write(tmp_path, text))
    assert [token.text for token in doc] == ["#", "1"] and ents_of(doc) == [("#", "X")]


@pytest.mark.parametrize("separator", ["\t", " "])
@pytest.mark.parametrize(
    "token", ["5\u00a0000", "\u00a0", "a\u2028b", "a\u3000b", "\u200b", "x\x0by"]
)
def test_only_spaces_and_tabs_separate(tmp_path, separator, token):
    text = f"from{separator}O\n{token}{separator}B-SUM\nVera{separator}O\n"
    (doc,) = (
        read_file(write(tmp_path, text), counts=None)
        if token != "\u00a0"
        else read_file(write(tmp_path, text.replace("B-SUM", "O")))
    )
    assert [t.text for t in doc] == ["from", token, "Vera"]


PLAIN = {
    "bullets": "- Buy soil\n- Ask Vera about the pump\n- Paint\n",
    "log": "10.1.1.1 GET / 200 -\n10.1.1.2 PUT / 404 -\n",
    "dialogue": "- Who?\nVera said so.\n- When?\n",
    "article": "O rio passa em Lisboa.\nO gato dorme.\nA casa caiu.\n",
    "two words": "O gato\nO rio\n- nada\n",
    "markdown": "# Notes\n\n- one\n- two\n",
    "table": "name city\nVera Bergen\n",
    "hashtags": "#one\n#two\n",
    "one tag": "see B-12\nand O\nthe whole sentence is longer\n",
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_text_is_a_text_a_line(tmp_path, name):
    path = write(tmp_path, PLAIN[name], "pool.txt")
    assert not has_columns(path)
    assert [doc.text for doc in read_file(path)] == PLAIN[name].splitlines()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from("O - a B1 Oslo B- I. #".split()), max_size=6), max_size=8))
def test_lines_without_a_tag_that_names_a_label_are_text(tmp_path_factory, lines):
    path = write(
        tmp_path_factory.mktemp("plain"), "".join(" ".join(ln) + "\n" for ln in lines), "a.txt"
    )
    assert not has_columns(path)


def test_a_text_file_of_columns_is_columns(tmp_path):
    path = write(
        tmp_path,
        "-DOCSTART- -X- -X- O\n\n" + table(lambda i, w, t: (w, "NN", "I-NP", t), " "),
        "valid.txt",
    )
    assert has_columns(path)
    check(path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_order_of_columns_is_found(tmp_path_factory, data):
    """A number, a part of speech, an annotator and chunks, in any order behind the token."""
    others = [lambda i: "NN", lambda i: "ann1", lambda i: "I-NP", lambda i: "_"]
    chosen = data.draw(st.permutations(others)).copy()[: data.draw(st.integers(0, 4))]
    place = data.draw(st.integers(0, len(chosen)))
    numbered = data.draw(st.booleans())

    def row(i, word, tag):
        cells = [make(i) for make in chosen]
        cells.insert(place, tag)
        return ([str(i)] if numbered else []) + [word, *cells]

    separator = data.draw(st.sampled_from(["\t", " "]))
    path = write(tmp_path_factory.mktemp("any"), table(row, separator))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(path)


def test_the_usual_width_counts_and_not_the_odd_line(tmp_path):
    text = table(lambda i, w, t: (w, t)) + "\nVera\tB-PER\textra\n"
    with pytest.raises(
        LLMJudgeError, match=r"\[J996\].*line 15: .*3 columns, and the other lines have 2"
    ):
        read_file(write(tmp_path, text))
    assert find_layout(write(tmp_path, text)).width == 2


def test_rows_far_behind_the_sample_are_read_in_the_same_way(tmp_path):
    draw = random.Random(0)
    lines = [f"{i}\tw{draw.randrange(99)}\tO" for i in range(1, 4000)]
    text = "\n".join(lines) + "\n4000\tVera\tB-PER\n"
    (doc,) = read_file(write(tmp_path, "1\ta\tB-X\n\n" + text))[1:]
    assert ents_of(doc) == [("Vera", "PER")] and doc[0].text.startswith("w")
