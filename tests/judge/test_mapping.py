from collections import Counter

import pytest
from english import NLP
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_llmjudge.judge.long_documents import Window, make_windows
from spacy_llmjudge.judge.mapping import Reading, WindowText, map_mentions
from spacy_llmjudge.judge.replies import Mention


def place(text, *mentions, taken=(), **settings):
    doc = NLP(text)
    (window,) = make_windows(doc, 100)
    dropped = Counter()
    mapped = map_mentions(WindowText(doc, window), mentions, dropped, taken=taken, **settings)
    return [(r.start, r.end, r.label) for r in mapped.readings], dict(dropped)


def test_words_inside_of_words_are_no_match():
    assert place("a sandpit of sand", Mention("sand", "X")) == ([(3, 4, "X")], {})
    assert place("a sandpit", Mention("sand", "X")) == ([], {"off_tokens": 1})
    assert place("the pits", Mention("pit", "X")) == ([], {"off_tokens": 1})
    assert place("the pits", Mention("fen", "X")) == ([], {"not_in_text": 1})


def test_repeated_mentions_go_to_the_next_place():
    rose = Mention("rose", "X")
    assert place("rose rose rose", rose, rose)[0] == [(0, 1, "X"), (1, 2, "X")]
    spans, dropped = place("rose rose", rose, rose, rose)
    assert (spans, dropped) == ([(0, 1, "X"), (1, 2, "X")], {"repeated": 1})


def test_a_mention_is_looked_for_after_the_one_before_it():
    mentions = Mention("slugs", "X"), Mention("rose", "X")
    assert place("rose and slugs and rose", *mentions)[0] == [(2, 3, "X"), (4, 5, "X")]


def test_order_is_a_preference_and_not_a_demand():
    mentions = Mention("slugs", "X"), Mention("rose", "X")
    assert place("rose and slugs", *mentions)[0] == [(2, 3, "X"), (0, 1, "X")]


def test_a_start_that_fits_decides():
    assert place("rose and rose", Mention("rose", "X", start=9))[0] == [(2, 3, "X")]
    assert place("rose and rose", Mention("rose", "X", start=7))[0] == [(0, 1, "X")]
    assert place("rose and rose", Mention("rose", "X", start=-4))[0] == [(0, 1, "X")]


def test_case_and_white_space_may_differ_where_nothing_matches_exactly():
    assert place("Rose and rose", Mention("rose", "X"))[0] == [(2, 3, "X")]
    assert place("Tea\n rose", Mention("tea rose", "X"))[0] == [(0, 3, "X")]


@pytest.mark.parametrize(
    "text, words, found",
    [
        ("Pay P&amp;O now", "P&O", None),
        ("Pay Moss & Fern now", "Moss &amp; Fern", "Moss & Fern"),
        ("Ask Rose O'Dell today", "Rose O&#39;Dell", "Rose O'Dell"),
        ("we met Ivy Moss there", "**Ivy Moss**", "Ivy Moss"),
        ("we met Ivy Moss there", "`Ivy Moss`,", "Ivy Moss"),
        ("we met IŞIL there", "Işıl", "IŞIL"),
        ("near İZMİR today", "izmir", "İZMİR"),
        ("near Đà Lạt today", "Da Lat", "Đà Lạt"),
        ("тут жил Фёдоров давно", "Федоров", "Фёдоров"),
        ("جاء مُحَمَّد اليوم", "محمد", "مُحَمَّد"),
        ("from the Wood-\nland Trust", "Woodland Trust", None),
    ],
)
def test_spellings_without_accents_and_with_markup(text, words, found):
    """Where the tokens do not fit, it stays open, and is never said not to be there."""
    spans, dropped = place(text, Mention(words, "X"))
    placed = [str(NLP(text)[start:end]) for start, end, _ in spans]
    assert placed == [found] if found else "not_in_text" not in dropped


@pytest.mark.parametrize("text, words", [("か is no word", "が"), ("we sell C now", "C++")])
def test_other_words_are_not_taken_for_these(text, words):
    assert place(text, Mention(words, "X")) == ([], {"not_in_text": 1})


def test_spans_must_fall_on_tokens():
    doc_text = "the re-potted fern"
    assert place(doc_text, Mention("potted fern", "X"))[0] == [(3, 5, "X")]
    assert place("$5bag", Mention("$5", "X")) == ([], {"off_tokens": 1})
    assert place("x@rose.com now", Mention("rose", "X")) == ([], {"off_tokens": 1})


def test_what_is_taken_is_not_listed_again():
    taken = [Reading(0, 1, "X", 0.9)]
    assert place("rose rose", Mention("rose", "X"), taken=taken)[0] == [(1, 2, "X")]
    assert place("rose", Mention("rose", "Y"), taken=taken)[0] == [(0, 1, "Y")]


def test_offsets_are_those_of_the_document():
    doc = NLP("  one two three two")
    window = Window(3, 5, 3, 5)
    (reading,) = map_mentions(WindowText(doc, window), [Mention("two", "X")], Counter()).readings
    assert doc[reading.start : reading.end].text == "two"
    assert reading.start == 4


@pytest.mark.parametrize(
    "listed, expected",
    [
        # the longer one first, or last
        (["rose garden PLACE", "rose PLANT"], [(1, 3, "PLACE"), (1, 2, "PLANT")]),
        (["rose PLANT", "rose garden PLACE"], [(1, 2, "PLANT"), (1, 3, "PLACE")]),
        # the inner one, then the one that stands alone
        (
            ["rose garden PLACE", "rose PLANT", "rose PLANT"],
            [(1, 3, "PLACE"), (1, 2, "PLANT"), (5, 6, "PLANT")],
        ),
        # another label on the same words goes to a place of its own where there is one
        (["rose PLANT", "rose COLOUR"], [(1, 2, "PLANT"), (5, 6, "COLOUR")]),
        (["rose garden PLACE", "rose garden BRAND"], [(1, 3, "PLACE"), (1, 3, "BRAND")]),
        (["has a rose THING", "rose PLANT"], [(3, 6, "THING"), (5, 6, "PLANT")]),
    ],
)
def test_nested_words_are_placed_inside_of_the_longer_mention(listed, expected):
    mentions = [Mention(*entry.rsplit(" ", 1)) for entry in listed]
    assert place("the rose garden has a rose", *mentions, overlapping=True)[0] == expected


def test_where_spans_do_not_overlap_a_free_place_goes_first():
    text = "the rose garden has a rose"
    mentions = [Mention("rose garden", "PLACE"), Mention("rose", "PLANT")]
    assert place(text, *mentions)[0] == [(1, 3, "PLACE"), (5, 6, "PLANT")]
    assert place(text, *mentions[::-1])[0] == [(5, 6, "PLANT"), (1, 3, "PLACE")]


def find_doubts(text, *mentions, **settings):
    doc = NLP(text)
    (window,) = make_windows(doc, 100)
    mapped = map_mentions(WindowText(doc, window), mentions, Counter(), **settings)
    return [(d.start, d.end, d.reason) for d in mapped.doubts], mapped.lost


def test_words_that_are_listed_once_and_stand_three_times():
    text, rose = "rose and rose and rose", Mention("Rose", "X", 0.9)
    assert place(text, rose, repeats="listed")[0] == [(0, 1, "X")]
    assert place(text, rose, repeats="abstain")[0] == [(0, 1, "X")]
    assert place(text, rose, repeats="all")[0] == [(0, 1, "X"), (2, 3, "X"), (4, 5, "X")]
    assert find_doubts(text, rose, repeats="listed") == ([], None)
    open_ = [(2, 3, "listed_once"), (4, 5, "listed_once")]
    assert find_doubts(text, rose, repeats="abstain") == (open_, None)
    # who lists them twice has counted
    assert find_doubts(text, rose, rose, repeats="abstain") == ([], None)


def test_places_in_other_listed_spans_are_no_repeats():
    text = "a good burger at good time"
    mentions = Mention("good burger", "DISH"), Mention("good", "RATING")
    assert find_doubts(text, *mentions, repeats="abstain") == ([], None)
    nested = find_doubts(text, *mentions, repeats="abstain", overlapping=True)
    assert nested == ([(4, 5, "listed_once")], None)


def test_what_cannot_be_placed_leaves_open_what_it_may_have_meant():
    assert find_doubts("a sandpit here", Mention("sand", "X")) == ([(1, 2, "off_tokens")], None)
    assert find_doubts("a sandpit here", Mention("moon", "X")) == ([], "not_in_text")
    assert find_doubts("a rose here", Mention("rose", "")) == ([(1, 2, "unknown_label")], None)
    # a word inside of a longer one is no other place of it
    assert find_doubts("sand in a sandpit", Mention("sand", "X"), repeats="abstain") == ([], None)


def test_words_that_fill_no_tokens_are_not_taken_for_those_that_do():
    doc = Doc(NLP.vocab, words=["北京很大", "，", "北京"], spaces=[False] * 3)
    (window,) = make_windows(doc, 100)
    dropped = Counter()
    mapped = map_mentions(WindowText(doc, window), [Mention("北京", "X")], dropped)
    assert (mapped.readings, dropped) == ([], {"off_tokens": 1})
    assert [(d.start, d.end) for d in mapped.doubts] == [(2, 3), (0, 1)]


@pytest.mark.parametrize(
    "words, mention, expected",
    [
        (["_Acme", "Ltd_", "paid"], "Acme Ltd", (0, 2)),
        (["(", "Oslo.)", "now"], "Oslo", (1, 2)),
        (["\u200eOslo", "now"], "Oslo", (0, 1)),
        (["Fen\u200bwick", "paid"], "Fenwick", (0, 1)),
        (["5", "kg"], "5", (0, 1)),
        (["C++", "now"], "C", None),
        (["re-pot", "it"], "pot", None),
        (["$5bag"], "$5", None),
        (["5%"], "5", None),
    ],
)
def test_only_what_clings_to_a_word_belongs_to_its_token(words, mention, expected):
    doc = Doc(NLP.vocab, words=words, spaces=[True] * len(words))
    (window,) = make_windows(doc, 100)
    found = WindowText(doc, window).find(Mention(mention, "X"))
    assert found.spans == ([expected] if expected else [])


WORDS = st.lists(
    st.sampled_from(["rose", "rose", "elm", "the", "a", "(", "Elm"]), min_size=1, max_size=9
)


@settings(max_examples=300, deadline=None)
@given(
    WORDS,
    st.lists(
        st.tuples(
            st.sampled_from(["rose", "elm", "rose elm", "the rose", "oak"]), st.sampled_from("XY")
        ),
        max_size=5,
    ),
    st.booleans(),
    st.sampled_from(["all", "abstain", "listed"]),
)
def test_every_reading_holds_the_words_of_a_mention_and_none_is_listed_twice(
    words, listed, overlapping, repeats
):
    doc = Doc(NLP.vocab, words=words)
    (window,) = make_windows(doc, 100)
    dropped = Counter()
    mentions = [Mention(*entry) for entry in listed]
    mapped = map_mentions(
        WindowText(doc, window), mentions, dropped, overlapping=overlapping, repeats=repeats
    )
    keys = [reading.key for reading in mapped.readings]
    assert len(set(keys)) == len(keys)
    said = {(text, label) for text, label in listed}
    assert {(str(doc[s:e]).lower(), label) for s, e, label in keys} <= said
    if repeats != "all":
        assert len(keys) + sum(dropped.values()) == len(mentions)
    # what stands somewhere is listed or counted, never lost in silence
    assert (mapped.lost is None) == all(m.text in str(doc).lower() for m in mentions)


@pytest.mark.parametrize(
    "text, words, found",
    [
        ("a moss grew by Moss", "**Moss**", (4, 5)),
        ("we told US that", "`US`", (2, 3)),
        ("will you ask Will", "Will*", (3, 4)),
        ("the pate by Paté", "“Paté”", (3, 4)),
        ("the pate by Paté", "Pâté", None),
        ("all rosemary by Rosè", "Rosé", (3, 4)),
        ("i saw a fern", "I.", None),
        ("i saw I", "*I*", (2, 3)),
    ],
)
def test_without_markup_the_spelling_still_counts(text, words, found):
    spans, dropped = place(text, Mention(words, "X"))
    assert spans == ([(*found, "X")] if found else [])
    assert dropped == ({} if found else {"not_in_text": 1})


def test_a_code_of_no_character_is_looked_for_as_it_is():
    assert place("a rose", Mention("&#1;", "X")) == ([], {"not_in_text": 1})
