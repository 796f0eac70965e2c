"""Text that people write is read in the encodings in which editors save it, or refused in one line."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_llmjudge.configs import read_config, read_text
from spacy_llmjudge.errors import LLMJudgeError

CONFIG = '[nlp]\nlang = "de"\n# für Müller\n\n[paths]\ngold = "größe.spacy"\n'
MARKED = {
    "utf8": b"",
    "utf-8-sig": b"",
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
}


@pytest.mark.parametrize("encoding", MARKED)
def test_a_config_is_read_in_every_encoding_that_can_be_told(encoding, tmp_path):
    path = tmp_path / "a.cfg"
    path.write_bytes(MARKED[encoding] + CONFIG.replace("\n", "\r\n").encode(encoding))
    config = read_config(path, {"nlp.lang": "fr"})
    assert config == {"nlp": {"lang": "fr"}, "paths": {"gold": "größe.spacy"}}


@given(
    text=st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    encoding=st.sampled_from([*MARKED]),
)
def test_text_comes_back_from_every_encoding(text, encoding, tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "a.txt"
    text = text.replace("\r", "").removeprefix("\ufeff")
    path.write_bytes(MARKED[encoding] + text.encode(encoding))
    assert read_text(path) == text


def test_another_encoding_is_named_with_its_line(tmp_path):
    path = tmp_path / "a.cfg"
    path.write_bytes(CONFIG.encode("latin-1"))
    with pytest.raises(LLMJudgeError, match=r"\[J678\] .*a.cfg, line 3: not UTF-8"):
        read_config(path)


@pytest.mark.parametrize(
    "text",
    [
        "lang = 1",
        "[nlp]\nlang = 1\nlang = 2",
        "[nlp]\n[nlp]\n",
        "[paths]\ngold = ${paths.nothing}",
        "[paths]\ngold = ${",
        "[a.b]\nc = 1",
        "\x00",
    ],
)
def test_what_is_no_config_is_named(text, tmp_path):
    path = tmp_path / "a.cfg"
    path.write_text(text, encoding="utf8")
    try:
        read_config(path)
    except LLMJudgeError as error:
        assert error.code == "J679" and "a.cfg" in str(error)
    except ValueError as error:
        # confection's own, which the command line shows as J813
        assert type(error).__name__ == "ConfigValidationError"
    else:
        raise AssertionError("read")
