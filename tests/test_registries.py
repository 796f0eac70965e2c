import threading

import catalogue
import pytest
import spacy
from spacy import registry
from spacy.tokens import Doc
from thinc.api import Config

from spacy_llmjudge.registries import answering, make_pipeline, only_factories


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


def test_a_pipeline_is_made_with_the_factories_that_are_named_and_no_others():
    with only_factories("calibrated_confidence", "sentencizer"):
        assert set(registry._entry_point_factories.get_all()) == {"calibrated_confidence"}
        nlp = spacy.blank("en")
        nlp.add_pipe("sentencizer")
        nlp.add_pipe("calibrated_confidence")
    assert {"transformer", "llm", "llm_judge"} <= set(registry._entry_point_factories.get_all())


def test_the_pipeline_of_a_config_has_its_components(tmp_path):
    trained = spacy.blank("en")
    trained.add_pipe("sentencizer")
    trained.to_disk(tmp_path / "trained")
    config = {
        "nlp": {"lang": "en", "pipeline": ["own", "taken"]},
        "components": {
            "own": {"factory": "sentencizer"},
            "taken": {"source": str(tmp_path / "trained"), "component": "sentencizer"},
        },
    }
    assert make_pipeline(Config(config)).pipe_names == ["own", "taken"]
    config["nlp"]["pipeline"].remove("taken")
    del config["components"]["taken"]
    nlp = make_pipeline(Config(config))
    assert nlp.pipe_names == ["own"] and isinstance(nlp("a word"), Doc)
