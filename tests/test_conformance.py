"""`scripts/conformance.py` on scripted servers: what it finds out, in how many requests, and what it prints."""

import json

import pytest
from conformance import main
from loopback import Answer, Loopback, chat, respond
from providers import LOGPROBS, PROVIDERS
from spacy.util import load_config_from_str

KEY = "sk-canary-7Hq2Zr9LmT4vXw81"
SAYS_NOTHING = chat("A", usage={})


def speak(provider, context=1000, drop=()):
    """A server with the rules of a provider that has one model, holds replies to a schema, and cuts them."""
    known = tuple(name for name in provider.fields if name not in drop) + ("n",)

    def script(request):
        asked = request.data
        for name in asked:
            if name not in known:
                return provider.refuse(name)
        if asked["model"] != "m":
            return Answer({"error": {"message": "The model does not exist"}}, 404)
        if len(request.prompt.split()) > context:
            code = {"code": "context_length_exceeded", "message": "Your input is too long"}
            return Answer({"error": code}, 400)
        provided = {**vars(provider), "fields": (*provider.fields, "n")}
        answer = type(provider)(**provided).answer(request, KEY, content(asked))
        is_chat = "choices" in answer.body
        limit = asked.get("max_tokens", asked.get("max_completion_tokens", 1000))
        if is_chat and limit < 10:
            answer.body["choices"][0]["finish_reason"] = "length"
        if asked.get("max_output_tokens") == 16:
            answer.body.update(
                status="incomplete", incomplete_details={"reason": "max_output_tokens"}
            )
        if is_chat and asked.get("n"):
            answer.body["choices"] *= asked["n"]
        return answer

    return script


def content(asked):
    form = asked.get("response_format") or asked.get("text", {}).get("format") or {}
    schema = form.get("json_schema", form).get("schema")
    if schema is None:
        return "A"
    return json.dumps({name: 100 for name in schema["properties"]})


def probe(server, monkeypatch, tmp_path, provider=None, **options):
    monkeypatch.setenv("LLMJUDGE_TEST_KEY", KEY)
    path = provider.path if provider else "/v1/chat/completions"
    api = "responses" if path.endswith("/responses") else "chat"
    path = path.removesuffix("/chat/completions").removesuffix("/responses")
    arguments = ["--base-url", f"http://127.0.0.1:{server.port}{path}", "--model", "m"]
    arguments += ["--api", api, "--output", str(tmp_path / "found.json")]
    header = provider.header if provider else ""
    if header == "authorization":
        arguments += ["--api-key-env", "LLMJUDGE_TEST_KEY"]
    elif header:
        arguments += ["--header", f"{header}=LLMJUDGE_TEST_KEY"]
    for name, value in options.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    code = main(arguments)
    found = json.loads((tmp_path / "found.json").read_text()) if code == 0 else {}
    return code, found, {check["title"]: check for check in found.get("checks", [])}


# What fits each provider, beside its address, model and key.
FITS = {
    "openai": {"use_schema": True, "top_logprobs": 20},
    "azure": {"use_schema": True, "top_logprobs": 20},
    "mistral": {"seed": None, "use_schema": True},
    "gemini": {"seed": None, "use_schema": True},
    "groq": {},
    "together": {"use_schema": True, "top_logprobs": 5, "logprobs_style": "completions"},
    "vllm": {"use_schema": True, "top_logprobs": 20},
    "llamacpp": {"use_schema": True, "top_logprobs": 20},
    "xai": {"use_schema": True, "top_logprobs": 20},
    "openai_responses": {"temperature": None, "use_schema": True, "max_tokens": 8192},
}


@pytest.mark.parametrize("name", FITS)
def test_the_lines_that_fit_a_provider_are_found(name, monkeypatch, tmp_path, capsys):
    provider = PROVIDERS[name]
    with Loopback(speak(provider)) as server:
        code, found, checks = probe(server, monkeypatch, tmp_path, provider)
    assert code == 0 and len(server.requests) == found["requests"] <= 10
    assert found["settings"] == FITS[name]
    assert checks["a reply that is cut says so"]["ok"]
    assert checks["a model that is not there is refused"]["ok"]
    assert checks["a prompt that is too long is refused"]["ok"]
    assert ("a wrong key is refused" in checks) == bool(provider.header)
    out = capsys.readouterr().out
    assert KEY not in out and KEY not in json.dumps(found)
    parents = "[components]\n[components.llm_judge]\n[components.llm_judge.model]\n"
    block = load_config_from_str(parents + out[out.index("[components") :])
    settings = block["components"]["llm_judge"]["model"]["model"]
    assert {**settings, **FITS[name]} == settings and settings["model"] == "m"


def test_ten_requests_are_the_most_and_the_rest_is_said(monkeypatch, tmp_path, capsys):
    drop = ("seed", "temperature", "max_tokens", "top_logprobs", "logprobs", "response_format")

    def refuse(name):
        hint = "Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
        text = f"Unsupported parameter: '{name}'. {hint}"
        return Answer({"error": {"message": text, "param": name}}, 400)

    provider = PROVIDERS["openai"]
    picky = type(provider)(**{**vars(provider), "refuse": refuse})
    with Loopback(speak(picky, drop=drop)) as server:
        code, found, checks = probe(server, monkeypatch, tmp_path, picky)
    assert code == 0 and len(server.requests) == 10
    assert found["settings"]["max_tokens_field"] == "max_completion_tokens"
    assert found["settings"]["seed"] is None and found["settings"]["temperature"] is None
    assert "not asked" in checks["a prompt that is too long is refused"]["found"]
    assert "not asked" in capsys.readouterr().out


def test_what_a_server_does_wrong_is_seen(monkeypatch, tmp_path):
    """It ignores the schema and the order, cuts prompts, counts nothing, and has an answer to everything."""

    def script(request):
        if "response_format" in request.data:
            return Answer(chat('{"confidence": 1, "word": "rose"}', usage={}))
        if len(request.prompt) > 10_000:
            usage = {"prompt_tokens": 2048, "completion_tokens": 1}
            return Answer(chat("A", usage=usage))
        return Answer(SAYS_NOTHING)

    with Loopback(script) as server:
        _, found, checks = probe(server, monkeypatch, tmp_path)
    assert found["settings"] == {"use_schema": True}
    wrong = {title for title, check in checks.items() if check["ok"] is False}
    assert wrong == {
        "tokens are counted",
        "properties come in its order",
        "log-probabilities in the style of chat",
        "log-probabilities in the style of completions",
        "a reply that is cut says so",
        "a prompt that is too long is refused",
    }
    assert "2048 tokens of 40000 words" in checks["a prompt that is too long is refused"]["found"]


def test_thinking_is_noticed_and_gets_room(monkeypatch, tmp_path):
    body = chat("")
    body["choices"][0].update(finish_reason="length")
    body["choices"][0]["message"]["reasoning_content"] = "Let me see."
    with Loopback(lambda request: Answer(body)) as server:
        _, found, _ = probe(server, monkeypatch, tmp_path)
    assert found["settings"]["max_tokens"] == 8192
    assert server.requests[1].data["max_tokens"] == 2048


def test_a_server_without_a_system_message(monkeypatch, tmp_path):
    def script(request):
        if request.data["messages"][0]["role"] == "system":
            return Answer({"error": {"message": "System role not supported"}}, 400)
        return Answer(SAYS_NOTHING)

    with Loopback(script) as server:
        code, _, checks = probe(server, monkeypatch, tmp_path)
    assert code == 0 and checks["a system message"]["ok"] is False


def test_fewer_alternatives(monkeypatch, tmp_path):
    def script(request):
        if request.data.get("top_logprobs", 0) > 8:
            text = "Invalid value for 'top_logprobs': must be less than or equal to 8."
            return Answer({"error": {"message": text, "param": "top_logprobs"}}, 400)
        asked = "logprobs" in request.data
        return Answer(chat("A", logprobs=LOGPROBS["chat"]["content"]) if asked else chat("A"))

    with Loopback(script) as server:
        _, found, _ = probe(server, monkeypatch, tmp_path)
    assert found["settings"]["top_logprobs"] == 8


def test_escapes_of_a_server_do_not_reach_the_terminal(monkeypatch, tmp_path, capsys):
    error = {"error": {"message": "no\x1b[31m such\x07 model"}}

    def script(request):
        return Answer(error, 404) if request.data["model"] != "m" else Answer(chat("A"))

    with Loopback(script) as server:
        probe(server, monkeypatch, tmp_path)
    out = capsys.readouterr().out
    assert "such" in out and "\x1b" not in out and "\x07" not in out


@pytest.mark.parametrize(
    "answer, words",
    [
        (Answer({"error": {"message": "no such model"}}, 404), "no such model"),
        (Answer(b"<html>hello</html>"), "<html>"),
        (Answer(fault="reset"), "reset"),
    ],
)
def test_a_server_that_gives_no_reply_is_one_line(answer, words, monkeypatch, tmp_path, capsys):
    with Loopback(lambda request: answer) as server:
        code, _, _ = probe(server, monkeypatch, tmp_path)
    err = capsys.readouterr().err
    assert code == 1 and err.count("\n") == 1 and words in err
    assert len(server.requests) == 1 and not (tmp_path / "found.json").exists()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--base-url", "http://example.com/v1", "--model", "m"], "allow_insecure"),
        (["--base-url", "http://127.0.0.1:1/v1", "--model", "m"], "refused"),
        (
            ["--base-url", "http://127.0.0.1:1/v1", "--model", "m", "--api-key-env", "NO_KEY_HERE"],
            "NO_KEY_HERE",
        ),
    ],
)
def test_mistakes_are_one_line(arguments, words, capsys):
    assert main(arguments) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and words in err


def test_a_pair_without_a_value_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--base-url", "http://127.0.0.1:1/v1", "--model", "m", "--header", "api-key"])
    assert "NAME=VALUE" in capsys.readouterr().err


def test_a_response_without_log_probabilities(monkeypatch, tmp_path):
    """As llama.cpp answers: all lists are empty, and a cut reply looks like any other."""
    provider = PROVIDERS["openai_responses"]
    with Loopback(lambda request: Answer(respond("A", logprobs=[]))) as server:
        _, found, checks = probe(server, monkeypatch, tmp_path, provider)
    assert "top_logprobs" not in found["settings"]
    assert checks["log-probabilities in the style of chat"]["found"] == "none came"
