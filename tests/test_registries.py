import threading

import catalogue
import pytest

from spacy_llmjudge.registries import answering


@pytest.fixture
def asked():
    registry = catalogue.create("llmjudge_tests", "things", entry_points=True)
    registry.register("known", func=1)
    return registry


def test_a_registry_answers_with_what_it_was_given_until_the_block_ends(asked):
    with pytest.raises(KeyError):
        with answering(asked, {"other": 2}):
            assert asked.get_all() == {"other": 2}
            raise KeyError
    assert asked.get_all() == {"known": 1}


def test_other_threads_get_the_usual_answer(asked):
    found = []
    with answering(asked, {"other": 2}):
        thread = threading.Thread(target=lambda: found.append(asked.get_all()))
        thread.start()
        thread.join()
    assert found == [{"known": 1}]


def test_what_asks_may_change_the_answer_it_got(asked):
    with answering(asked, {"other": 2}):
        asked.get_all().clear()
        assert asked.get_all() == {"other": 2}
