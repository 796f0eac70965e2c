"""The judge in languages with and without spaces, marks and cases: what it lists is found, or it abstains.

No entity that a reply lists becomes `not_entity`, however it is spelled and however the text is cut.
"""

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from language_sentences import SENTENCES, read_sentences
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import Candidate, get_candidates, get_status, set_candidates
from spacy_llmjudge.judge.tasks.annotate import make_annotate_task

LABELS = ["PER", "LOC", "ORG"]
ROWS = [(language, *row) for language in SENTENCES for row in read_sentences(language)]
# words that stand in their text once
UNREPEATED = [
    (language, doc, keys)
    for language, doc, keys in ROWS
    if all(doc.text.count(str(doc[start:end])) == 1 for start, end, _ in keys)
]
SPELLINGS = {
    "as it is": str,
    "composed": lambda words: unicodedata.normalize("NFC", words),
    "decomposed": lambda words: unicodedata.normalize("NFD", words),
    "compatible": lambda words: unicodedata.normalize("NFKD", words),
    "full width": lambda words: "".join(
        chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in words
    ),
    "capitals": str.upper,
    "small letters": str.lower,
    "other quotes": lambda words: words.replace("„", '"').replace("“", '"').replace("”", '"'),
    "other dashes": lambda words: words.replace("-", "–"),
    "other spaces": lambda words: words.replace(" ", "\u00a0 "),
    "zero width": lambda words: "\u200b".join(words),
    "soft hyphen": lambda words: words[:1] + "\u00ad" + words[1:],
    "marks of direction": lambda words: f"\u200f{words}\u200e",
    "squeezed": lambda words: words.replace(" ", ""),
    "with a full stop": lambda words: words + ".",
}
FOREIGN = ["Xanadu", "Quisquilia Inc", "某某某", "ไม่มีจริง", "غير موجود", "未知の町"]


def judge(doc, keys, listed, **task_settings):
    """The candidates of a document by their keys, after a reply that lists words with labels."""
    set_candidates(doc, [Candidate(*key, source="student") for key in keys])
    entries = [{"text": text, "label": label, "confidence": 96} for text, label in listed]
    task = make_annotate_task(labels=LABELS, **task_settings)
    reply = json.dumps({"entities": entries, "alternatives": []})
    list(task.parse_responses([[doc]], [[reply]]))
    return {c.key: c for c in get_candidates(doc)}


def with_neighbours(doc, keys):
    """The entities, and what a student could take for some: a token more, another label."""
    found = set(keys)
    for start, end, label in keys:
        found |= {(start, end, other) for other in LABELS}
        found |= {(max(start - 1, 0), end, label), (start, min(end + 1, len(doc)), label)}
    return sorted(found)


def words_of(doc, keys):
    return [(str(doc[start:end]), label) for start, end, label in keys]


def rebuild(doc, change):
    """The same document with every token spelled in another way."""
    words = [change(token.text) for token in doc]
    return Doc(Vocab(), words=words, spaces=[bool(token.whitespace_) for token in doc])


def test_there_are_twenty_sentences_in_each_language():
    assert {
        language: len(list(read_sentences(language))) for language in SENTENCES
    } == dict.fromkeys(("zh", "ja", "ko", "th", "ar", "hi", "de"), 20)


@pytest.mark.parametrize("language", SENTENCES)
def test_every_entity_that_is_listed_as_it_stands_is_placed(language):
    for doc, keys in read_sentences(language):
        found = judge(doc, with_neighbours(doc, keys), words_of(doc, keys))
        assert {key for key, c in found.items() if c.verdict == "correct"} == set(keys)
        assert get_status(doc) == {"state": "judged", "reason": None}
        assert {c.support for c in found.values() if c.verdict == "correct"} == {0.96}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("language", SENTENCES)
def test_every_entity_is_placed_however_the_reply_spells_it(language, spelling):
    for doc, keys in read_sentences(language):
        listed = [(SPELLINGS[spelling](text), label) for text, label in words_of(doc, keys)]
        found = judge(doc, keys, listed)
        assert "not_entity" not in {c.verdict for c in found.values()}
        # a full stop that stands in the text is listed, and one that does not is not found
        if spelling != "with a full stop":
            assert {key for key, c in found.items() if c.verdict == "correct"} == set(keys)


@pytest.mark.parametrize(
    "spelling", ["composed", "decomposed", "compatible", "full width", "zero width", "soft hyphen"]
)
@pytest.mark.parametrize("language", SENTENCES)
def test_every_entity_is_placed_however_the_text_spells_it(language, spelling):
    for doc, keys in read_sentences(language):
        listed = words_of(doc, keys)
        found = judge(rebuild(doc, SPELLINGS[spelling]), keys, listed)
        assert {key for key, c in found.items() if c.verdict == "correct"} == set(keys)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_listed_entity_becomes_no_entity_however_the_text_is_cut(data):
    """Tokens that are joined, as by a tokenizer that does not know the language."""
    _, doc, keys = data.draw(st.sampled_from(ROWS))
    listed = words_of(doc, keys)
    joins = {
        i for i in range(1, len(doc)) if not doc[i - 1].whitespace_ and data.draw(st.booleans())
    }
    starts = [i for i in range(len(doc)) if i not in joins]
    words = [
        "".join(token.text for token in doc[a:b]) for a, b in zip(starts, [*starts[1:], len(doc)])
    ]
    spaces = [bool(doc[b - 1].whitespace_) for b in [*starts[1:], len(doc)]]
    coarse = Doc(Vocab(), words=words, spaces=spaces)
    token_of = {i: sum(start <= i for start in starts) - 1 for i in range(len(doc))}
    covering = {(token_of[s], token_of[e - 1] + 1, label) for s, e, label in keys}
    found = judge(coarse, covering, listed)
    open_ = [c for key, c in found.items() if key in covering and c.verdict != "correct"]
    assert {c.verdict for c in open_} <= {"abstained"}
    assert {c.reason for c in open_} <= {"off_tokens", "listed_once"}
    if "off_tokens" in {c.reason for c in open_}:
        assert get_status(coarse)["state"] == "abstained"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_one_that_stands_nowhere_leaves_open_what_is_not_listed(data):
    _, doc, keys = data.draw(st.sampled_from(UNREPEATED))
    lost = data.draw(st.sampled_from(FOREIGN)), data.draw(st.sampled_from(LABELS))
    kept = data.draw(st.sets(st.sampled_from(keys), max_size=len(keys)))
    found = judge(doc, keys, [*words_of(doc, sorted(kept)), lost])
    assert {c.verdict for key, c in found.items() if key in kept} <= {"correct"}
    assert {c.verdict for key, c in found.items() if key not in kept} <= {
        "abstained",
        "wrong_label",
    }
    assert get_status(doc)["state"] == "abstained"


@pytest.mark.parametrize("language", SENTENCES)
def test_a_list_of_another_text_is_no_answer(language):
    for doc, keys in read_sentences(language):
        found = judge(doc, keys, [(words, "PER") for words in FOREIGN])
        assert {(c.verdict, c.reason) for c in found.values()} == {("abstained", "not_in_text")}
        assert get_status(doc) == {"state": "abstained", "reason": "not_in_text"}


@pytest.mark.parametrize("language", SENTENCES)
def test_spans_that_nest_are_placed_as_well(language):
    for doc, keys in read_sentences(language):
        nested = sorted({*keys, *((s, s + 1, "ORG") for s, e, _ in keys if e - s > 1)})
        found = judge(doc, nested, words_of(doc, nested), overlapping=True)
        assert {key for key, c in found.items() if c.verdict == "correct"} >= set(keys)
        assert "not_entity" not in {c.verdict for c in found.values()}
