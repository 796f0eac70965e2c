"""Several candidates in one prompt to a local language model: each gets the exact probabilities of its own
letters, at the place where the reply says one."""

import math

import pytest
import spacy
from english import NLP
from local_helpers import by_hand
from spacy.tokens import Span

from spacy_llmjudge.candidates import get_candidates, get_status
from spacy_llmjudge.judge.tasks.verify import LETTERS, make_verify_task
from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.models.local import make_transformers_model

TEXTS = ("ab cd ef", "cd ef", "ef gh ab cd")
# What the model has learned to say, each reply so often: its letters are drawn, its lines are not.
SAID = ("1: {} | 90\n2: {} | 4", {"AB": 5, "AD": 2, "BB": 2, "CB": 1, "DA": 1})


def make_docs():
    for text in TEXTS:
        doc = NLP(text)
        doc.ents = [Span(doc, 0, 1, label="X"), Span(doc, 1, 2, label="Y")]
        yield doc


def ask(task, doc):
    ((prompts, _),) = task.generate_prompts([doc])
    (prompt,) = prompts
    return prompt


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    path = tmp_path_factory.mktemp("task") / "short.jinja"
    path.write_text("{{ text }} {{ questions | length }}=")
    return make_verify_task(labels=["X", "Y"], candidates_per_prompt=2, template=path)


@pytest.fixture(scope="module")
def folder(task, tmp_path_factory):
    """A Llama of one layer, a character a token, that was taught to answer in lines."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    path = tmp_path_factory.mktemp("taught")
    words = ["<unk>", "<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    fast.save_pretrained(path)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = LlamaForCausalLM(config)
    rows = []
    for prompt in [ask(task, doc) for doc in make_docs()]:
        for letters, times in SAID[1].items():
            asked = fast(str(prompt))["input_ids"]
            said = fast(SAID[0].format(*letters))["input_ids"] + [2]
            rows += [(asked + said, [-100] * len(asked) + said)] * times
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([row + [2] * (width - len(row)) for row, _ in rows])
    labels = torch.tensor([row + [-100] * (width - len(row)) for _, row in rows])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
    model.save_pretrained(path)
    return path


def say_by_hand(folder, tokens, prompt):
    """The reply, and at each letter of it the log-probabilities of all four."""
    ids, said, letters = tokens(prompt), "", []
    while True:
        last = by_hand(folder, ids)[-1]
        ids.append(int(last.argmax()))
        if ids[-1] == 2:
            return said, letters
        (character,) = [c for c in map(chr, range(10, 127)) if tokens(c) == [ids[-1]]]
        said += character
        if character in LETTERS:
            letters.append({letter: last[tokens(letter)[0]] for letter in LETTERS})


def test_support_of_several_candidates_is_exact(folder, task, tmp_path):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    expected = []
    for doc in make_docs():
        prompt = ask(task, doc)
        assert prompt.options is None and len(prompt.verdicts) == 2
        said, letters = say_by_hand(
            folder, lambda text: list(tokenizer(str(text))["input_ids"]), prompt
        )
        assert said[:3] == "1: " and said.count("\n") == 1 and len(letters) == 2
        for meanings, masses in zip(prompt.verdicts, letters):
            masses = {meanings[letter]: math.exp(mass) for letter, mass in masses.items()}
            share = masses["correct"] / sum(masses.values())
            expected.append((max(masses, key=masses.get), min(max(share, 0.005), 0.995)))
    # Neither is what the lines state, 0.90 and 0.04.
    assert len({round(support, 2) for _, support in expected}) > 2

    model = make_transformers_model(folder, device="cpu", batch_size=2, max_tokens=40)
    nlp = spacy.blank("en")
    judge = nlp.add_pipe("llm_judge", config={"model": {"@llm_models": "spacy.NoOp.v1"}})
    judge._task, judge._model = task, make_ledger_model(model, tmp_path / "l.db")
    for _ in range(2):  # asked, and read from the ledger
        docs = list(nlp.pipe(make_docs()))
        assert {get_status(doc)["state"] for doc in docs} == {"judged"}
        found = [c for doc in docs for c in get_candidates(doc) if c.source != "judge"]
        assert [c.verdict for c in found] == [verdict for verdict, _ in expected]
        supports = [support for _, support in expected]
        assert [c.support for c in found] == pytest.approx(supports, abs=1e-4)
    assert judge._model.usage()["requests"] == 3
