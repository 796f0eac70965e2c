"""Scripted servers that behave as their providers' documents say: which address, which fields, which errors.

A provider that ignores a field accepts it; one that refuses it says so in its own words.
"""

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Optional, Tuple

from loopback import EMPTY_ANNOTATION, Answer, Served, chat, respond

BASE = ("model", "messages", "temperature")
OPENAI = (*BASE, "max_tokens", "max_completion_tokens", "seed", "response_format", "logprobs")
OPENAI += ("top_logprobs", "reasoning_effort")


def by_param(name: str) -> Answer:
    error = {"message": f"Unsupported parameter: '{name}' is not supported with this model."}
    return Answer({"error": {**error, "type": "invalid_request_error", "param": name}}, 400)


def by_reasoning(name: str) -> Answer:
    """Models that think, in the Responses API: fields of others, and fields that it does not know."""
    text, code = f"Unknown parameter: '{name}'.", "unknown_parameter"
    if name in ("temperature", "top_logprobs"):
        text, code = f"Unsupported parameter: '{name}' is not supported with this model.", "x"
    if name == "include":
        text, code = "logprobs are not supported with reasoning models.", "unsupported_parameter"
    error = {"message": text, "type": "invalid_request_error", "param": name, "code": code}
    return Answer({"error": error}, 400)


def by_list(name: str) -> Answer:
    text = f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
    return Answer([{"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}}], 400)


def by_detail(name: str) -> Answer:
    found = {
        "type": "extra_forbidden",
        "loc": ["body", name],
        "msg": "Extra inputs are not permitted",
    }
    return Answer({"object": "error", "message": {"detail": [found]}, "code": None}, 422)


def by_property(name: str) -> Answer:
    return Answer({"error": {"message": f"property '{name}' is unsupported"}}, 400)


def by_argument(name: str) -> Answer:
    text = f"Argument not supported on this model: {name}"
    return Answer({"code": "Client specified an invalid argument", "error": text}, 400)


def by_message(name: str) -> Answer:
    return Answer({"message": f"extraneous key [{name}] is not permitted"}, 400)


@dataclass
class Provider:
    """How a provider behaves.

    path (str): What a chat request is sent to.
    fields (Tuple[str, ...]): The fields of a request that it knows or ignores.
    refuse (Callable[[str], Answer]): What it says of another one.
    header (str): The header with the key; empty for a server without keys.
    logprobs (Optional[str]): The style of its log-probabilities.
    formats (Tuple[str, ...]): The types of `response_format`, or of `text.format`, that it knows.
    usage (Dict[str, Any]): How it counts tokens, beside 100 in and 20 out.
    busy (Answer): How it says that it was asked too often.
    """

    path: str
    fields: Tuple[str, ...] = OPENAI
    refuse: Callable[[str], Answer] = by_param
    header: str = "authorization"
    logprobs: Optional[str] = None
    formats: Tuple[str, ...] = ("json_schema", "json_object", "text")
    usage: Dict[str, Any] = field(default_factory=dict)
    busy: Answer = field(default_factory=lambda: Answer({"error": "busy"}, 429))

    def answer(self, request: Served, key: str = "", content: str = EMPTY_ANNOTATION) -> Answer:
        """What it says to a request."""
        if request.path != self.path:
            return Answer({"error": {"message": f"Invalid URL (POST {request.path})"}}, 404)
        if self.header and request.headers.get(self.header, "").removeprefix("Bearer ") != key:
            return Answer({"error": {"message": "Incorrect API key provided"}}, 401)
        asked = request.data
        for name in asked:
            if name not in self.fields:
                return self.refuse(name)
        form = asked.get("response_format") or asked.get("text", {}).get("format") or {}
        wanted = form.get("type", "text")
        if wanted not in self.formats:
            return Answer(
                {"error": {"message": "This response_format type is unavailable now"}}, 400
            )
        if self.path.endswith("/responses"):
            return self.respond(asked, content)
        usage = {"prompt_tokens": 100, "completion_tokens": 20, **self.usage}
        body = chat(content, usage=usage)
        if asked.get("logprobs") and self.logprobs:
            body["choices"][0]["logprobs"] = LOGPROBS[self.logprobs]
        return Answer(body)

    def respond(self, asked: Dict[str, Any], content: str) -> Answer:
        """What it says in the Responses API."""
        if asked.get("max_output_tokens", 16) < 16:
            text = "Invalid 'max_output_tokens': integer below minimum value. Expected >= 16."
            return Answer({"error": {"message": text, "param": "max_output_tokens"}}, 400)
        if "format" in asked.get("text", {}) and not asked["text"]["format"].get("name"):
            text = "Missing required parameter: 'text.format.name'."
            return Answer({"error": {"message": text, "param": "text.format.name"}}, 400)
        wants = "message.output_text.logprobs" in asked.get("include", [])
        usage = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120, **self.usage}
        tokens = {"logprobs": LOGPROBS["chat"]["content"]} if wants and self.logprobs else {}
        return Answer(respond(content, usage=usage, **tokens))


LOGPROBS = {
    "chat": {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": []}]},
    "completions": {"tokens": ["A"], "token_logprobs": [-0.1]},
    "null": None,
}
GEMINI_BUSY = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota. Please retry in 0.05s.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.05s"}],
    }
}
OPENAI_BUSY = {"error": {"message": "Rate limit reached. Please try again in 50ms.", "code": "x"}}
V1 = "/v1/chat/completions"
LOCAL = {"header": "", "logprobs": "chat"}

PROVIDERS = {
    "openai": Provider(
        V1,
        logprobs="chat",
        usage={"total_tokens": 120, "prompt_tokens_details": {"cached_tokens": 64}},
        busy=Answer(OPENAI_BUSY, 429),
    ),
    "openai_reasoning": Provider(
        V1,
        ("model", "messages", "max_completion_tokens", "response_format", "reasoning_effort"),
        usage={"completion_tokens_details": {"reasoning_tokens": 15}, "total_tokens": 120},
        busy=Answer(OPENAI_BUSY, 429, {"retry-after-ms": "50"}),
    ),
    "openai_responses": Provider(
        "/v1/responses",
        ("model", "input", "instructions", "max_output_tokens", "text", "reasoning", "store"),
        by_reasoning,
        usage={
            "input_tokens_details": {"cached_tokens": 64},
            "output_tokens_details": {"reasoning_tokens": 15},
        },
        busy=Answer(OPENAI_BUSY, 429),
    ),
    "azure": Provider(
        "/openai/v1/chat/completions",
        header="api-key",
        logprobs="chat",
        busy=Answer({"error": {"code": "429", "message": "retry after 1 second."}}, 429),
    ),
    "anthropic": Provider(
        V1,
        busy=Answer({"type": "error", "error": {"type": "overloaded_error"}}, 529),
    ),
    "gemini": Provider(
        "/v1beta/openai/chat/completions",
        (*BASE, "max_tokens", "max_completion_tokens", "response_format", "reasoning_effort"),
        by_list,
        usage={"total_tokens": 300},
        busy=Answer([GEMINI_BUSY], 429),
    ),
    "mistral": Provider(
        V1,
        (*BASE, "max_tokens", "random_seed", "response_format"),
        by_detail,
        busy=Answer({"message": "Requests rate limit exceeded"}, 429),
    ),
    "groq": Provider(
        "/openai/v1/chat/completions",
        (*BASE, "max_tokens", "max_completion_tokens", "seed", "response_format"),
        by_property,
        formats=("json_object", "text"),
        busy=Answer(OPENAI_BUSY, 498),
    ),
    "xai": Provider(
        V1,
        refuse=by_argument,
        logprobs="chat",
        usage={"completion_tokens_details": {"reasoning_tokens": 80}, "total_tokens": 200},
    ),
    "deepseek": Provider(
        "/chat/completions",
        (*BASE, "max_tokens", "response_format", "logprobs", "top_logprobs"),
        logprobs="chat",
        formats=("json_object", "text"),
        usage={"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36},
        busy=Answer({"error": {"message": "Server overloaded"}}, 503),
    ),
    "openrouter": Provider(
        "/api/v1/chat/completions",
        (*OPENAI, "provider"),
        busy=Answer({"error": {"code": 429, "message": "Rate limit exceeded"}}),
    ),
    "together": Provider(
        V1,
        (*BASE, "max_tokens", "seed", "response_format", "logprobs"),
        logprobs="completions",
    ),
    "bedrock": Provider(
        "/openai/v1/chat/completions",
        (*BASE, "max_completion_tokens", "response_format"),
        by_message,
        busy=Answer({"message": "Too many requests, please wait before trying again."}, 429),
    ),
    "ollama": Provider(V1, **LOCAL, busy=Answer({"error": {"message": "server busy"}}, 503)),
    "lmstudio": Provider(V1, header="", logprobs="null"),
    "sglang": Provider(V1, refuse=by_detail, **LOCAL),
    "vllm": Provider(V1, refuse=by_detail, **LOCAL),
    "llamacpp": Provider(
        V1, **LOCAL, busy=Answer({"error": {"code": 503, "message": "Loading model"}}, 503)
    ),
}
