import pytest
from spacy.util import load_config

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.steps.loading import import_code, load_pipeline

KEY = "sk-canary-7Hq2Zr9LmT4vXw81"
CONFIG = """
[nlp]
lang = "en"
pipeline = ["llm_judge"]

[components]

[components.llm_judge]
factory = "llm_judge"

[components.llm_judge.task]
@llm_tasks = "llmjudge.Annotate.v1"
labels = ["PLANT"]

[components.llm_judge.model]
@llm_models = "{model}"
"""
CODE = """
import warnings
from typing import Any, Iterable
from spacy_llm.registry import registry

def say_nothing(prompts: Iterable[Iterable[Any]]) -> Iterable[Iterable[str]]:
    return [["" for _ in group] for group in prompts]

@registry.llm_models("{name}")
def make_model():
    {body}
"""


def write(folder, name, body, code_name="my.Model.v1"):
    (folder / "code.py").write_text(CODE.format(name=code_name, body=body))
    (folder / "judge.cfg").write_text(CONFIG.format(model=name))
    return folder / "code.py", folder / "judge.cfg"


@pytest.mark.parametrize(
    "body, words",
    [
        ("raise ConnectionError('api.example.com cannot be reached')", "api.example.com"),
        ("raise OSError('no route')", "OSError: no route"),
        ("assert False", "AssertionError"),
        ("warnings.warn('Could not find the API key'); assert False", "Could not find the API key"),
        (f"raise ValueError('at https://example.com/v1?key={KEY}')", "https://example.com/v1?..."),
        ("raise KeyError('two\\nlines')", "KeyError"),
    ],
)
def test_what_a_constructor_raises_is_one_line(tmp_path, body, words):
    code, path = write(tmp_path, f"my.Model.{abs(hash(body))}", body, f"my.Model.{abs(hash(body))}")
    import_code(code)
    with pytest.raises(LLMJudgeError, match="J333.*judge.cfg") as caught:
        load_pipeline(load_config(path), path)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_code_registers_what_a_config_names(tmp_path):
    code, path = write(tmp_path, "my.Model.v1", "return say_nothing")
    import_code(code)
    assert load_pipeline(load_config(path), path).pipe_names == ["llm_judge"]


@pytest.mark.parametrize("text", ["1 / 0", "def f(:", "import nothing_of_that_name"])
def test_code_that_fails_is_one_line(tmp_path, text):
    path = tmp_path / "code.py"
    path.write_text(text)
    with pytest.raises(LLMJudgeError, match="J332.*code.py"):
        import_code(path)


def test_code_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(LLMJudgeError, match="J001.*code.py"):
        import_code(tmp_path / "code.py")
    with pytest.raises(LLMJudgeError, match="J332.*code.txt"):
        (tmp_path / "code.txt").write_text("")
        import_code(tmp_path / "code.txt")
