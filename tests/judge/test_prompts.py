import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.judge.data_block import make_nonce
from spacy_llmjudge.judge.prompts import (
    TEMPLATES,
    compile_template,
    read_rules,
    read_template,
    rules_by_label,
)

PINNED = {
    "annotate.v1.jinja": "5d41619969b8c267",
    "annotate_spans.v1.jinja": "6824563666f923b5",
    "classify.v1.jinja": "84a862719c99ec0a",
    "confident_cats.v1.jinja": "b039d9e4834fdcd3",
    "rules.v1.jinja": "13b70f4a22bc5407",
    "verify.v1.jinja": "d0c013f7a5fbf2b6",
}


def test_released_templates_never_change():
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in TEMPLATES.glob("*.jinja")
    }
    assert found == PINNED


@settings(max_examples=200, deadline=None)
@given(st.text(), st.text())
def test_nonce_is_a_function_of_salt_and_text_and_never_in_the_text(salt, text):
    nonce = make_nonce(salt, text)
    assert nonce == make_nonce(salt, text)
    assert nonce not in text.lower()


def test_nonce_is_drawn_again_where_the_text_holds_it(monkeypatch):
    monkeypatch.setattr("spacy_llmjudge.judge.data_block.NONCE_LENGTH", 1)
    for free in "0123456789abcdef":
        text = "0123456789ABCDEF".replace(free.upper(), "")
        assert make_nonce("salt", text) == free


def test_nonce_depends_on_the_salt():
    assert make_nonce("a", "same text") != make_nonce("b", "same text")


def test_rules_are_read_in_order(tmp_path):
    path = tmp_path / "rules.txt"
    path.write_text("# by hand\nPLANT: named plants: all of them\n\n  PEST :  pests \n")
    assert read_rules(path) == [("PLANT", "named plants: all of them"), ("PEST", "pests")]


def test_malformed_rule_names_file_and_line(tmp_path):
    path = tmp_path / "rules.txt"
    path.write_text("PLANT: fine\nno label here\n")
    with pytest.raises(LLMJudgeError, match=r"\[J204\].*rules.txt, line 2.*no label here"):
        read_rules(path)


def test_missing_rules_are_a_coded_error(tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J001\].*nowhere.txt"):
        read_rules(tmp_path / "nowhere.txt")


def test_rules_of_other_labels_are_left_out_with_a_warning():
    rules = [("PLANT", "a"), ("PLNAT", "b"), ("PEST", "c"), ("PLANT", "d")]
    with pytest.warns(UserWarning, match=r"\[JW202\].*PLNAT"):
        found = rules_by_label(rules, ["PEST", "PLANT"])
    assert found == {"PEST": ["c"], "PLANT": ["a", "d"]}


def test_template_may_be_a_file_of_the_user_in_a_sandbox(tmp_path):
    path = tmp_path / "mine.jinja"
    path.write_text("{{ text }}|{{ labels | as_json }}")
    template = compile_template(read_template(path))
    assert template.render(text="a<b & {{ c }}", labels=["É"]) == 'a<b & {{ c }}|["É"]'
    unsafe = compile_template("{{ text.__class__.__mro__ }}")
    with pytest.raises(Exception, match="unsafe"):
        unsafe.render(text="x")
