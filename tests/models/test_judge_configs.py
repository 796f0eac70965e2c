import datetime
import json
import socket
import warnings
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from loopback import Loopback
from providers import PROVIDERS
from spacy.util import load_config, load_model_from_config

from spacy_llmjudge.candidates import Candidate, get_status, set_candidates
from spacy_llmjudge.ledger.model import LedgerModel
from spacy_llmjudge.ledger.prices import find_price, read_prices
from spacy_llmjudge.models.openai import make_openai_model
from spacy_llmjudge.transport.messages import Prompt

FOLDER = Path(__file__).parents[2] / "configs" / "judges"
MODEL = "components.llm_judge.model"
KEY = "sk-canary-7Hq2Zr9LmT4vXw81"
QUESTION = Prompt("which?", options=("A", "B"), schema={"type": "object"})
# The providers whose address is the same for everybody.
FIXED = {"anthropic", "gemini", "mistral", "groq", "xai", "deepseek", "openrouter", "together"}


@pytest.mark.parametrize("name", [*PROVIDERS, "textcat", "transformers"])
def test_a_config_loads_without_network_key_or_files(name, tmp_path, monkeypatch):
    def refuse(*args, **settings):
        raise AssertionError("network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(tmp_path)
    nlp = load_model_from_config(load_config(FOLDER / f"{name}.cfg"), auto_fill=True)
    judge = "llm" if name == "textcat" else "llm_judge"
    assert isinstance(nlp.get_pipe(judge)._model, LedgerModel)
    assert list(tmp_path.iterdir()) == []


def test_every_config_with_a_server_has_a_provider_that_it_is_tried_on():
    asks = {p.stem for p in FOLDER.glob("*.cfg") if "llmjudge.OpenAI.v1" in p.read_text()}
    others = {name for name in asks if not name.startswith(("verify_", "two_step_", "panel_"))}
    assert others == {*PROVIDERS, "textcat"}


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_line_or_two_are_to_be_edited(name):
    lines = (FOLDER / f"{name}.cfg").read_text().splitlines()
    marked = [after for line, after in zip(lines, lines[1:]) if line.startswith("# Edit")]
    expected = ["model"] if name in FIXED else ["base_url", "model"]
    assert [line.split(" = ")[0] for line in marked] == expected
    words = "the line that is" if name in FIXED else "the two lines that are"
    assert f"# Copy this file and edit {words} marked." in lines


def test_the_price_of_the_model_in_the_config_is_in_the_table():
    config = load_config(FOLDER / "openai.cfg")
    model = config["components"]["llm_judge"]["model"]
    day, prices = read_prices(FOLDER.parents[1] / model["prices"])
    assert datetime.date.fromisoformat(day) < datetime.date.today()
    note = json.loads((FOLDER / "prices.json").read_text())["note"]
    assert "NOT VERIFIED" in note and "check each that you use with your provider" in note
    assert find_price(prices, model["model"]["model"]) is not None


def judge_at(name, server, tmp_path, monkeypatch):
    """Load a config, but for the host of its server and the table of prices."""
    config = load_config(FOLDER / f"{name}.cfg")
    settings = config["components"]["llm_judge"]["model"]
    inner = settings["model"]
    variables = [inner.get("api_key_env"), *inner.get("headers", {}).values()]
    for variable in filter(None, variables):
        monkeypatch.setenv(variable, KEY)
    path = urlsplit(inner["base_url"]).path
    overrides = {
        "paths.ledger": str(tmp_path / "ledger.db"),
        "components.llm_judge.task.labels": ["PLANT"],
        f"{MODEL}.model.base_url": f"http://127.0.0.1:{server.port}{path}",
        f"{MODEL}.model.backoff": 0.01,
    }
    overrides = (
        {**overrides}
        if "prices" not in settings
        else {**overrides, f"{MODEL}.prices": str(price_table(inner["model"], tmp_path))}
    )
    loaded = load_config(FOLDER / f"{name}.cfg", overrides=overrides)
    nlp = load_model_from_config(loaded, auto_fill=True)
    return nlp, nlp.get_pipe("llm_judge").model


def price_table(model, folder):
    path = folder / "prices.json"
    prices = {model: {"input": 1.0, "output": 4.0}}
    path.write_text(json.dumps({"as_of": "2026-01-31", "usd_per_million_tokens": prices}))
    return path


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_accepts_what_its_config_sends(name, tmp_path, monkeypatch):
    provider = PROVIDERS[name]
    with Loopback(lambda request: provider.answer(request, KEY)) as server:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            nlp, model = judge_at(name, server, tmp_path, monkeypatch)
            doc = nlp.make_doc("roses and slugs")
            set_candidates(doc, [Candidate(0, 1, "PLANT", 0.5)])
            assert get_status(nlp(doc)) == {"state": "judged", "reason": None}
            ((reply,),) = model([[QUESTION]])
    assert reply.state == "replied"
    assert len(server.requests) == 2, "nothing was refused, and nothing tried again"
    asked = server.requests[1].data.get("logprobs")
    assert (reply.logprobs is not None) == bool(asked)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_that_is_busy_is_asked_again(name, tmp_path, monkeypatch):
    provider = PROVIDERS[name]

    def script(request):
        return provider.answer(request, KEY) if request.number else provider.busy

    with Loopback(script) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp, model = judge_at(name, server, tmp_path, monkeypatch)
        ((reply,),) = model([["p"]])
    assert reply.state == "replied" and len(server.requests) == 2


@pytest.mark.parametrize("name", PROVIDERS)
def test_any_provider_can_be_used_with_all_settings_of_another(name, monkeypatch):
    """What it does not know is left out, and each field costs one request."""
    provider = PROVIDERS[name]
    monkeypatch.setenv("LLMJUDGE_TEST_KEY", KEY)
    path = provider.path.removesuffix("/chat/completions").removesuffix("/responses")
    settings = {"top_logprobs": 5, "use_schema": True, "backoff": 0.01}
    if provider.header == "authorization":
        settings["api_key_env"] = "LLMJUDGE_TEST_KEY"
    elif provider.header:
        settings["headers"] = {provider.header: "LLMJUDGE_TEST_KEY"}
    if provider.path.endswith("/responses"):
        settings["api"] = "responses"
    elif "max_tokens" not in provider.fields:
        settings["max_tokens_field"] = "max_completion_tokens"

    with Loopback(lambda request: provider.answer(request, KEY)) as server:
        model = make_openai_model(f"http://127.0.0.1:{server.port}{path}", "m", **settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            replies = [reply for (reply,) in model([[QUESTION]] * 5)]
    assert {reply.state for reply in replies} == {"replied"}
    assert len(server.requests) <= 5 + 5
