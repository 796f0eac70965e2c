import os

import pytest
from asking import select

from spacy_llmjudge.cluster.keeper import Keeper


@pytest.fixture
def keeper(tmp_path):
    before = os.getcwd()
    made = Keeper(str(tmp_path))
    made.open("l.sqlite", 1000)
    yield made
    made.close()
    os.chdir(before)


def reserve(keeper, who, key="k", charge=6, budget=10):
    return keeper.reserve(who, "l.sqlite", key, "m", charge, budget)


def values(charge, reply=None):
    return {"charge": charge, "reply": reply}


def test_the_budget_is_one_for_all_workers(keeper):
    first = reserve(keeper, "a")
    assert first.state == "reserved"
    refused = reserve(keeper, "b", "other")
    assert (refused.state, refused.n_open) == ("budget", 1)
    keeper.settle("l.sqlite", first.row, "replied", values(2, "yes"))
    second = reserve(keeper, "b", "other")
    assert second.state == "reserved"
    assert keeper.use("l.sqlite", "spent") == 8
    assert reserve(keeper, "b").reply == keeper.use("l.sqlite", "find", "k") == "yes"


def test_what_a_dead_worker_had_under_way_is_open_to_others_and_may_be_paid(keeper):
    lost = reserve(keeper, "a")
    assert reserve(keeper, "b").state == "taken"
    keeper.forget("a")
    again = reserve(keeper, "b", budget=12)
    assert again.state == "reserved"
    # the lost one is not under way any more
    assert reserve(keeper, "b", "other", budget=12).n_open == 1
    assert reserve(keeper, "a").state == "stopped"
    # it lived on, cut off from the others, and its reply comes late
    keeper.settle("l.sqlite", lost.row, "replied", values(1, "late"))
    keeper.release("l.sqlite", lost.row)
    keeper.settle("l.sqlite", again.row, "replied", values(1, "yes"))
    assert select("l.sqlite", "SELECT state, charge, reply FROM attempts ORDER BY id") == [
        ("lost", 6, None),
        ("replied", 1, "yes"),
    ]
    assert reserve(keeper, "b", "other", charge=20).n_open == 0


def test_a_reservation_that_was_not_used_is_taken_back(keeper):
    claim = reserve(keeper, "a")
    keeper.release("l.sqlite", claim.row)
    assert reserve(keeper, "b").state == "reserved"
    assert keeper.use("l.sqlite", "spent") == 6


def test_nothing_is_granted_when_the_run_stops(keeper):
    claim = reserve(keeper, "a")
    keeper.stop()
    assert reserve(keeper, "b", "other").state == "stopped"
    keeper.settle("l.sqlite", claim.row, "replied", values(1, "home"))
    assert keeper.use("l.sqlite", "find", "k") == "home"


def test_a_dead_worker_that_went_first_holds_up_nobody(keeper):
    keeper.add_door("m", (None, None))
    knock = lambda who: keeper.use_door("m", "knock", who)  # noqa: E731
    assert (knock("a"), knock("b")) == ("probe", "wait")
    keeper.forget("c")
    assert knock("b") == "wait"
    keeper.forget("a")
    assert knock("b") == "probe"
    keeper.use_door("m", "leave", True, "b")
    assert knock("c") == "open"


def test_a_door_that_is_there_stays(keeper):
    keeper.add_door("m", (60.0, None))
    keeper.use_door("m", "pause", 60.0)
    keeper.add_door("m", (60.0, None))
    assert keeper.use_door("m", "open_in") > 50
    assert [keeper.use_door("m", "take", 1) > 0 for _ in range(2)] == [False, True]
