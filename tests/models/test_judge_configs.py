import datetime
import json
import socket
from pathlib import Path

import pytest
from spacy.util import load_config, load_model_from_config

from spacy_llmjudge.ledger.model import LedgerModel
from spacy_llmjudge.ledger.prices import find_price, read_prices

FOLDER = Path(__file__).parents[2] / "configs" / "judges"


@pytest.mark.parametrize("name", ["openai", "vllm", "llamacpp", "ollama", "transformers"])
def test_a_config_loads_without_network_key_or_files(name, tmp_path, monkeypatch):
    def refuse(*args, **settings):
        raise AssertionError("network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    nlp = load_model_from_config(load_config(FOLDER / f"{name}.cfg"), auto_fill=True)
    model = nlp.get_pipe("llm_judge")._model
    assert isinstance(model, LedgerModel)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["openai", "vllm", "llamacpp", "ollama"])
def test_two_lines_are_to_be_edited(name):
    lines = (FOLDER / f"{name}.cfg").read_text().splitlines()
    marked = [after for line, after in zip(lines, lines[1:]) if line.startswith("# Edit")]
    assert [line.split(" = ")[0] for line in marked] == ["base_url", "model"]


def test_the_price_of_the_model_in_the_config_is_in_the_table():
    config = load_config(FOLDER / "openai.cfg")
    model = config["components"]["llm_judge"]["model"]
    day, prices = read_prices(FOLDER.parents[1] / model["prices"])
    assert datetime.date.fromisoformat(day) < datetime.date.today()
    note = json.loads((FOLDER / "prices.json").read_text())["note"]
    assert "NOT VERIFIED" in note and "check each that you use with your provider" in note
    assert find_price(prices, model["model"]["model"]) is not None
