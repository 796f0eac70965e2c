import pytest

from spacy_llmjudge.transport.notices import Notices


def test_a_warning_comes_once_and_few_of_a_kind():
    notices = Notices()
    for text in ("[JW330] a", "[JW330] a", "", "[JW331] b", *(f"[JW330] {i}" for i in range(9))):
        notices.add(text)
    with pytest.warns(UserWarning) as caught:
        notices.warn()
    texts = [str(w.message) for w in caught]
    expected = ["[JW330] a", "[JW331] b", *(f"[JW330] {i}" for i in range(5))]
    assert texts == expected


def test_they_are_taken(recwarn):
    notices = Notices()
    notices.add("[JW330] a")
    notices.warn()
    notices.add("[JW330] a")
    notices.warn()
    assert len(recwarn) == 1
