import numpy

from spacy_llmjudge.training.optimizers import make_adam


def step(name, **settings):
    optimizer = make_adam(0.01, L2=0.0, grad_clip=0.0, **settings)
    weights = numpy.zeros((4,), dtype="float32")
    gradient = numpy.ones((4,), dtype="float32")
    weights, _ = optimizer((1, name), weights, gradient)
    return float(weights[0])


def test_the_head_takes_larger_steps_than_the_encoder():
    encoder = step("encoder.layer.5.output.dense.weight", head_scale=10.0)
    head = step("W", head_scale=10.0)
    assert numpy.isclose(head, 10 * encoder, rtol=1e-4)


def test_a_scale_of_one_is_plain_adam():
    assert step("W", head_scale=1.0) == step("encoder.weight", head_scale=1.0)


def test_a_config_can_name_it():
    import spacy

    block = {"optimizer": {"@optimizers": "llmjudge.Adam.v1", "head_scale": 3.0}}
    assert spacy.registry.resolve(block)["optimizer"].head_scale == 3.0


def test_what_is_frozen_stays_as_it_is():
    assert step("embeddings.word_embeddings.weight", frozen=["word_embeddings"]) == 0
    assert step("encoder.weight", frozen=["word_embeddings"]) != 0
