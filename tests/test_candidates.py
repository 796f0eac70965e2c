import pytest
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import (
    KEY,
    Candidate,
    copy_tokens,
    count_statuses,
    get_candidates,
    get_outside,
    get_status,
    register_extensions,
    set_candidates,
    set_decisions,
    set_outside,
    set_status,
)
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import read_docs, write_docs


@pytest.fixture
def doc():
    return Doc(Vocab(), words=["spider", "mites", "on", "ivy"])


def test_two_labels_on_the_same_offsets_keep_their_own_values(doc):
    pest = Candidate(0, 2, "PEST", posterior=0.7, verdict="correct", source="student")
    plant = Candidate(0, 2, "PLANT", posterior=0.2, support=0.1)
    set_candidates(doc, [plant, pest])
    assert get_candidates(doc) == [pest, plant]


def test_candidates_survive_a_docbin(doc):
    found = [Candidate(0, 2, "PEST", confidence=0.5), Candidate(3, 4, "PLANT")]
    set_candidates(doc, found)
    set_outside(doc, [0.1, 0.2, 0.9, 0.3])
    set_status(doc, "abstained", "not_json")
    data = DocBin(docs=[doc]).to_bytes()
    (loaded,) = DocBin().from_bytes(data).get_docs(Vocab())
    assert get_candidates(loaded) == found
    assert get_outside(loaded) == [0.1, 0.2, 0.9, 0.3]
    assert get_status(loaded) == {"state": "abstained", "reason": "not_json"}


def test_new_candidates_keep_what_the_group_knows_of_the_document(doc):
    set_status(doc, "judged")
    set_candidates(doc, [Candidate(3, 4, "PLANT")])
    assert get_status(doc)["state"] == "judged"


def test_decisions_are_written_and_those_of_others_go(doc):
    found = [Candidate(0, 2, "PEST", 0.7), Candidate(3, 4, "PLANT", probability=0.1)]
    set_candidates(doc, found)
    set_decisions(doc, {(0, 2, "PEST"): (0.9, "accepted")})
    accepted = found[0].replace(probability=0.9, decision="accepted")
    assert get_candidates(doc) == [accepted, found[1].replace(probability=None)]


def test_decisions_on_a_group_of_somebody_else_or_none_fill_all_columns(doc):
    set_decisions(doc, {})
    assert get_candidates(doc) == []
    doc.spans[KEY] = [doc[3:4]]
    set_decisions(doc, {(3, 4, ""): (0.5, "undecided")})
    assert get_candidates(doc) == [Candidate(3, 4, "", probability=0.5, decision="undecided")]


def test_a_document_without_candidates_is_not_a_judged_one(doc):
    assert get_candidates(doc) == []
    assert get_outside(doc) is None
    assert get_status(doc) == {"state": None, "reason": None}


def test_lists_of_different_lengths_are_an_error(doc):
    set_candidates(doc, [Candidate(0, 2, "PEST")])
    doc.spans[KEY].attrs["support"] = [0.5, 0.5]
    with pytest.raises(LLMJudgeError, match=r"\[J005\].*different lengths"):
        get_candidates(doc)


def test_a_file_keeps_all_that_the_group_holds(doc, tmp_path):
    set_candidates(doc, [Candidate(0, 2, "PEST", support=0.4)])
    set_outside(doc, [0.0, 0.0, 1.0, 0.5])
    write_docs(tmp_path / "docs.spacy", [doc])
    (kept,) = read_docs(tmp_path / "docs.spacy", Vocab())
    assert get_candidates(kept) == get_candidates(doc)
    assert get_outside(kept) == [0.0, 0.0, 1.0, 0.5]


def test_tokens_are_copied_and_nothing_else(doc):
    doc = Doc(
        doc.vocab,
        words=["it", "'s", "ivy"],
        spaces=[False, True, False],
        ents=["O", "O", "B-PLANT"],
    )
    set_status(doc, "judged")
    doc.cats = {"PLANT": 1.0}
    copy = copy_tokens(doc)
    assert copy.text == doc.text == "it's ivy" and [t.text for t in copy] == [t.text for t in doc]
    assert copy.vocab is doc.vocab
    assert not copy.has_annotation("ENT_IOB") and KEY not in copy.spans and not copy.cats
    other = Vocab()
    assert copy_tokens(doc, other).vocab is other and copy_tokens(doc, other).text == doc.text
    assert len(copy_tokens(Doc(doc.vocab, words=[]))) == 0


def test_states_are_counted(doc):
    docs = [doc, *(copy_tokens(doc) for _ in range(3))]
    set_status(docs[0], "not_sent", "budget")
    set_status(docs[1], "judged")
    set_status(docs[2], "judged")
    assert count_statuses(docs) == {"judged": 2, "not_asked": 1, "not_sent: budget": 1}


def test_getters_read_the_group(doc):
    register_extensions()
    register_extensions()
    set_candidates(doc, [Candidate(0, 2, "PEST", support=0.4)])
    assert doc[0:2]._.llmjudge[0]["support"] == 0.4
    assert doc[2:3]._.llmjudge == []
    assert len(doc._.llmjudge["candidates"]) == 1
