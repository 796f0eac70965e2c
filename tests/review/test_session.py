"""What comes next for whom, and what answers come to."""

import pytest
from review_helpers import answer_next, make_docs, make_gold_session, make_session

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.review.certify import certify, count_left
from spacy_llmjudge.selection.certificate import most_wrong


def test_each_answer_tightens_the_bound_and_is_saved(tmp_path):
    saved = []
    session = make_session(tmp_path, saved=saved)
    bounds = [session.state("ann")["certificate"]["bound"]]
    for _ in range(5):
        bounds.append(answer_next(session)["certificate"]["bound"])
    assert bounds == sorted(bounds, reverse=True) and bounds[0] == 1
    assert bounds[-1] == most_wrong(16, 5, 0) / 16
    assert [len(given) for given in saved] == [0, 1, 2, 3, 4, 5]


def test_the_planned_ones_come_first_and_more_if_one_likes(tmp_path):
    session = make_session(tmp_path)
    for _ in range(5):
        state = answer_next(session)
    assert state["item"] is None and state["progress"] == {"done": 5, "of": 5, "all": 16}
    state = answer_next(session, more=True)
    assert state["item"] is not None and state["progress"]["done"] == 6


def test_the_draw_is_the_same_every_time_and_another_with_another_name(tmp_path):
    first, second = (make_session(tmp_path / name).state("ann")["item"]["id"] for name in "ab")
    assert first == second
    order = [one.id for one in make_session(tmp_path / "c").task.items]
    assert sorted(order) != order


def test_a_skipped_span_counts_as_wrong_until_it_is_answered(tmp_path):
    session = make_session(tmp_path)
    skipped = session.state("ann")["item"]["id"]
    session.act("skip", {"by": "ann", "item": skipped})
    assert session.state("ann")["certificate"]["answered"] == 0
    for _ in range(4):
        state = answer_next(session)
    assert (state["certificate"]["answered"], state["certificate"]["wrong"]) == (5, 1)
    assert state["item"]["id"] == skipped
    assert answer_next(session)["certificate"]["wrong"] == 0


def test_undo_shows_the_item_again(tmp_path):
    session = make_session(tmp_path)
    first = session.state("ann")["item"]["id"]
    answer_next(session, right=False)
    assert session.state("ann")["certificate"]["wrong"] == 1
    state = session.act("undo", {"by": "ann"})
    assert state["item"]["id"] == first and state["certificate"]["answered"] == 0
    # nothing to take back is no error
    assert session.act("undo", {"by": "ann"})["mine"] == 0


def test_two_people_share_the_work_and_what_both_said_is_compared(tmp_path):
    session = make_session(tmp_path)
    item = session.state("ann")["item"]
    assert session.state("bo")["item"]["id"] == item["id"]
    answer_next(session, "ann")
    # bo had the same item on the screen
    data = {"by": "bo", "item": item["id"], "spans": []}
    state = session.act("answer", data)
    assert state["agreement"] == [{"first": "ann", "second": "bo", "same": 0, "both": 1}]
    # one item, and wrong where one of the two says so
    assert (state["certificate"]["answered"], state["certificate"]["wrong"]) == (1, 1)
    assert state["item"]["id"] == session.state("ann")["item"]["id"] != item["id"]


def test_each_item_can_go_to_two_people(tmp_path):
    session = make_session(tmp_path, people=2)
    for _ in range(5):
        answer_next(session, "ann")
    assert session.state("ann")["item"] is None
    assert session.state("ann")["progress"]["done"] == 0
    for _ in range(5):
        state = answer_next(session, "bo")
    assert state["progress"]["done"] == 5
    assert state["agreement"] == [{"first": "ann", "second": "bo", "same": 5, "both": 5}]


def test_a_draft_is_shown_again_and_is_no_answer(tmp_path):
    session = make_session(tmp_path)
    item = session.state("ann")["item"]
    draft = [[0, 2, "PLANT"]]
    session.act("draft", {"by": "ann", "item": item["id"], "spans": draft})
    state = session.state("ann")
    assert [list(one) for one in state["item"]["now"]] == draft
    assert state["item"]["spans"] == item["spans"] and state["certificate"]["answered"] == 0
    assert session.state("bo")["item"]["now"] == item["spans"]


def test_nothing_that_is_known_of_a_span_is_shown_before_it_is_certified(tmp_path):
    session = make_session(tmp_path, probability=lambda doc, key: 0.123)
    item = session.state("ann")["item"]
    assert item["facts"] == () and "0.123" not in str(item)


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"by": " "},
        {"by": 3},
        {"by": "ann"},
        {"by": "ann", "item": "x", "spans": []},
        {"by": "ann", "item": [], "spans": []},
        {"by": "ann", "spans": None},
        {"by": "ann", "spans": [1]},
        {"by": "ann", "spans": [[0, 1]]},
        {"by": "ann", "spans": [[0, True, "PEST"]]},
        {"by": "ann", "spans": [[1, 1, "PEST"]]},
        {"by": "ann", "spans": [[0, 6, "PEST"]]},
        {"by": "ann", "spans": [[-1, 1, "PEST"]]},
        {"by": "ann", "spans": [[0, 1, "OTHER"]]},
        {"by": "ann", "spans": [[0, 1, "PEST"], [2, 3, "PEST"]]},
    ],
)
def test_what_no_page_sends_changes_nothing(tmp_path, data):
    session = make_session(tmp_path)
    before = session.answers.path.read_bytes()
    if isinstance(data, dict) and "spans" in data:
        data.setdefault("item", session.state("ann")["item"]["id"])
    with pytest.raises(LLMJudgeError, match="J932"):
        session.act("answer", data)
    assert session.answers.path.read_bytes() == before and not session.answers.given


def test_entities_of_a_document_may_not_overlap(tmp_path):
    session, saved = make_gold_session(tmp_path)
    item = session.state("ann")["item"]
    spans = [[0, 2, "PEST"], [1, 3, "PLANT"]]
    with pytest.raises(LLMJudgeError, match="overlap"):
        session.act("answer", {"by": "ann", "item": item["id"], "spans": spans})
    session.act("answer", {"by": "ann", "item": item["id"], "spans": [[1, 3, "PLANT"]]})
    assert [spans for _, spans in saved] == [((1, 3, "PLANT"),)]


def test_pac_labelling_asks_on_about_what_is_unsure(tmp_path):
    docs = make_docs(150)
    sure = {doc.text: i / 150 for i, doc in enumerate(docs)}
    session = make_session(
        tmp_path, docs, planned=60, epsilon=0.1, probability=lambda doc, key: sure[doc.text]
    )
    task, given = session.task, session.answers.given
    for _ in range(60):
        item = task.find(session.state("ann")["item"]["id"])
        # what is unsure is wrong
        answer_next(session, right=item.probability > 0.25)
    left = count_left(task, given)
    assert 0 < left < 200
    state = session.state("ann")
    asked = []
    while state["item"] is not None:
        asked.append(task.find(state["item"]["id"]).probability)
        state = answer_next(session, right=asked[-1] > 0.25)
    assert len(asked) == left and asked == sorted(asked) and count_left(task, given) == 0
    assert "with 95 % confidence" in state["certificate"]["pac"]
    # what was asked because it is unsure is no random sample
    assert state["certificate"]["answered"] == certify(task, given).answered == 60
