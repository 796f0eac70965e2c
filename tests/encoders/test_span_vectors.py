import numpy as np
import pytest
from encoder_helpers import make_encoder
from spacy import registry

from spacy_llmjudge.encoders.span_vectors import SpanEncoder, span_features

TEXTS = ["my rose is old", "the elm"]
SPANS = [[(3, 7), (0, 2)], [(4, 7)]]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return make_encoder(tmp_path_factory.mktemp("encoder"), " ".join(TEXTS).split())


def test_the_registered_function_gives_the_features_of_all_spans_in_their_order(encoder):
    vectors = registry.resolve(
        {"vectors": {"@misc": "llmjudge.SpanVectors.v1", "encoder": str(encoder)}}
    )["vectors"]
    encoded = SpanEncoder(encoder).encode(TEXTS)
    expected = np.concatenate([span_features(e, spans) for e, spans in zip(encoded, SPANS)])
    found = vectors(TEXTS, SPANS)
    assert found.shape == (3, 5 * 32) and found.dtype == np.float32
    assert np.array_equal(found, expected.astype("float32"))


def test_white_space_stands_for_the_whole_text(encoder):
    (encoded,) = SpanEncoder(encoder).encode(["the  elm"])
    (found,) = span_features(encoded, [(3, 5)]).reshape(1, 5, -1)
    assert np.allclose(found[0], encoded.vectors[0].mean(axis=0))
