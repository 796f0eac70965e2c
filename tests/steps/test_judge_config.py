"""Definitions of labels reach every judge's prompt, and without them nothing changes."""

from pathlib import Path

import pytest
from corpora_helpers import write_jsonl
from english import NLP

from spacy_llmjudge.cli.arguments import paths_in
from spacy_llmjudge.steps.judge_config import load_judges, read_judge_config
from spacy_llmjudge.targets.cats import Cats

JUDGES = Path(__file__).parents[2] / "configs" / "judges"
DEFINITIONS = 'PEST: animals that cost $5 or 10 % of \\"all\\" leaves\n'


@pytest.fixture
def assets(tmp_path):
    (tmp_path / "labels.yml").write_text(DEFINITIONS, encoding="utf8")
    pest = {"start": 0, "end": 5, "label": "PEST"}
    plant = {"start": 12, "end": 16, "label": "PLANT"}
    rows = [{"text": "slugs on my rose", "spans": [pest, plant]}]
    write_jsonl(tmp_path / "labelled.jsonl", rows)
    write_jsonl(tmp_path / "responses.jsonl", [{"text": "aphids", "response": {"entities": []}}])
    return tmp_path


def prompt_of(name, overrides, target=None):
    config = read_judge_config(JUDGES / name, overrides, target)
    nlp, (judge, *_) = load_judges(config, JUDGES / name, target)
    doc = NLP.make_doc("aphids")
    ((prompts, _),) = judge.task.generate_prompts([doc])
    return str(list(prompts)[0])


@pytest.mark.parametrize("name", ["recorded.cfg", "ollama.cfg"])
def test_prompts_show_what_labels_mean(assets, name):
    labelled = {"paths.labelled": str(assets / "labelled.jsonl")}
    labelled["paths.replies"] = str(assets / "responses.jsonl")
    without = prompt_of(name, labelled)
    found = prompt_of(name, {**paths_in(assets), **labelled})
    assert "PEST: animals" not in without
    meaning = 'animals that cost $5 or 10 % of \\"all\\" leaves'
    assert found == without.replace("- PEST\n", f"- PEST: {meaning}\n", 1)


def test_what_the_config_says_itself_stays(assets):
    given = {"components.llm_judge.task.label_definitions": {"PEST": "mine"}}
    config = read_judge_config(JUDGES / "recorded.cfg", {**paths_in(assets), **given})
    assert config["components"]["llm_judge"]["task"]["label_definitions"] == {"PEST": "mine"}


def test_a_text_classifier_of_spacy_llm_gets_them_too(assets):
    target = Cats(("PEST", "PLANT"))
    config = read_judge_config(JUDGES / "textcat.cfg", paths_in(assets), target)
    task = config["components"]["llm"]["task"]
    assert list(task["label_definitions"]) == ["PEST"]


def test_a_file_that_says_nothing_changes_nothing(assets):
    (assets / "labels.yml").write_text('PEST:\n  definition: ""\n', encoding="utf8")
    with_file = read_judge_config(JUDGES / "recorded.cfg", paths_in(assets))
    assert "label_definitions" not in with_file["components"]["llm_judge"]["task"]
