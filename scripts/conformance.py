"""Find out in at most ten requests what a chat server accepts, and which lines of a config fit it.

python scripts/conformance.py --base-url http://localhost:8080/v1 --model qwen2.5-7b
python scripts/conformance.py --base-url https://api.example.com/v1 --model m --api-key-env EXAMPLE_API_KEY

Keys stay in the environment: options hold the NAMES of variables. The requests are short, but for the
last one, which has 40,000 words to see what becomes of a prompt that is too long (`--long-words`).
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.transport.addresses import add_query, check_address
from spacy_llmjudge.transport.credentials import Credentials, redact
from spacy_llmjudge.transport.http import Connections
from spacy_llmjudge.transport.messages import Reply
from spacy_llmjudge.transport.refused_fields import Remedy, apply_remedies, find_remedy
from spacy_llmjudge.transport.server_errors import ServerError, read_error
from spacy_llmjudge.transport.strict_json import StrictJSONError, load_strict
from spacy_llmjudge.transport.triage import STOP, triage
from spacy_llmjudge.transport.usage import read_usage
from spacy_llmjudge.transport.wire_formats import WIRE_FORMATS, WireFormat

MOST_REQUESTS = 10
# What a reply gets: a letter, or a line of JSON; and what it gets where the model thinks first.
ROOM, ROOM_TO_THINK = 64, 2048
SYSTEM = "You answer briefly."
LETTERS = "Which letter comes first in the alphabet, A or B? Answer with one letter."
# A server that keeps to the order of the properties writes them in another order than it is asked.
PLANT = (
    "Say from 0 to 100 how sure you are that a rose is a plant, and name the plant. Answer in JSON."
)
SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string"}, "confidence": {"type": "number"}},
    "required": ["word", "confidence"],
    "additionalProperties": False,
}


class UsedUp(Exception):
    """Ten requests were sent."""


@dataclass
class Check:
    """What was found out about one thing.

    title (str): The thing.
    ok (Optional[bool]): Whether it is as a judge needs it; None where that does not matter.
    found (str): What was seen.
    """

    title: str
    ok: Optional[bool]
    found: str


@dataclass
class Outcome:
    """What came of a request.

    status (int): The HTTP status; 0 where no whole response came.
    body (Any): The body as JSON; None where it is none.
    raw (str): The body as text, or why there is none.
    reply (Optional[Reply]): The reply, where it is one.
    """

    status: int
    body: Any
    raw: str
    reply: Optional[Reply] = None

    @property
    def error(self) -> ServerError:
        return read_error(self.body, self.raw)

    def describe(self) -> str:
        """RETURNS (str): In a few words."""
        if self.reply is not None:
            return f"accepted, it says {str(self.reply)[:40]!r}"
        return f"{self.status or 'no response'}: {self.error.message[:100]}"


@dataclass
class Probe:
    """Sends requests to a server, and keeps what was found out.

    model (str): The model.
    wire (WireFormat): The format of requests and replies.
    credentials (Credentials): Where the keys are.
    connections (Connections): The way to the server.
    limit (str): The field for the longest reply.
    settings (Dict[str, Any]): The lines of the config.
    room (int): Tokens that a reply gets.
    """

    model: str
    wire: WireFormat
    credentials: Credentials
    connections: Connections
    limit: str
    settings: Dict[str, Any] = field(default_factory=dict)
    checks: List[Check] = field(default_factory=list)
    remedies: Dict[str, Remedy] = field(default_factory=dict)
    n_requests: int = 0
    room: int = ROOM
    system: Optional[str] = SYSTEM

    def note(self, title: str, ok: Optional[bool], found: str) -> None:
        shown = "".join(c if c.isprintable() else " " for c in found)
        self.checks.append(Check(title, ok, shown))

    def ask(
        self,
        prompt: str,
        schema: Optional[Dict[str, Any]] = None,
        logprobs: Optional[Tuple[WireFormat, int]] = None,
        key: Optional[str] = None,
        **fields: Any,
    ) -> Outcome:
        """Send a request, and once more for each field that is refused.

        prompt (str): The prompt.
        schema (Optional[Dict[str, Any]]): The schema of the reply.
        logprobs (Optional[Tuple[WireFormat, int]]): In which format to ask for how many alternatives.
        key (Optional[str]): What to send instead of the keys.
        **fields: Further fields of the request.
        RETURNS (Outcome): What came of the last request.
        """
        fixed = {"model": self.model, self.limit: self.room, "temperature": 0.0, **fields}
        wanted = self.wire.make_body(fixed, prompt, self.system, 1)
        if schema is not None:
            self.wire.ask_schema(wanted, schema)
        if logprobs is not None:
            logprobs[0].ask_logprobs(wanted, logprobs[1])
        while True:
            body = apply_remedies(wanted, self.remedies)
            outcome = self._send(body, key)
            remedy = None
            if outcome.reply is None:
                remedy = find_remedy(outcome.status, outcome.error, body)
            if remedy is None or self.remedies.get(remedy.field) == remedy:
                return outcome
            self.remedies[remedy.field] = remedy

    def _send(self, body: Dict[str, Any], key: Optional[str]) -> Outcome:
        if self.n_requests == MOST_REQUESTS:
            raise UsedUp
        self.n_requests += 1
        keys = {name: key or value for name, value in self.credentials.read().items()}
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", **keys}
        response = self.connections.post(json.dumps(body).encode("ascii"), headers)
        if response.failure is not None:
            return Outcome(0, None, f"{response.failure} {response.detail}")
        raw = redact(response.body.decode("utf8", "replace"), self.credentials.secrets())
        outcome = Outcome(response.status or 0, None, raw)
        try:
            outcome.body = load_strict(raw)
        except StrictJSONError:
            return outcome
        is_reply = isinstance(outcome.body, dict) and self.wire.holder in outcome.body
        if is_reply and response.status == 200 and not outcome.body.get("error"):
            outcome.reply = self.wire.read(outcome.body)
        return outcome


def check_plain(probe: Probe) -> None:
    """A request with all that a judge sends with every one."""
    outcome = probe.ask(LETTERS)
    if outcome.reply is None and "system" in outcome.error.text:
        probe.note("a system message", False, outcome.describe())
        probe.system = None
        outcome = probe.ask(LETTERS)
    if outcome.reply is None:
        raise LLMJudgeError(f"The server gives no reply. It says {outcome.describe()}")
    probe.note("replies to a prompt", True, outcome.describe())
    if probe.system:
        probe.note("a system message", True, "accepted")
    for name in ("temperature", "seed", probe.limit):
        remedy = probe.remedies.get(name)
        if name == "seed" and probe.wire.holder == "output":
            continue
        if remedy is None:
            probe.note(f"the field {name}", True, "accepted")
        elif remedy.other_name is not None:
            probe.settings["max_tokens_field"] = remedy.other_name
            probe.note(f"the field {name}", None, f"is called {remedy.other_name}")
        else:
            probe.settings[name] = None
            probe.note(f"the field {name}", None, "refused")
    usage = read_usage(outcome.body)
    counted = f"{usage.tokens_in} in, {usage.tokens_out} out" if usage.is_known else "none"
    probe.note("tokens are counted", usage.is_known, counted)
    check_thinking(probe, outcome)


def check_thinking(probe: Probe, outcome: Outcome) -> None:
    """Whether the model spends tokens on thinking: on its own field, in its text, or unseen."""
    shown = outcome.raw.replace(" ", "")
    seen = '"reasoning_content":"' in shown or '"reasoning":"' in shown or "<think" in shown
    is_cut = outcome.reply is not None and not outcome.reply and outcome.reply.reason == "truncated"
    if seen or is_cut or '"type":"reasoning"' in shown:
        probe.settings["max_tokens"] = 8192
        probe.room = ROOM_TO_THINK
        probe.note("it thinks first", None, "max_tokens needs room for that")


def check_schema(probe: Probe) -> None:
    """Whether a reply keeps to a JSON schema, and to the order of its properties."""
    outcome = probe.ask(PLANT, schema=SCHEMA)
    refused = {"response_format", "text"}.intersection(probe.remedies)
    try:
        data = json.loads(outcome.reply or "")
    except ValueError:
        data = None
    keeps = isinstance(data, dict) and set(data) == set(SCHEMA["required"])
    found = "refused" if refused else outcome.describe()
    probe.note("a JSON schema is kept to", keeps and not refused, found)
    if keeps and not refused:
        probe.settings["use_schema"] = True
        in_order = list(data) == SCHEMA["required"]
        probe.note("properties come in its order", in_order, ", ".join(data))


def check_logprobs(probe: Probe) -> None:
    """Whether log-probabilities come, in either style."""
    api = "chat" if probe.wire.holder == "choices" else "responses"
    for style, n in (("chat", 20), ("completions", 5)):
        wire = WIRE_FORMATS.get((api, style))
        if wire is None:
            return
        before = dict(probe.remedies)
        outcome = probe.ask(LETTERS, logprobs=(wire, n))
        most = probe.remedies.get("top_logprobs", Remedy("top_logprobs", n)).value
        refused = probe.remedies.keys() - before.keys()
        probe.remedies = before
        title = f"log-probabilities in the style of {style}"
        if outcome.reply is not None and outcome.reply.logprobs:
            found = max(len(alternatives) for alternatives in outcome.reply.logprobs)
            probe.note(title, True, f"{found} alternatives a token")
            probe.settings["top_logprobs"] = most
            if style != "chat":
                probe.settings["logprobs_style"] = style
            return
        said = outcome.describe() if outcome.reply is None else "none came"
        probe.note(title, False, "refused" if refused and outcome.reply is not None else said)
        if "logprobs" in refused:
            # The same field would be refused in the other style.
            return


def check_samples(probe: Probe) -> None:
    """Whether one request brings several replies; samples do not need that."""
    if probe.wire.holder != "choices":
        return
    outcome = probe.ask(LETTERS, n=2)
    n = len(outcome.body["choices"]) if outcome.reply is not None else 0
    found = f"{n} replies" if n else outcome.describe()
    probe.note("n = 2 (not needed)", True if n == 2 else None, found)


def check_cut(probe: Probe) -> None:
    """Whether a reply that was cut says so."""
    least = 4 if probe.wire.holder == "choices" else 16
    limit = probe.remedies[probe.limit].field if probe.limit in probe.remedies else probe.limit
    outcome = probe.ask("Tell a long story about a garden.", **{limit: least})
    ok: Optional[bool] = outcome.reply is not None and outcome.reply.reason == "truncated"
    n_tokens = read_usage(outcome.body).tokens_out
    if not ok and n_tokens is not None and n_tokens < least:
        ok = None
    probe.note("a reply that is cut says so", ok, "it does" if ok else outcome.describe())


def check_wrong_model(probe: Probe) -> None:
    """Whether a model that the server does not have ends a run."""
    outcome = probe.ask(LETTERS, model="no-such-model")
    stops = outcome.reply is None and _course(outcome) == STOP
    ok = None if outcome.reply is not None else stops
    probe.note("a model that is not there is refused", ok, outcome.describe())


def check_wrong_key(probe: Probe) -> None:
    """Whether a wrong key ends a run."""
    if probe.credentials.variables:
        outcome = probe.ask(LETTERS, key="Bearer wrong")
        stops = outcome.reply is None and _course(outcome) == STOP
        probe.note("a wrong key is refused", stops, outcome.describe())


def check_too_long(probe: Probe, n_words: int) -> None:
    """Whether a prompt that is too long is refused, and not cut."""
    outcome = probe.ask("rose " * n_words + LETTERS)
    ok: Optional[bool] = None
    found = outcome.describe()
    if outcome.reply is not None:
        tokens = read_usage(outcome.body).tokens_in
        found = f"{n_words} words fit; try --long-words"
        if tokens is not None and tokens < n_words:
            ok, found = False, f"it is cut: {tokens} tokens of {n_words} words were read"
    elif outcome.status:
        course = triage(outcome.status, outcome.error, accepted=True)
        ok = course.reason == "prompt_too_long"
    probe.note("a prompt that is too long is refused", ok, found)


def _course(outcome: Outcome) -> str:
    """What a run would do that begins with this: nothing was accepted before."""
    return triage(outcome.status, outcome.error, accepted=False).action if outcome.status else ""


def run_checks(probe: Probe, n_words: int) -> None:
    """Make all checks, as long as there are requests for them."""
    checks: List[Tuple[str, Callable[[], None]]] = [
        ("replies to a prompt", lambda: check_plain(probe)),
        ("a JSON schema is kept to", lambda: check_schema(probe)),
        ("log-probabilities", lambda: check_logprobs(probe)),
        ("a reply that is cut says so", lambda: check_cut(probe)),
        ("a model that is not there is refused", lambda: check_wrong_model(probe)),
        ("a wrong key is refused", lambda: check_wrong_key(probe)),
        ("a prompt that is too long is refused", lambda: check_too_long(probe, n_words)),
        ("n = 2 (not needed)", lambda: check_samples(probe)),
    ]
    for title, check in checks:
        try:
            check()
        except UsedUp:
            probe.note(title, None, "not asked: ten requests are used up")


def write_config(options: argparse.Namespace, settings: Dict[str, Any]) -> str:
    """RETURNS (str): The block of the model in a judge's config."""
    rows: Dict[str, Any] = {"base_url": options.base_url, "model": options.model}
    if options.api_key_env:
        rows["api_key_env"] = options.api_key_env
    if options.api != "chat":
        rows["api"] = options.api
    blocks = {"": {**rows, **settings}, ".headers": options.header, ".query": options.query}
    lines: List[str] = []
    for name, pairs in blocks.items():
        if pairs:
            lines += ["", f"[components.llm_judge.model.model{name}]"]
            lines += [] if name else ['@llm_models = "llmjudge.OpenAI.v1"']
            lines += [f"{key} = {json.dumps(value)}" for key, value in pairs.items()]
    return "\n".join(lines[1:])


def read_pair(text: str) -> Tuple[str, str]:
    """RETURNS (Tuple[str, str]): What stands before and after the equals sign."""
    name, _, value = text.partition("=")
    if not name or not value:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, found {text!r}")
    return name, value


def parse_options(arguments: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base-url", required=True, help="up to and without /chat/completions")
    parser.add_argument("--model", required=True)
    parser.add_argument("--api", choices=["chat", "responses"], default="chat")
    parser.add_argument("--api-key-env", metavar="NAME", help="variable that holds the key")
    for name, meaning in (("header", "NAME=VARIABLE"), ("query", "NAME=VALUE")):
        parser.add_argument(
            f"--{name}", type=read_pair, action="append", default=[], metavar=meaning
        )
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for one request")
    parser.add_argument("--long-words", type=int, default=40_000, metavar="N")
    parser.add_argument("--allow-insecure", action="store_true", help="plain http to another host")
    parser.add_argument("--output", type=Path, metavar="FILE", help="JSON with what was found")
    options = parser.parse_args(arguments)
    options.header, options.query = dict(options.header), dict(options.query)
    return options


def make_probe(options: argparse.Namespace) -> Probe:
    host = check_address(options.base_url, options.allow_insecure)
    wire = WIRE_FORMATS[options.api, "chat"]
    return Probe(
        options.model,
        wire,
        Credentials(host, options.api_key_env, options.header),
        Connections(
            add_query(options.base_url.rstrip("/") + wire.path, options.query),
            size=1,
            timeout=options.timeout,
            connect_timeout=10.0,
            max_bytes=4_000_000,
        ),
        "max_tokens" if options.api == "chat" else "max_output_tokens",
    )


def main(arguments: Optional[Sequence[str]] = None) -> int:
    options = parse_options(arguments)
    try:
        probe = make_probe(options)
        run_checks(probe, options.long_words)
    except LLMJudgeError as error:
        print(error, file=sys.stderr)
        return 1
    width = max(len(check.title) for check in probe.checks)
    for check in probe.checks:
        mark = {True: "yes", False: "NO", None: "-"}[check.ok]
        print(f"{check.title:<{width}}  {mark:<3}  {check.found}")
    print(f"\n{probe.n_requests} requests. These lines of a config fit:\n")
    print(write_config(options, probe.settings))
    if options.output is not None:
        found = {
            "base_url": options.base_url,
            "model": options.model,
            "api": options.api,
            "requests": probe.n_requests,
            "checks": [asdict(check) for check in probe.checks],
            "settings": probe.settings,
        }
        options.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
