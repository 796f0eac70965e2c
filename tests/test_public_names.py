"""The names that a notebook needs: light to import, and all of them there."""

import subprocess
import sys

import pytest

import spacy_llmjudge


def test_the_import_is_light():
    code = (
        "import sys, spacy_llmjudge; "
        "heavy = {'spacy', 'torch', 'numpy', 'thinc', 'transformers', 'sklearn', 'typer'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [name for name in spacy_llmjudge.__all__ if name[0] != "_"])
def test_each_name_is_there_and_is_documented(name):
    found = getattr(spacy_llmjudge, name)
    assert callable(found) and found.__doc__
    assert name in dir(spacy_llmjudge)


def test_the_room_of_the_judge_is_the_step_too():
    import spacy_llmjudge.judge.component as component

    assert spacy_llmjudge.judge.component is component and callable(spacy_llmjudge.judge)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'selftrian'"):
        _ = spacy_llmjudge.selftrian
