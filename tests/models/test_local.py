"""The local model against a computation by hand: the forward pass of a Llama in numpy."""

import pickle
import shutil
import threading
import weakref

import pytest
from asking import ask
from local_helpers import TEMPLATE, WORDS, build, by_hand

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.models.local import make_transformers_model
from spacy_llmjudge.transport.messages import Prompt


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build(tmp_path_factory.mktemp("tiny"), template=None)


def encode(text):
    return [3 + WORDS.index(word) for word in text.split()]


QUESTIONS = ["is it soup ?", "a", "is stew right or wrong : yes", "b c d e f g h is it A ?"]
QUESTIONS[2] = "is stew right : yes ? a b"


def test_option_probabilities_are_exact_in_a_padded_batch(folder):
    prompts = [Prompt(text, options=("A", "B", "C", "D")) for text in QUESTIONS]
    replies = ask(make_transformers_model(folder, device="cpu", batch_size=4), *prompts)
    for text, reply in zip(QUESTIONS, replies):
        last = by_hand(folder, encode(text))[-1]
        expected = {option: last[encode(option)[0]] for option in "ABCD"}
        assert reply.logprobs == [pytest.approx(expected, abs=1e-4)]
        assert reply == max(expected, key=expected.get)
        assert reply.usage == {"tokens_in": len(text.split()), "tokens_out": 1}


def test_options_of_several_tokens_are_exact(folder):
    options = ("yes it is", "no", "wrong soup")
    for text in QUESTIONS:
        (reply,) = ask(make_transformers_model(folder, device="cpu"), Prompt(text, options=options))
        for option in options:
            ids = encode(text) + encode(option)
            table = by_hand(folder, ids)
            n = len(encode(option))
            expected = sum(table[i - 1, ids[i]] for i in range(len(ids) - n, len(ids)))
            assert reply.logprobs[0][option] == pytest.approx(expected, abs=1e-4)


def test_a_reply_is_what_the_model_finds_most_likely_word_by_word(folder):
    replies = ask(make_transformers_model(folder, device="cpu", max_tokens=6), *QUESTIONS)
    for text, reply in zip(QUESTIONS, replies):
        ids = encode(text)
        found = []
        while len(found) < 6 and (not found or found[-1] != 2):
            found.append(int(by_hand(folder, ids + found)[-1].argmax()))
        words = [(["<unk>", "<s>", "</s>"] + WORDS)[i] for i in found]
        assert reply.split() == [word for word in words if not word.startswith("<")]
        assert reply.reason == (None if "</s>" in words else "truncated")


SEVERAL = [dict(zip("ABCD", ("correct", "wrong_label", "wrong_boundary", "not_entity")))] * 2


def test_the_letters_of_a_written_reply_have_their_exact_probabilities(folder):
    """Random weights say letters anywhere; each is held against the forward pass up to it."""
    texts = [f"{a} {b}" for a in WORDS[:12] for b in WORDS[8:20]]
    prompts = [Prompt(text, verdicts=SEVERAL) for text in texts]
    model = make_transformers_model(folder, device="cpu", batch_size=16, max_tokens=8)
    n_letters, seen = 0, set()
    for text, reply in zip(texts, ask(model, *prompts)):
        ids, found, place = encode(text), [], 0
        for _ in range(8):
            last = by_hand(folder, ids)[-1]
            ids.append(int(last.argmax()))
            if ids[-1] == 2:
                break
            if ids[-1] < 3:
                continue  # it is written, but not shown
            word = WORDS[ids[-1] - 3]
            said = f" {word}" if place else word
            found.append({said: last[ids[-1]]})
            if word in "ABCD":
                n_letters += 1
                seen.add(word)
                others = [letter for letter in "ABCD" if letter != word]
                found[-1].update({letter: last[encode(letter)[0]] for letter in others})
            assert reply[place:].startswith(said)
            place += len(said)
        assert place == len(reply)
        assert reply.logprobs == ([pytest.approx(one, abs=1e-4) for one in found] or None)
    assert n_letters > 30 and len(seen) > 2


def test_the_tokens_of_a_reply_have_their_exact_probabilities(folder, tmp_path):
    local = make_transformers_model(folder, device="cpu", batch_size=4, max_tokens=6)
    model = make_ledger_model(local, tmp_path / "ledger.db")
    prompts = [Prompt(text, logprobs=True) for text in QUESTIONS]
    for text, reply in zip(QUESTIONS, ask(model, *prompts)):
        ids, found, hidden = encode(text), [], 0.0
        for _ in range(6):
            last = by_hand(folder, ids)[-1]
            ids.append(int(last.argmax()))
            if ids[-1] == 2:
                break
            hidden += last[ids[-1]]
            if ids[-1] >= 3:
                # what is not shown goes with the word after it
                found, hidden = [*found, hidden], 0.0
        logprobs = [token.logprob for token in reply.tokens]
        assert logprobs == pytest.approx(found, abs=1e-4)
        assert b"".join(token.data for token in reply.tokens).decode() == reply
        assert reply.logprobs is None
    model.close()


def test_a_folder_that_asks_for_sampling_and_penalties_is_not_heeded(folder, tmp_path):
    """As the folders of many chat models do; a reply would then depend on chance."""
    from transformers import GenerationConfig

    shutil.copytree(folder, tmp_path / "m")
    own = GenerationConfig.from_pretrained(folder)
    own.update(do_sample=True, temperature=5.0, repetition_penalty=3.0, min_new_tokens=3)
    own.save_pretrained(tmp_path / "m")
    prompts = [*QUESTIONS, *(Prompt(text, verdicts=SEVERAL) for text in QUESTIONS)]
    plain = ask(make_transformers_model(folder, device="cpu", max_tokens=6), *prompts)
    asked = ask(make_transformers_model(tmp_path / "m", device="cpu", max_tokens=6), *prompts)
    assert asked == plain
    assert [reply.logprobs for reply in asked] == [reply.logprobs for reply in plain]


def test_batches_do_not_change_the_numbers(folder):
    prompts = [Prompt(" ".join(WORDS[: 3 + i % 7]), options=("A", "B")) for i in range(20)]
    one = ask(make_transformers_model(folder, device="cpu", batch_size=1), *prompts)
    many = ask(make_transformers_model(folder, device="cpu", batch_size=7), *prompts)
    for first, second in zip(one, many):
        assert first.logprobs[0] == pytest.approx(second.logprobs[0], abs=1e-5)


def test_the_chat_template_is_used_where_there_is_one(tmp_path):
    path = build(tmp_path, TEMPLATE)
    (reply,) = ask(
        make_transformers_model(path, device="cpu"), Prompt("is it soup ?", options="AB")
    )
    last = by_hand(path, encode("user : is it soup ? judge :"))[-1]
    assert reply.logprobs[0]["A"] == pytest.approx(last[encode("A")[0]], abs=1e-4)


def test_kinds_and_groups_keep_their_order(folder):
    model = make_transformers_model(folder, device="cpu", batch_size=3, max_tokens=2)
    groups = [
        [Prompt("a b", options=("A", "B")), "c d e"],
        [],
        [Prompt("a", options=("no", "yes"))],
        ["is it ?", Prompt("a b c", options=("A", "B"))],
    ]
    found = list(model(groups))
    assert [len(replies) for replies in found] == [2, 0, 1, 2]
    for group, replies in zip(groups, found):
        for prompt, reply in zip(group, replies):
            options = getattr(prompt, "options", None)
            assert reply == ask(model, prompt)[0]
            assert (reply in options) if options else reply.logprobs is None


def test_a_prompt_that_is_too_long_abstains_alone(folder):
    prompts = ["a " * 63, "a b", Prompt("a " * 64, options="AB"), Prompt("a b", options="AB")]
    replies = ask(make_transformers_model(folder, device="cpu", max_tokens=3), *prompts)
    assert [reply.reason for reply in replies][::2] == ["prompt_too_long"] * 2
    assert [reply.state for reply in replies][1::2] == ["replied"] * 2


def test_memory_that_does_not_suffice_halves_the_batch(folder, monkeypatch):
    model = make_transformers_model(folder, device="cpu", batch_size=8)
    compute, sizes = model._compute, []

    def short_of_memory(prompts):
        sizes.append(len(prompts))
        if len(prompts) > 2:
            raise RuntimeError("out of memory")
        return compute(prompts)

    monkeypatch.setattr(model, "_compute", short_of_memory)
    replies = ask(model, *(Prompt(f"a {word}", options="AB") for word in WORDS[:8]))
    assert all(reply.state == "replied" for reply in replies)
    assert sizes == [8, 4, 2, 2, 4, 2, 2]


def test_the_memory_of_a_pass_that_failed_is_free_before_the_next(folder, monkeypatch):
    model = make_transformers_model(folder, device="cpu", batch_size=4)
    compute, alive = model._compute, weakref.WeakSet()

    class Memory:
        pass

    def short_of_memory(prompts):
        assert not alive
        held = Memory()
        alive.add(held)
        if len(prompts) > 1:
            raise RuntimeError("out of memory")
        return compute(prompts)

    monkeypatch.setattr(model, "_compute", short_of_memory)
    replies = ask(model, *(Prompt(f"a {word}", options="AB") for word in WORDS[:4]))
    assert all(reply.state == "replied" for reply in replies)


def test_ctrl_c_leaves_nothing_to_do_behind(folder, monkeypatch):
    model = make_transformers_model(folder, device="cpu", batch_size=2)
    compute, sizes = model._compute, []

    def interrupted(prompts):
        sizes.append(len(prompts))
        if len(sizes) == 1:
            raise KeyboardInterrupt
        return compute(prompts)

    monkeypatch.setattr(model, "_compute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask(model, *(Prompt(f"a {word}", options="AB") for word in WORDS[:8]))
    assert ask(model, Prompt("a b", options="AB"))[0].state == "replied"
    assert sizes == [2, 1]


def test_one_bad_prompt_abstains_and_is_named(folder, monkeypatch):
    model = make_transformers_model(folder, device="cpu")
    encode_one = model._encode

    def broken(tokenizer, prompt):
        if "soup" in prompt:
            raise KeyError("no soup")
        return encode_one(tokenizer, prompt)

    monkeypatch.setattr(model, "_encode", broken)
    with pytest.warns(UserWarning, match="JW315.*no soup"):
        replies = ask(model, *(Prompt(text, options="AB") for text in ("a", "soup", "b")))
    assert [(reply.state, reply.reason) for reply in replies] == [
        ("replied", None),
        ("abstained", "model_error"),
        ("replied", None),
    ]


def test_a_model_that_is_not_there_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model = make_transformers_model(tmp_path / "nothing", device="cpu")
    with pytest.raises(LLMJudgeError, match="J340.*nothing"):
        ask(model, "a")


def test_nothing_is_loaded_before_the_first_prompt(folder):
    model = make_transformers_model(folder, device="cpu")
    assert model.context_length is None
    ask(model, "a")
    assert model.context_length == 64
    assert ask(pickle.loads(pickle.dumps(model)), "a") == ask(model, "a")


def test_threads_share_batches(folder, monkeypatch):
    model = make_transformers_model(folder, device="cpu", batch_size=8)
    prompts = [Prompt(f"{a} {b}", options="ABCD") for a in WORDS[:8] for b in WORDS[:8]]
    expected = ask(model, *prompts)
    compute, sizes, gate = model._compute, [], threading.Event()

    def slow(batch):
        gate.wait(5)
        sizes.append(len(batch))
        return compute(batch)

    monkeypatch.setattr(model, "_compute", slow)
    found = [None] * len(prompts)
    threads = [
        threading.Thread(target=lambda i=i: found.__setitem__(i, ask(model, prompts[i])[0]))
        for i in range(len(prompts))
    ]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(30)
    assert found == expected
    assert len(sizes) < len(prompts) / 2


def test_it_works_in_a_ledger(folder, tmp_path):
    prompts = [Prompt(text, options="ABCD") for text in QUESTIONS]
    model = make_transformers_model(folder, device="cpu")
    replies = ask(make_ledger_model(model, tmp_path / "l.db"), *prompts)
    fresh = make_transformers_model(folder, device="cpu", batch_size=2)
    ledger = make_ledger_model(fresh, tmp_path / "l.db")
    again = ask(ledger, *prompts)
    assert fresh._loaded is None
    assert [(r, r.logprobs, r.usage) for r in again] == [(r, r.logprobs, r.usage) for r in replies]


@pytest.mark.parametrize("name", ["batch_size", "max_tokens"])
def test_bad_settings_are_refused(name):
    with pytest.raises(LLMJudgeError, match=f"J319.*{name}"):
        make_transformers_model("m", **{name: 0})
