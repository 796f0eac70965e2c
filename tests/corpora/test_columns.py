import warnings
from collections import Counter

import pytest
from corpora_helpers import read_examples
from spacy.training import iob_to_biluo

from spacy_llmjudge.errors import LLMJudgeError

SENTENCES = [
    (["Anna", "Lee", "saw", "Rome"], ["B-PER", "I-PER", "O", "B-LOC"]),
    (["so", "what"], ["O", "O"]),
]


def read(tmp_path, text, name="data.conll", counts=None):
    path = tmp_path / name
    path.write_bytes(text.encode("utf8"))
    return list(read_examples(path, counts=counts))


def error_of(tmp_path, text):
    with pytest.raises(LLMJudgeError) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def make_text(separator="\t", tags_first=False, between=(), encode=list, end="\n"):
    blocks = []
    for tokens, tags in SENTENCES:
        rows = [
            [tag, token] if tags_first else [token, *between, tag]
            for token, tag in zip(tokens, encode(tags))
        ]
        blocks.append("".join(separator.join(row) + end for row in rows))
    return end.join(blocks)


def to_bioes(tags):
    return [t.replace("L-", "E-").replace("U-", "S-") for t in iob_to_biluo(tags)]


def to_iob1(tags):
    return [tag.replace("B-", "I-") for tag in tags]


def check_sentences(docs):
    assert [[token.text for token in doc] for doc in docs] == [s[0] for s in SENTENCES]
    assert [(e.start, e.end, e.label_) for e in docs[0].ents] == [
        (0, 2, "PER"),
        (3, 4, "LOC"),
    ]
    assert not docs[1].ents and docs[1].has_annotation("ENT_IOB")


@pytest.mark.parametrize("name", ["data.conll", "data.bio", "data.iob", "data.txt"])
@pytest.mark.parametrize("separator", ["\t", " ", "   "])
@pytest.mark.parametrize("tags_first", [True, False])
def test_either_column_first_and_any_separator(tmp_path, name, separator, tags_first):
    check_sentences(read(tmp_path, make_text(separator, tags_first), name))


@pytest.mark.parametrize("encode", [list, iob_to_biluo, to_bioes])
def test_tag_schemes(tmp_path, encode):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_sentences(read(tmp_path, make_text(encode=encode)))


def test_columns_between_are_passed_over(tmp_path):
    check_sentences(read(tmp_path, make_text(" ", between=("NNP", "I-NP"))))


def test_crlf_byte_order_mark_docstart_and_comments(tmp_path):
    text = "\ufeff-DOCSTART- -X- -X- O\r\n\r\n# id 7  domain=train\r\n"
    check_sentences(read(tmp_path, text + make_text(" ", between=("_", "_"), end="\r\n")))


def test_docstart_with_the_tag_first(tmp_path):
    check_sentences(read(tmp_path, "O\t-DOCSTART-\n\n" + make_text(tags_first=True)))


def test_many_empty_lines_and_none_at_the_end(tmp_path):
    check_sentences(
        read(tmp_path, "\n\n" + make_text().rstrip("\n").replace("\n\n", "\n \n\t\n\n"))
    )


def test_number_sign_can_be_a_token(tmp_path):
    first, _ = read(tmp_path, "#\tB-X\n1\tO\n\na\tO\n")
    assert [token.text for token in first] == ["#", "1"] and first.ents[0].text == "#"


def test_token_with_spaces_between_tabs(tmp_path):
    (doc,) = read(tmp_path, "New York\tB-LOC\nis\tO\n")
    assert [token.text for token in doc] == ["New York", "is"]


def test_inside_without_beginning_is_repaired_counted_and_warned_about(tmp_path):
    counts = Counter()
    with pytest.warns(UserWarning, match=r"\[JW600\].*data\.conll: 2 tags"):
        docs = read(tmp_path, make_text(encode=to_iob1), counts=counts)
    check_sentences(docs)
    assert counts["repaired_tags"] == 2


def test_hyphen_is_a_token_without_annotation(tmp_path):
    (doc,) = read(tmp_path, "a\tO\nb\t-\nc\tU-X\n")
    assert [token.ent_iob for token in doc] == [2, 0, 3]


def test_file_without_tags(tmp_path):
    message = error_of(tmp_path, "just some text\nand more of it\n")
    assert "[J611]" in message and "data.conll" in message


def test_empty_file(tmp_path):
    assert "[J611]" in error_of(tmp_path, "\n\n")


@pytest.mark.parametrize("line", ["O", "alone", "\tO"])
def test_line_without_token_or_tag(tmp_path, line):
    message = error_of(tmp_path, "a\tO\nb\tB-X\n" + line + "\n")
    assert "[J612]" in message and "line 3" in message


def test_line_with_a_tag_that_is_none(tmp_path):
    message = error_of(tmp_path, "a\tO\nb\tB-X\nc\tB\nd\tO\n")
    assert "[J613]" in message and "line 3" in message and "'B'" in message


@pytest.mark.parametrize("line", ["-DOCSTART- (7)", "-DOCSTART-\t-X-", "-DOCSTART-doc-7"])
@pytest.mark.parametrize("separator", ["\t", " "])
def test_the_start_of_a_document_is_no_sentence(tmp_path, line, separator):
    between = ("NN",)
    line = separator.join([line, "-X-", "O"])
    check_sentences(read(tmp_path, f"{line}\n\n{make_text(separator, between=between)}"))


@pytest.mark.parametrize("line", ["# checked by two people", "# see the note of Monday O", "# 12"])
def test_a_comment_inside_of_a_sentence(tmp_path, line):
    text = make_text(" ", between=("_",)).replace("saw _ O", f"{line}\nsaw _ O")
    check_sentences(read(tmp_path, text))


def test_a_token_row_with_a_number_sign_inside_of_a_sentence_is_no_comment(tmp_path):
    (doc,) = read(tmp_path, "a O\n# B-X\n#3 I-X\n")
    assert doc.text == "a # #3"
    assert "[J613]" in error_of(tmp_path, "a O\nb B-X\n# oops\n")


@pytest.mark.parametrize("line", ["New York B-LOC", "New  York\tB-LOC", "b c d O", "x O O"])
def test_a_token_with_a_separator_inside_would_lose_a_part(tmp_path, line):
    message = error_of(tmp_path, f"a O\nb B-X\n{line}\nc O\n")
    assert "[J996]" in message and "line 3" in message and "the other lines have 2" in message


def test_tabs_at_the_end_of_a_line_are_no_columns(tmp_path):
    (doc,) = read(tmp_path, "a\tB-X\tn\nb\tO\tn\t\t\n")
    assert doc.text == "a b"


def with_a_row(*cells):
    text = make_text(" ", between=("NN",))
    return text.replace("saw NN O", f"{' '.join(cells)}\nsaw NN O")


def test_a_number_sign_with_a_column_too_many_is_no_comment(tmp_path):
    message = error_of(tmp_path, with_a_row("#", "NN", "NN", "O"))
    assert "[J996]" in message and "line 3" in message and "4 columns" in message


def test_a_number_sign_with_a_column_missing_is_a_token_as_any_other(tmp_path):
    for sign in "#+":
        first, _ = read(tmp_path, with_a_row(sign, "O"))
        assert [token.text for token in first] == ["Anna", "Lee", sign, "saw", "Rome"]
