"""How likely a reply was, from its tokens: where they stand in it, and what is read of them."""

import json
import math
import warnings

import pytest
from english import NLP
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.candidates import KEY, get_candidates
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.judge.likelihood import READINGS, Piece, align, make_rate
from spacy_llmjudge.judge.reply_json import read_object
from spacy_llmjudge.judge.tasks.annotate import PATIENCE, make_annotate_task
from spacy_llmjudge.transport.chat import read_chat
from spacy_llmjudge.transport.messages import Reply, Token

TEXT = "Is Café “Zoë” open?"
LIST = '{"entities": [{"text": "%s", "label": "NAME", "confidence": 90}], "alternatives": []}'


def cut(text, *sizes):
    """Cut the bytes of a text; the n-th token has the log-probability -n / 100."""
    data, tokens = text.encode(), []
    for size in sizes:
        tokens.append(data[:size])
        data = data[size:]
    return [Token(part, -n / 100) for n, part in enumerate([*tokens, data], 1) if part]


@settings(deadline=None)
@given(st.text(min_size=1, max_size=30), st.lists(st.integers(1, 5), max_size=30), st.text())
def test_tokens_stand_where_their_bytes_do(text, sizes, before):
    text = text.encode("utf8", "replace").decode()
    tokens = cut(text, *sizes)
    thinking = [Token(f"<think>{before}</think>".encode("utf8", "replace"), -9.0)]
    pieces = align(text, [*thinking, *tokens, Token(b"<|im_end|>", -9.0)])
    if f"{text}<|im_end|>".rfind(text) > 0:
        return  # the text is a part of the mark at the end
    assert [piece.logprob for piece in pieces] == [token.logprob for token in tokens]
    for piece, token in zip(pieces, tokens):
        words = text[piece.start : piece.end].encode()
        assert token.data in words and len(words) <= len(token.data) + 6
    covered = {i for piece in pieces for i in range(piece.start, piece.end)}
    assert covered == set(range(len(text)))


def test_a_stand_in_hides_what_is_missing_between_its_neighbours():
    hidden = "\ufffd".encode()
    tokens = [Token(b'"Caf', -1.0), Token(hidden, -2.0), Token(b"", -3.0), Token(b'"', -4.0)]
    assert align('"Café"', tokens) == [
        Piece(0, 4, -1.0),
        Piece(4, 5, -2.0),
        Piece(4, 5, -3.0),
        Piece(5, 6, -4.0),
    ]
    assert align("né", [Token(b"n", -1.0), Token(hidden, -2.0)])[-1] == Piece(1, 2, -2.0)


@pytest.mark.parametrize(
    "tokens",
    [
        [Token(b"other", -1.0)],
        [Token(b"a", -1.0), Token(b"d", -1.0)],
        [Token(b"a", -1.0), Token("\ufffd".encode(), -1.0)],
        [Token(b"token_id:5", -1.0)],
        [Token(b"", -1.0)],
    ],
)
def test_a_reply_of_other_tokens_is_not_aligned(tokens):
    assert align("a long reply of other words", tokens) is None


def places(reply):
    (entry,) = read_object(reply, "entities")["entities"]
    return entry["text"], entry["label"]


@pytest.mark.parametrize(
    "before", ["", "<think>A {NAME}?</think>\n", "```json\n", "Sure, here it is:\n"]
)
@pytest.mark.parametrize("words", ["Café “Zoë”", r"Caf\u00e9 \u201cZo\u00eb\u201d", r"a \"b\" c"])
def test_strings_of_a_reply_know_where_they_stand(words, before):
    reply = before + LIST % words
    text, label = places(reply)
    assert reply[text.start : text.end] == words and text == json.loads(f'"{words}"')
    assert reply[label.start : label.end] == "NAME" and reply[label.end] == '"'


def tokens_of(reply, logprobs):
    """A token a character, with 0 but for those that are named: by their place."""
    return [Token(c.encode(), logprobs.get(i, 0.0)) for i, c in enumerate(reply)]


def test_readings_are_of_the_tokens_of_words_and_label():
    reply = LIST % "ab"
    words, label = reply.index("ab"), reply.index("NAME")
    outside = {0: -5.0, words - 1: -5.0, words + 3: -5.0, label - 1: -5.0, label + 4: -5.0}
    marked = {words: -0.7, words + 2: -0.35, label: -0.14, label + 1: -0.21}
    found = Reply(reply, tokens=tokens_of(reply, {**outside, **marked}))
    rates = {reading: make_rate(found, reading)(*places(found)) for reading in READINGS}
    expected = {"mean": -1.4 / 7, "least": -0.7, "label": -0.35}
    assert rates == {name: round(math.exp(value), 6) for name, value in expected.items()}


def test_the_quote_after_the_words_counts_as_it_says_where_they_end():
    reply = LIST % "ab"
    end = reply.index("ab") + 2
    found = Reply(reply, tokens=tokens_of(reply, {end: -2.0}))
    assert make_rate(found, "least")(*places(found)) == round(math.exp(-2), 6)


def test_a_token_may_hold_the_end_of_one_string_and_the_start_of_another():
    reply = LIST % "ab"
    at = reply.index('b", "label": "N')
    data = reply.encode()
    tokens = [Token(data[:at], -0.1), Token(data[at : at + 15], -0.2), Token(data[at + 15 :], -0.3)]
    found = Reply(reply, tokens=tokens)
    mean = (-0.1 - 0.2 - 0.2 - 0.3) / 4
    assert make_rate(found, "mean")(*places(found)) == round(math.exp(mean), 6)


def test_without_tokens_there_is_no_rate():
    assert make_rate("a string", "mean") is None
    assert make_rate(Reply("a", tokens=[Token(b"b", -1.0)]), "mean") is None


def content(tokens, **also):
    """The reply of a server, whose text is what its tokens spell."""
    text = also.pop("text", None) or b"".join(bytes(t["bytes"]) for t in tokens).decode()
    return {"choices": [{"message": {"content": text}, "logprobs": {"content": tokens}, **also}]}


def token(text, logprob, data=None, **also):
    data = list(text.encode()) if data is None else list(data)
    return {"token": text, "logprob": logprob, "bytes": data, **also}


HEAD, TAIL = '{"entities": [{"text": "', '", "label": "'
END = '", "confidence": 90}], "alternatives": []}'


def openai_tokens():
    """OpenAI: the bytes of a part of a character as escapes in `token`, and as numbers."""
    halves = [token("\\xc3", -0.3, b"\xc3"), token("\\xab", 0.0, b"\xab")]
    return [token("“Zo", -0.2), *halves, token("”", -0.4)]


def llamacpp_tokens():
    """llama.cpp: `token` ends where valid UTF-8 does; every token has an id and alternatives."""
    rows = [token("“Zo", -0.2), token("", -0.3, b"\xc3"), token("", 0.0, b"\xab"), token("”", -0.4)]
    return [{"id": 7, **row, "top_logprobs": [{"id": 7, **row}]} for row in rows]


def vllm_tokens():
    """vLLM: a stand-in for a part of a character, in `bytes` as well."""
    halves = [token("\ufffd", -0.3), token("\ufffd", 0.0)]
    return [{**row, "top_logprobs": []} for row in [token("“Zo", -0.2), *halves, token("”", -0.4)]]


SERVERS = {"openai": openai_tokens, "llamacpp": llamacpp_tokens, "vllm": vllm_tokens}


@pytest.mark.parametrize("thinks", [False, True])
@pytest.mark.parametrize("server", sorted(SERVERS))
def test_replies_of_servers_become_likelihoods(server, thinks):
    tokens = [token(HEAD, 0.0), *SERVERS[server](), token(TAIL, -0.05), token("NAME", -0.6)]
    tokens += [token(END, 0.0), token("<|im_end|>", 0.0)]
    text = HEAD + "“Zoë”" + TAIL + "NAME" + END
    if thinks:
        # what a server leaves in the text, as llama.cpp does with reasoning_format = none
        tokens.insert(0, token("<think>“Zoë” NAME?</think>", -1.0))
        text = f"<think>“Zoë” NAME?</think>{text}"
    reply = read_chat(content(tokens, text=text))
    expected = {
        # the quote after the words stands in one token with all up to the label
        "mean": (-0.2 - 0.3 - 0.0 - 0.4 - 0.05 - 0.6) / 6,
        "least": -0.6,
        "label": -0.6,
    }
    for reading, logprob in expected.items():
        doc = NLP(TEXT)
        task = make_annotate_task("NAME", likelihood=reading)
        list(task.parse_responses([[doc]], [[reply]]))
        (candidate,) = get_candidates(doc)
        assert doc[candidate.start : candidate.end].text == "“Zoë”"
        assert candidate.support == 0.9
        assert candidate.likelihood == pytest.approx(math.exp(logprob), abs=1e-6)


def test_thinking_that_the_server_took_out_is_skipped():
    tokens = [token("<think>“Zoë” NAME?</think>\n\n", -1.0), token(HEAD, 0.0)]
    tokens += [*llamacpp_tokens(), token(TAIL, 0.0), token("NAME", -0.6), token(END, 0.0)]
    reply = read_chat(content(tokens, text=HEAD + "“Zoë”" + TAIL + "NAME" + END))
    assert make_rate(reply, "label")(*places(reply)) == pytest.approx(math.exp(-0.6), abs=1e-6)


def test_prompts_are_the_same_but_for_the_wish():
    off, on = (
        make_annotate_task("NAME", likelihood=reading).make_prompts(NLP(TEXT))[0]
        for reading in (None, "mean")
    )
    assert str(on) == str(off)
    assert "logprobs" not in vars(off) and vars(on) == {**vars(off), "logprobs": True}


def test_without_it_nothing_is_kept():
    reply = LIST % "“Zoë”"
    doc = NLP(TEXT)
    task = make_annotate_task("NAME")
    list(task.parse_responses([[doc]], [[Reply(reply, tokens=tokens_of(reply, {}))]]))
    assert "likelihood" not in doc.spans[KEY].attrs
    assert [c.likelihood for c in get_candidates(doc)] == [None]


def test_what_never_comes_is_said_once():
    task = make_annotate_task("NAME", likelihood="mean")
    with pytest.warns(UserWarning, match="JW340") as caught:
        for _ in range(2 * PATIENCE):
            doc = NLP(TEXT)
            list(task.parse_responses([[doc]], [[Reply(LIST % "“Zoë”")]]))
            assert get_candidates(doc)[0].support == 0.9
    assert len(caught) == 1


def test_what_came_once_is_not_missed():
    reply = LIST % "“Zoë”"
    task = make_annotate_task("NAME", likelihood="mean")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for tokens in [None, tokens_of(reply, {}), *[None] * PATIENCE]:
            list(task.parse_responses([[NLP(TEXT)]], [[Reply(reply, tokens=tokens)]]))


def test_another_reading_is_refused():
    with pytest.raises(LLMJudgeError, match="J241.*likelihood"):
        make_annotate_task("NAME", likelihood="most")
