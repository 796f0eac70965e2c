import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llmjudge.judge.long_documents import make_windows

VOCAB = Vocab()


def make_doc(n, sentence=0):
    starts = [i % sentence == 0 for i in range(n)] if sentence else None
    return Doc(VOCAB, words=[f"w{i}" for i in range(n)], sent_starts=starts)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 400), st.integers(8, 90), st.integers(0, 60))
def test_windows_own_every_token_once_and_show_what_they_own(n, size, sentence):
    windows = make_windows(make_doc(n, sentence), size)
    owned = [i for window in windows for i in range(window.owned_start, window.owned_end)]
    assert owned == list(range(n))
    for window in windows:
        assert window.end - window.start <= size
        assert window.start <= window.owned_start < window.owned_end <= window.end


def test_short_document_is_one_window():
    (window,) = make_windows(make_doc(10), 10)
    assert (window.start, window.end, window.owned_start, window.owned_end) == (0, 10, 0, 10)


def test_cuts_fall_on_sentence_starts_where_they_are_known():
    windows = make_windows(make_doc(200, sentence=9), 40)
    assert len(windows) > 4
    assert all(window.end % 9 == 0 for window in windows[:-1])


def test_both_sides_of_a_cut_are_shown_to_the_owner():
    for window in make_windows(make_doc(500), 64)[1:-1]:
        assert window.owned_start - window.start >= 4
        assert window.end - window.owned_end >= 4


@pytest.mark.parametrize("text", ["", " ", "\n\n \t"])
def test_document_without_words_has_no_windows(text):
    assert make_windows(spacy.blank("en").make_doc(text), 40) == []
