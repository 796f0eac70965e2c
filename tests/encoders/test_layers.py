import doctest

import numpy as np
import pytest
from encoder_helpers import make_encoder

from spacy_llmjudge.encoders import layers
from spacy_llmjudge.encoders.layers import load_layers, middle_and_last
from spacy_llmjudge.errors import LLMJudgeError

TEXT = "the rose likes the old oak"


@pytest.fixture(scope="module", params=[2, 4, 6])
def encoder(request, tmp_path_factory):
    return make_encoder(tmp_path_factory.mktemp("encoder"), TEXT.split(), layers=request.param)


def test_examples():
    found = doctest.testmod(layers)
    assert found.attempted and not found.failed


def test_the_lower_half_ends_in_the_middle_layer(encoder):
    import torch

    tokenizer, whole = load_layers(encoder)
    _, half = load_layers(encoder, lower_half=True)
    pieces = tokenizer(TEXT, return_tensors="pt")
    with torch.inference_mode():
        states = whole(**pieces, output_hidden_states=True).hidden_states
        found = half(**pieces).last_hidden_state
    middle, last = middle_and_last(whole.config.num_hidden_layers)
    assert np.array_equal(found.numpy(), states[middle].numpy())
    assert not np.array_equal(found.numpy(), states[last].numpy())


def test_what_is_no_encoder_is_one_line(tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J302\].*nothing"):
        load_layers(tmp_path / "nothing")
