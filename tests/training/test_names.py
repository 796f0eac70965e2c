import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.training.names import check_package_name


@pytest.mark.parametrize("name", ["ner", "my_ner", "Ner2", "a"])
@pytest.mark.parametrize("version", ["1", "0.1.0", "2026.1", "1.0rc1", "1.0.post1"])
def test_names_and_versions_of_packages(name, version):
    check_package_name(name, version)


@pytest.mark.parametrize(
    "name", ["my-ner", "", "1a", "a b", "a'b", "nöpe", "../x", "a_", "_a", "a\n"]
)
def test_what_is_no_name(name):
    with pytest.raises(LLMJudgeError, match=r"\[J676\]"):
        check_package_name(name, "0.1.0")


@pytest.mark.parametrize("version", ["", "x", "1,5", "1.0/2", "../1", "1 2", "-1"])
def test_what_is_no_version(version):
    with pytest.raises(LLMJudgeError, match=r"\[J677\]"):
        check_package_name("ner", version)


@given(st.text(max_size=12))
def test_a_name_that_is_taken_is_one_for_spacy_and_pip(name):
    try:
        check_package_name(name, "0.1.0")
    except LLMJudgeError:
        return
    from spacy.cli.package import _is_permitted_package_name

    assert name.isidentifier() and name.isascii() and _is_permitted_package_name(name)
