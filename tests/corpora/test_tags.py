import doctest

from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.training import iob_to_biluo

from spacy_llmjudge.corpora import tags as module
from spacy_llmjudge.corpora.tags import decode_tags


def to_bioes(tags):
    return [t.replace("L-", "E-").replace("U-", "S-") for t in iob_to_biluo(tags)]


def test_inside_after_another_label_starts_an_entity():
    assert decode_tags(["B-A", "I-B"]) == ([(0, 1, "A"), (1, 2, "B")], [], 1)


def test_ends_and_singles_close_an_entity():
    assert decode_tags(["B-A", "E-A", "I-A", "S-A", "I-A"]) == (
        [(0, 2, "A"), (2, 3, "A"), (3, 4, "A"), (4, 5, "A")],
        [],
        2,
    )


@settings(max_examples=100, deadline=None)
@given(tags=st.lists(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"]), max_size=12))
def test_all_schemes_say_the_same(tags):
    ents, _, _ = decode_tags(tags)
    clean = ["O"] * len(tags)
    for start, end, label in ents:
        clean[start:end] = ["B-" + label] + ["I-" + label] * (end - start - 1)
    assert decode_tags(clean) == (ents, [], 0)
    assert decode_tags(iob_to_biluo(clean)) == (ents, [], 0)
    assert decode_tags(to_bioes(clean)) == (ents, [], 0)
    assert [tag != "O" for tag in clean] == [tag != "O" for tag in tags]


def test_examples_in_docstrings():
    result = doctest.testmod(module)
    assert result.attempted and not result.failed
