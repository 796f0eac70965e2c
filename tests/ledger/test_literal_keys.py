"""Keys as they were when replies were first paid for: a ledger from then still serves.

The literals were recorded before the models were given a common protocol. A key that changes makes every
user of that model pay for all replies again.
"""

import functools
from pathlib import Path

import pytest

from spacy_llmjudge.ledger.model import LedgerModel
from spacy_llmjudge.models.embedded import make_embedded_model
from spacy_llmjudge.models.local import make_transformers_model
from spacy_llmjudge.models.openai import make_openai_model
from spacy_llmjudge.models.recorded import make_recorded_model
from spacy_llmjudge.transport.messages import Prompt

SCHEMA = {
    "type": "object",
    "properties": {"b": {"type": "string"}, "a": {"type": "number"}},
    "required": ["b", "a"],
    "additionalProperties": False,
}
DEMONSTRATION = {
    "text": "stew",
    "entities": [{"text": "stew", "label": "DISH", "start": 0, "end": 4}],
}
PROMPTS = {
    "plain": "Is it right? é 漢",
    "surrogate": "q \ud800 \\ud800",
    "annotate": Prompt(
        "List them.",
        text="soup é",
        candidates=[(0, 4, "DISH")],
        labels={"PRICE": "", "DISH": "food"},
        demonstrations=[DEMONSTRATION],
        schema=SCHEMA,
    ),
    "verify": Prompt(
        "Which?",
        text="soup",
        candidates=[(0, 4, "DISH")],
        labels={"DISH": ""},
        options=("A", "B", "C", "D"),
        verdicts=[{"A": "correct", "B": "not_entity", "C": "wrong_label", "D": "wrong_boundary"}],
        sample=2,
    ),
}


def make_noop():
    from spacy_llm.registry import registry

    return registry.llm_models.get("spacy.NoOp.v1")()


def make_gpt4():
    """spacy-llm's own model, whose constructor would ask api.openai.com: that check is left out."""
    from spacy_llm.models.rest.openai import OpenAI

    class Unchecked(OpenAI):
        def _verify_auth(self):
            pass

    Unchecked.__module__, Unchecked.__qualname__ = OpenAI.__module__, OpenAI.__qualname__
    return Unchecked(
        name="gpt-4",
        endpoint="http://127.0.0.1:9/v1/chat/completions",
        config={"temperature": 0.0, "max_tokens": 20},
        strict=False,
        max_tries=5,
        interval=1.0,
        max_request_time=30,
        context_length=None,
    )


MODELS = {
    "openai": functools.partial(make_openai_model, "http://127.0.0.1:8000/v1", "tiny"),
    "openai, all settings": functools.partial(
        make_openai_model,
        "https://api.example.com/v1/",
        "tiny",
        system="role",
        max_tokens=64,
        max_tokens_field="max_completion_tokens",
        temperature=None,
        seed=None,
        top_logprobs=5,
        use_schema=True,
        extra={"z": {"b": 1, "a": [2.5, None]}, "reasoning_effort": "low"},
    ),
    "transformers": functools.partial(
        make_transformers_model,
        "a/model",
        device="cpu",
        dtype="bfloat16",
        batch_size=3,
        max_tokens=77,
        chat_settings={"enable_thinking": False},
    ),
    "transformers, a path": functools.partial(make_transformers_model, Path("models/tiny")),
    "embedded": functools.partial(make_embedded_model, "assets/encoder", seed=3),
    "embedded, a path": functools.partial(make_embedded_model, Path("assets/encoder")),
    "recorded": functools.partial(make_recorded_model, "replies.jsonl"),
    "spacy.NoOp.v1": make_noop,
    "spacy-llm's OpenAI": make_gpt4,
}
KEYS = {
    "openai": {
        "plain": "5119e305ab9e1a972fed4586789ab6f027280db5923c1f53cc0b925d826e63f1",
        "surrogate": "681f4087f68c1a83371642de9c83ada9d6121ea58804ed988422d62b14f046e4",
        "annotate": "6f6453d525f40babd46a515f1a9df3a77dbf77d710ba89b787b48222a3a28b1e",
        "verify": "4364b526c48a15d02bfeb0ac6fd8e29f16b028cd05f5c905cfa79e0577fd632c",
    },
    "openai, all settings": {
        "plain": "68451ae9febfb1dcd366bbc92afd04e5d3ee2ecb969bf64b0853600f41edaecd",
        "surrogate": "aff25053a77328a039a9255eb9017cd080dfe374932ba832dcbc27a5c98f4944",
        "annotate": "0ca4fc1ecbc439d35e43d1ea8379ad9799a05080812de3315a4d783489164967",
        "verify": "e4cb22c0e708e88b39f833c99a2952ab3bface8cea1f0cde519e09c844485c4d",
    },
    "transformers": {
        "plain": "3b5fdf9f4273c4777ef46320fc3c010cf7aa2c33e2f9e428e69c7ea871ad6b2b",
        "surrogate": "95fe019f26a8105a631443d54b6e0b3b5fa7f84505bba8dc105f5bb733ffc64d",
        "annotate": "5c8e4e6e516f3d52fa73afed1a10492ebd475d42a748d9e22d3e62236a8cd18f",
        "verify": "d0ab7067d24e2d5d3ebe410ecaad121dde2ba513751898fd851bf2adb8c10ad7",
    },
    "transformers, a path": {
        "plain": "d65ac2bf27a815e84643805572793b9a58a9b5f0ee913f92135770f0d6936304",
        "surrogate": "c42f8dd12cac9ad0e9c7a917b7718b0a4155591e0a523472cb312c10d295c088",
        "annotate": "e900bf0d5fb669b639dcc754250b311f67be410562dce682f799b24b97f848eb",
        "verify": "2d460fb2c1b3802f90bf2f36979384b0b23a3913a8a74ce10ab79cc9a781be25",
    },
    "embedded": {
        "plain": "0a513819ab4854cd677b7f467e774c5355a7a6e309294d710921302aa92855d1",
        "surrogate": "e654da5d45d1bc24b3939cd6b25db614d8f204a5fab8cd7e8c29cd532733824e",
        "annotate": "974d4f7342f36872599b486685ad8e54360cb3d3e0e6698832431287ac6f9464",
        "verify": "f68521f3787e31899ed33112bf110ba9a8f4e7d48ec9f2699af4a186d75c2f1c",
    },
    "embedded, a path": {
        "plain": "196ad1c0c6ad08225cb6cb1dcb95ccf046f73a310628aaae757372494f429c8b",
        "surrogate": "9dd8aeec1eebf4fa60aafcbda8b5d1dcc4c40ee397b43acf9df58b4ba83d9587",
        "annotate": "0b7ef252fbadddb4fad14be5dd3cab2c0e3fe791b68aabfa3b32084d3fd045d2",
        "verify": "ea910cff2a4f322e9d5b69cb1c0b1517f51d7e8627e16561eec3950a8a84683b",
    },
    "recorded": {
        "plain": "2a4947b3c901f8c9804a1841af243b05e4e554038d8577a027c582f6f135bc9d",
        "surrogate": "da817e19ecef3b3e9049bd8296a23b732e1a25e6008bac58ef1a28761cf55386",
        "annotate": "ec6e4c73adce70e64f8252e4c4a64a42feecbfeb5e80b853081f11455f04d55f",
        "verify": "8c131e2a96d7142bec32b22999e6e1d2da145671b2cf66e8339ed1b97af80daf",
    },
    "spacy.NoOp.v1": {
        "plain": "4e7c69eb27d486c867796e10d9077f969b2ff3c65c40fd0252968c768e6a38de",
        "surrogate": "4604e388d24c7b8d2d9793a46417a09887f2e6565cb3e8a818cef79aedf67a4f",
        "annotate": "75de3485f78952c7a17d8d07c730c3bf37bd6ab9b9ef71c1b4e3b74de5f1bf52",
        "verify": "2965795edbc6f45246dcd9cc6ffdadc35328bd2bba57bec37cf50f6e05f7150d",
    },
    "spacy-llm's OpenAI": {
        "plain": "ceaccad4133fe1828e3a3c80a421752a842674d8a62949ffb150e19360812506",
        "surrogate": "ce62a6ec2a43bf6de2d24779899b267d26d16998fbaaaaac5873ea403d832ffa",
        "annotate": "04a246e09cdf30d2300c37aa01c32cb5156ef7983af2b06171fb01e73290177c",
        "verify": "d2ad44465f0dad429d88422516192faa10767dcbab04085fb613035d8a0593de",
    },
}


@pytest.mark.parametrize("name", MODELS)
def test_the_keys_of_paid_replies_stay_as_they_were(name, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-7Hq2Zr9LmT4vXw81")
    ledger = LedgerModel(MODELS[name](), "unused.db")
    found = {kind: ledger.pending(prompt).key for kind, prompt in PROMPTS.items()}
    assert found == KEYS[name]
