"""Tokens become the text that somebody would have written."""

import doctest

import pytest
import spacy
from corpora_helpers import read_file, records_of

from spacy_llmjudge.corpora import spacing as module
from spacy_llmjudge.corpora.duplicates import normalise
from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.corpora.spacing import join_words

TEXTS = {
    "zh": (list("我在北京见到了李明。"), "我在北京见到了李明。"),
    "zh latin": (
        ["他", "用", "New", "York", "的", "3", "G", "手机", ","],
        "他用New York的3 G手机,",
    ),
    "ja": (["田中", "さん", "は", "東京", "タワー", "へ", "。"], "田中さんは東京タワーへ。"),
    "th": (["สมชาย", "อยู่", "ที่", "กรุงเทพ"], "สมชายอยู่ที่กรุงเทพ"),
    "ko": (["민수", "는", "서울", "에", "산다"], "민수 는 서울 에 산다"),
    "en": (["Vera", "left", "."], "Vera left ."),
    "ar": (["سافر", "كريم"], "سافر كريم"),
    "hi": (["अनीता", "दिल्ली", "में"], "अनीता दिल्ली में"),
    "de": (["Zoë", "Groß"], "Zoë Groß"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_scripts_without_spaces_are_joined_without(name):
    words, text = TEXTS[name]
    assert join_words(words, name[:2])[0] == text


def test_chinese_words_in_another_language_keep_their_spaces():
    assert join_words(["the", "北京", "office"], "en")[0] == "the 北京 office"
    assert join_words(["北", "京"], "en")[0] == "北京"


def test_no_words():
    assert join_words([], "zh") == ("", ())


@pytest.mark.parametrize("shape", ["columns", "tags", "tokens"])
def test_all_formats_join_in_the_same_way(tmp_path, shape):
    nlp = spacy.blank("zh")
    words, text = TEXTS["zh"]
    if shape == "columns":
        path = tmp_path / "a.conll"
        tags = ["O", "O", "B-LOC", "E-LOC", *"OOO", "B-PER", "E-PER", "O"]
        path.write_text("".join(f"{w} {t}\n" for w, t in zip(words, tags)), encoding="utf8")
        (doc,) = read_file(path, nlp)
        assert doc.text == text and [ent.text for ent in doc.ents] == ["北京", "李明"]
    else:
        row = {"tokens": words, **({"ner_tags": ["O"] * 10} if shape == "tags" else {})}
        assert records_of(row, nlp)[0].text == text


@pytest.mark.parametrize("lang,name", [("zh", "zh"), ("xx", "ja"), ("xx", "th"), ("en", "en")])
def test_a_labelled_sentence_is_found_in_the_pool(tmp_path, lang, name):
    """However the one and the other are spaced."""
    words, text = TEXTS[name]
    lines = "".join(f"{word} {'O' if i else 'B-X'}\n" for i, word in enumerate(words))
    (tmp_path / "labelled.conll").write_text(lines, encoding="utf8")
    pool = [text.replace(" .", "."), "".join(words), " ".join(words), "something else"]
    (tmp_path / "pool.txt").write_text("\n".join(pool), encoding="utf8")
    report = prepare(tmp_path, tmp_path / "out", lang=lang)
    assert report["documents"]["pool"] == 1 and report["dropped"]["pool"] == {"duplicates": 3}


def test_same_text_however_it_is_written():
    same = ["Café 5 kg.", "cafe\u0301 5kg", "CAFÉ\u00a05\u200bkg !", "ca\u00adfé 5kg…"]
    assert len(set(map(normalise, same))) == 1
    assert normalise("C") != normalise("C++") and normalise("a 😀") != normalise("a 😡")
    assert normalise("?!") != normalise("") == normalise(" \t\u3000")


def test_examples_in_docstrings():
    result = doctest.testmod(module)
    assert result.attempted and not result.failed
