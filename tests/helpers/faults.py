"""How a chat server can fail: answers of `loopback.Loopback` that are none."""

import json

from loopback import Answer, chat

# Bodies with a status of 200, and what becomes of the prompt, with its reason: a reply that cannot be used
# abstains, while what is no reply at all is asked again in another run.
BAD_BODIES = {
    "html": (b"<html>captive portal</html>", "not_sent", "not_json"),
    "nan": (b'{"choices": [{"message": {"content": "A"}}], "x": NaN}', "not_sent", "not_a_number"),
    "duplicate_keys": (b'{"choices": [], "choices": []}', "not_sent", "duplicate_keys"),
    "empty_choices": (b'{"choices": []}', "abstained", "no_choices"),
    "no_message": (b'{"choices": [{}]}', "abstained", "no_choices"),
    "list": (b"[]", "not_sent", "not_an_object"),
    "error": (b'{"error": {"message": "overloaded"}}', "not_sent", "error_in_body"),
    "null_content": (json.dumps(chat(None)).encode(), "abstained", "empty_reply"),
    "cut": (json.dumps(chat("", finish_reason="length")).encode(), "abstained", "truncated"),
    "filtered": (
        json.dumps(chat("x", finish_reason="content_filter")).encode(),
        "abstained",
        "content_filter",
    ),
    "not_utf8": (b"\xff\xfe\x00", "not_sent", "not_json"),
}

FAULTS = {
    **{f"http_{n}": Answer(b"x", n) for n in (408, 409, 425, 500, 502, 504)},
    **{f"http_{n}": Answer(b"x", n, {"Retry-After-Ms": "5"}) for n in (429, 503, 529)},
    **{
        name: Answer(chat("x" * 300), fault=name)
        for name in ("reset", "reset_body", "short_body", "drip_body", "drip_headers", "hang")
    },
    **{name: Answer(body) for name, (body, *_) in BAD_BODIES.items()},
    "oversized": Answer(b" " * 200_000),
    "refused": Answer(fault="refuse", delay=0.02),
}
