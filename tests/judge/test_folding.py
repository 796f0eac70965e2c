import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.judge.folding import are_whole_words, fold, fold_words, is_mark, is_unseen

ALPHABET = "aB é\u0301ß İi'’“\"–-\u00ad\u200b\u200d\u0640ﬁ5½한ᄒ漢字ありがとうไทยกำคी्ّ\n\t\u00a0"
TEXTS = st.text(alphabet=ALPHABET, max_size=24)


@pytest.mark.parametrize(
    "one, other",
    [
        ("Zürich", "Zu\u0308rich"),
        ("O’Brien", "o'brien"),
        ("“so”", '"so"'),
        ("Oslo–Bergen", "Oslo-Bergen"),
        ("−5", "-5"),
        ("Fen\u00adwick", "fenwick"),
        ("Fen\u200bwick", "Fenwick"),
        ("ＡＢＣ", "abc"),
        ("a \n b", "A\u00a0b"),
        ("Straße", "STRASSE"),
        ("한글", unicodedata.normalize("NFD", "한글")),
        ("مـرحبا", "مرحبا"),
        ("ﬁx", "fix"),
        ("क्\u200dष", "क्ष"),
        ("☎\ufe0f", "☎"),
    ],
)
def test_spellings_of_the_same_words_are_equal(one, other):
    assert fold_words(one) == fold_words(other)


@pytest.mark.parametrize(
    "one, other", [("C", "C++"), ("resume", "résumé"), ("دَار", "دار"), ("1", "½")]
)
def test_other_words_stay_other(one, other):
    assert fold_words(one) != fold_words(other)


@settings(max_examples=500, deadline=None)
@given(TEXTS)
def test_every_folded_character_knows_where_it_came_from(text):
    folded = fold(text)
    assert len(folded.places) == len(folded.text)
    assert folded.places == sorted(folded.places)
    for character, (start, end) in zip(folded.text, folded.places):
        assert 0 <= start < end <= len(text)
        assert character in fold_words(f"x{text[start:end]}x")


@settings(max_examples=500, deadline=None)
@given(TEXTS, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_the_normal_form_makes_no_difference(text, form):
    assert fold_words(unicodedata.normalize(form, text)) == fold_words(text)
    assert fold_words(fold_words(text)) == fold_words(text)


@settings(max_examples=500, deadline=None)
@given(TEXTS, st.data())
def test_what_stands_in_a_text_is_found_where_it_stands(text, data):
    """Every run of whole characters is found at least at its own place, and what is found is the same words."""
    seen = [i for i, c in enumerate(text) if not is_mark(c) and not is_unseen(c)]
    edges = sorted({0, *seen, len(text)})
    start = data.draw(st.sampled_from(edges))
    end = data.draw(st.sampled_from([i for i in edges if i >= start]))
    words = fold_words(text[start:end])
    places = fold(text).find(words)
    for first, last in places:
        assert fold_words(text[first:last]) == words
    if words:
        assert any(start <= first and last <= end for first, last in places)


def test_a_match_never_ends_inside_of_a_character():
    assert fold("한").find(fold_words("하")) == []
    assert fold("ﬁ").find("f") == []
    assert fold("é").find("e") == []


@pytest.mark.parametrize(
    "text, words, whole",
    [
        ("a sandpit", "sand", False),
        ("a sand pit", "sand", True),
        ("x_sand", "sand", False),
        ("5kg", "5", False),
        ("我在北京见到了", "北京", True),
        ("我用Fenwick的手机", "Fenwick", True),
        ("我用Fenwicks的手机", "Fenwick", False),
        ("ฉันอยู่กรุงเทพนะ", "กรุงเทพ", True),
        ("दिल्ली", "दिल्", False),
        ("दिल्ली में", "दिल्ली", True),
        ("서울에서", "서울", True),
    ],
)
def test_whole_words_without_tokens(text, words, whole):
    start = text.index(words)
    assert are_whole_words(text, start, start + len(words)) is whole


@pytest.mark.parametrize("code", ["&#1;", "&#x0B;", "&#31;", "&#127;"])
def test_codes_of_no_character_are_the_characters_that_they_are(code):
    assert fold_words(code) == code.lower()
    assert fold(f"an {code} elm").find(fold_words(code)) == [(3, 3 + len(code))]


def test_only_names_that_html_knows_are_characters():
    assert fold("Moss&Moss; and").find("moss&moss") == [(0, 9)]
    assert fold_words("Oak&notelm;") == "oak&notelm;"
    assert fold_words("Moss &amp; &Uuml;lm &frac12;") == fold_words("Moss & Ülm ½")
