import pytest
import spacy
from confidence_models import make_examples, train_plain_ner


@pytest.fixture(scope="session")
def plain_path(tmp_path_factory):
    """A plain `ner` with its own tok2vec, trained with stock spaCy."""
    path = tmp_path_factory.mktemp("plain")
    train_plain_ner().to_disk(path)
    return path


@pytest.fixture(scope="session")
def shared_path(tmp_path_factory):
    """A plain `ner` that listens to a shared tok2vec."""
    path = tmp_path_factory.mktemp("shared")
    train_plain_ner(shared=True).to_disk(path)
    return path


@pytest.fixture(scope="session")
def fitted_path(tmp_path_factory, plain_path):
    """The plain pipeline with a fitted `calibrated_confidence`."""
    path = tmp_path_factory.mktemp("fitted")
    nlp = spacy.load(plain_path)
    component = nlp.add_pipe("calibrated_confidence")
    component.fit(make_examples(nlp, 60, seed=9))
    nlp.to_disk(path)
    return path


@pytest.fixture
def plain_nlp(plain_path):
    return spacy.load(plain_path)


@pytest.fixture
def shared_nlp(shared_path):
    return spacy.load(shared_path)


@pytest.fixture
def fitted_nlp(fitted_path):
    return spacy.load(fitted_path)


@pytest.fixture(scope="session")
def tiny_transformer(tmp_path_factory):
    """The config of a random BERT of two small layers, from files that are made here."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    path = tmp_path_factory.mktemp("encoder")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "met", "in", "with"]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    pieces += [*letters, *(f"##{letter}" for letter in letters)]
    (path / "vocab.txt").write_text("\n".join(pieces), encoding="utf8")
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
    )
    BertModel(config).save_pretrained(path)
    tokenizer = BertTokenizerFast(str(path / "vocab.txt"), do_lower_case=False)
    tokenizer.save_pretrained(path)
    return {
        "@architectures": "spacy-transformers.TransformerModel.v3",
        "name": str(path),
        "get_spans": {
            "@span_getters": "spacy-transformers.strided_spans.v1",
            "window": 16,
            "stride": 12,
        },
        "tokenizer_config": {"use_fast": True},
    }
