"""What people said comes before what nobody was asked about, and what contradicts itself stays open."""

import warnings

import pytest
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_llmjudge.review.items import Item
from spacy_llmjudge.review.reviewed import apply_answers
from spacy_llmjudge.targets.ents import Ents

WORDS = "I saw New York City today".split()
YORK, CITY, WHOLE = (2, 4, "GPE"), (4, 5, "GPE"), (2, 5, "GPE")


def review(given, silver=(YORK, CITY)):
    """Entities of a reviewed document, and the tokens of which nothing is known."""
    doc = Doc(Vocab(), words=WORDS)
    doc.set_ents([Span(doc, s, e, label=label) for s, e, label in silver], default="outside")
    items = [Item(str(key), 0, [], (key,)) for key in silver]
    said = {str(key): {"ann": answer} for key, answer in given.items()}
    (doc,) = apply_answers([doc], items, said, Ents())
    return [(e.start, e.end, e.label_) for e in doc.ents], [t.i for t in doc if not t.ent_iob]


def test_a_correction_takes_the_place_of_an_entity_that_nobody_was_asked_about():
    assert review({YORK: (WHOLE,)}) == ([WHOLE], [])
    assert review({CITY: ((3, 5, "GPE"),)}) == ([(3, 5, "GPE")], [2])


def test_answers_beside_each_other_stand():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert review({YORK: ((2, 4, "LOC"),), CITY: (CITY,)}) == ([(2, 4, "LOC"), CITY], [])
        assert review({YORK: (), CITY: (CITY,)}) == ([CITY], [2, 3])


@pytest.mark.parametrize("other", [CITY, (3, 5, "LOC")])
def test_answers_that_contradict_each_other_are_counted_and_left_open(other):
    with pytest.warns(UserWarning, match="JW952.* 2 spans"):
        assert review({YORK: (WHOLE,), CITY: (other,)}) == ([], [2, 3, 4])
