from collections import Counter

import spacy

from spacy_llmjudge.judge.long_documents import Window, make_windows
from spacy_llmjudge.judge.mapping import Reading, WindowText, map_mentions
from spacy_llmjudge.judge.replies import Mention

NLP = spacy.blank("en")


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
