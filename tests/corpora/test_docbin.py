"""A `.spacy` file may carry entities, groups of spans and labels at once."""

import pytest
from corpora_helpers import NLP, read_file
from spacy.tokens import Doc, DocBin, Span

from spacy_llmjudge.corpora.choose_target import Wanted, choose_target
from spacy_llmjudge.corpora.formats import Part
from spacy_llmjudge.corpora.settings import ReadSettings
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.targets.cats import Cats
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.targets.spans import Spans


def make(ents=None, groups=None, cats=None):
    doc = Doc(NLP.vocab, words=["Delta", "Works", "paid", "Vera"])
    if ents is not None:
        doc.set_ents([Span(doc, *key) for key in ents], default="outside")
    for key, keys in (groups or {}).items():
        doc.spans[key] = [Span(doc, *span) for span in keys]
    doc.cats = cats or {}
    return doc


def read(tmp_path, doc, target):
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "a.spacy")
    (found,) = read_file(tmp_path / "a.spacy", target=target)
    return target.keys(found) if target.is_annotated(found) else None


ENTS = [(0, 2, "ORG")]
NESTED = [(0, 1, "LOC"), (0, 2, "ORG")]


@pytest.mark.parametrize(
    "doc,target,expected",
    [
        (make(ents=ENTS), Ents(), ENTS),
        (make(ents=[]), Ents(), []),
        (make(), Ents(), None),
        (make(groups={"sc": NESTED}), Spans(), NESTED),
        (make(groups={"sc": []}), Spans(), []),
        (make(groups={"mine": NESTED}), Spans("mine"), NESTED),
        (make(ents=ENTS, groups={"sc": NESTED}), Spans(), NESTED),
        (make(ents=ENTS, groups={"sc": NESTED}), Ents(), ENTS),
        (make(ents=ENTS), Spans(), ENTS),
        (make(groups={"sc": ENTS}), Ents(), ENTS),
        (make(cats={"A": 1.0, "B": 0.0}), Cats(("A", "B")), [(0, 4, "A")]),
        (make(cats={"A": 0.9, "B": 0.8}), Cats(("A", "B"), False), [(0, 4, "A"), (0, 4, "B")]),
        (make(ents=ENTS), Cats(("A", "B")), None),
    ],
)
def test_what_the_target_asks_for_is_read(tmp_path, doc, target, expected):
    assert read(tmp_path, doc, target) == expected


def test_our_own_groups_are_no_annotation(tmp_path):
    assert read(tmp_path, make(groups={"llmjudge": NESTED}), Spans()) is None


def test_missing_tokens_stay_missing(tmp_path):
    doc = make()
    doc.set_ents([Span(doc, 0, 2, "ORG")], missing=[Span(doc, 3, 4)], default="outside")
    DocBin(docs=[doc]).to_disk(tmp_path / "a.spacy")
    (found,) = read_file(tmp_path / "a.spacy")
    assert [token.ent_iob for token in found] == [3, 1, 2, 0]


def test_labels_that_lack_a_value_stay_open(tmp_path):
    DocBin(docs=[make(cats={"A": 0.0})]).to_disk(tmp_path / "a.spacy")
    (found,) = read_file(tmp_path / "a.spacy", target=Cats(("A", "B"), exclusive=False))
    assert found.cats == {"A": 0.0}


def of_groups(tmp_path, *groups):
    docs = [make(groups=group) for group in groups]
    DocBin(docs=docs).to_disk(tmp_path / "a.spacy")
    return tmp_path / "a.spacy"


def test_another_group_is_none_where_the_file_has_the_one_that_is_asked_for(tmp_path):
    path = of_groups(tmp_path, {"other": ENTS}, {"mine": NESTED}, {"mine": [], "other": ENTS})
    target = Spans("mine")
    found = [
        target.keys(doc) if target.is_annotated(doc) else None
        for doc in read_file(path, target=target)
    ]
    assert found == [None, NESTED, []]


@pytest.mark.parametrize(
    "groups,key",
    [
        ([{"a": ENTS}, {"b": ENTS}], None),
        ([{"a": ENTS, "b": NESTED}], None),
        ([{"a": ENTS}, {"sc": ENTS}], "sc"),
        ([{"a": ENTS}, {"a": []}], "a"),
    ],
)
def test_of_several_groups_one_has_to_be_named(tmp_path, groups, key):
    part = Part(of_groups(tmp_path, *groups))
    parts = {"labelled": part}
    if key is None:
        with pytest.raises(LLMJudgeError, match=r"J614.*a\.spacy is a or b.*--spans-key"):
            choose_target(parts, Wanted(), NLP, ReadSettings())
    chosen = choose_target(parts, Wanted(spans_key=key or "b"), NLP, ReadSettings())
    assert chosen.spans_key == (key or "b")
