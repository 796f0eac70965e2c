"""Robust UU with an encoder that moves."""

import numpy as np
import pytest
from denoise_moving import Task, fit_round, measure, run_first

from spacy_llmjudge.denoise.uu_risk import Rates

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def layer():
    import torch
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertLayer

    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=32,
        num_attention_heads=4,
        intermediate_size=64,
        attn_implementation="eager",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return BertLayer(config).eval()


@pytest.fixture(scope="module")
def task():
    """A quarter is positive, and the first token tells; a fifth of the labels is wrong."""
    import torch

    rng = np.random.default_rng(0)
    hidden, mask, noisy, gold = {}, {}, {}, {}
    for part, n in (("train", 600), ("test", 300)):
        truth = rng.random(n) < 0.25
        rows = rng.normal(size=(n, 5, 32)).astype("float32")
        rows[:, 0, :8] += np.where(truth, 2, -2)[:, None]
        hidden[part], mask[part] = torch.from_numpy(rows), torch.ones(n, 5)
        noisy[part], gold[part] = np.where(rng.random(n) < 0.2, ~truth, truth), truth
    return Task(hidden, mask, noisy, gold)


def test_the_first_token_alone_is_that_of_the_whole_layer(layer, task):
    import torch

    hidden, mask = task.hidden["train"][:6], task.mask["train"][:6].clone()
    mask[:3, 3:] = 0
    with torch.no_grad():
        whole = layer(hidden, attention_mask=(1 - mask)[:, None, None, :] * -1e9)[0][:, 0]
        assert torch.allclose(run_first(layer, hidden, mask), whole, atol=1e-5)


def test_a_round_starts_from_the_layer_as_it_was(layer, task):
    before = {name: w.clone() for name, w in layer.state_dict().items()}
    rates = Rates(0.55, 0.08, 0.25)
    first, second = (
        fit_round(task, layer, task.noisy["train"], rates, "robust_uu", 0)("test") for _ in range(2)
    )
    assert (first == second).all()
    assert all((w == before[name]).all() for name, w in layer.state_dict().items())


def test_rounds_are_better_than_the_labels_that_they_began_with(layer, task):
    rows = measure(task, layer, 50, 0)
    assert list(rows)[:3] == ["llm", "as_they_are", "robust_uu_round_1"]
    assert rows["llm"]["accuracy"] < 0.85 < 0.93 < rows["robust_uu_round_1"]["accuracy"]
    assert all(len(row["got"]) == 300 for row in rows.values())
