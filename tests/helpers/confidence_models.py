"""Small models and gold for the tests of this folder."""

import functools
from typing import Any, List, Sequence, Tuple

import numpy as np
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import fix_random_seed

TOK2VEC = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "width": 16,
    "depth": 1,
    "embed_size": 200,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
    "pretrained_vectors": None,
}


def parser_config(extra: bool = False, upper: bool = True, pieces: int = 2) -> dict:
    return {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": extra,
        "hidden_width": 16,
        "maxout_pieces": pieces,
        "use_upper": upper,
        "tok2vec": TOK2VEC,
    }


@functools.cache
def blank_model(
    extra: bool, upper: bool, labels: Tuple[str, ...] = ("A", "B"), pieces: int = 2
) -> Language:
    nlp = spacy.blank("xx")
    ner = nlp.add_pipe("ner", config={"model": parser_config(extra, upper, pieces)})
    for label in labels:
        ner.add_label(label)
    fix_random_seed(0)
    nlp.initialize()
    return nlp


def randomise(nlp: Language, seed: int, scale: float = 0.5) -> Any:
    """Fresh weights for the state layers, large enough that the moves are far from uniform."""
    ner = nlp.get_pipe("ner")
    rng = np.random.default_rng(seed)
    layers = [ner.model.get_ref("lower")]
    if ner.model.attrs["has_upper"]:
        layers.append(ner.model.get_ref("upper"))
    for layer in layers:
        for name in layer.param_names:
            shape = layer.get_param(name).shape
            layer.set_param(name, (rng.normal(size=shape) * scale).astype("f"))
    return ner


def make_doc(nlp: Language, words: Sequence[str], starts: Sequence[int] = ()) -> Doc:
    doc = Doc(nlp.vocab, words=list(words))
    for i in starts:
        doc[i].is_sent_start = True
    return doc


NAMES = ["Ada", "Bo", "Cleo", "Dirk", "Eva", "Fritz", "Gus", "Hal"]
PLACES = ["Rome", "Oslo", "Lima", "Bonn", "Kiel", "Nara", "Faro", "Graz"]
BOTH = ["Sydney", "Jordan", "Chelsea", "Florence"]
TITLES = ["Saint", "New", "Old"]


def make_examples(nlp: Language, n: int, seed: int = 0) -> List[Example]:
    """Sentences about people and places. Some names are both, and nothing tells which."""
    rng = np.random.default_rng(seed)
    examples = []
    for _ in range(n):
        words: List[str] = []
        ents = []
        for part in ("I", "met", None, "in", None, "with", None, "today"):
            if part is not None:
                words.append(part)
                continue
            label = "PERSON" if rng.random() < 0.5 else "PLACE"
            known = NAMES if label == "PERSON" else PLACES
            known = BOTH if rng.random() < 0.4 else known
            first = len(words)
            if rng.random() < 0.3:
                words.append(str(rng.choice(TITLES)))
            words.append(str(rng.choice(known)))
            ents.append((first, len(words), label))
        reference = Doc(nlp.vocab, words=words)
        reference.ents = [Span(reference, s, e, label) for s, e, label in ents]
        examples.append(Example(Doc(nlp.vocab, words=words), reference))
    return examples


def train_plain_ner(
    shared: bool = False, n: int = 120, epochs: int = 5, name: str = "ner"
) -> Language:
    """A plain pipeline, trained with stock spaCy, with its own tok2vec or a shared one."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    config = {"model": parser_config()}
    if shared:
        nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
        listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16}
        config["model"] = {**config["model"], "tok2vec": listener}
    nlp.add_pipe("ner", name=name, config=config)
    examples = make_examples(nlp, n)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for epoch in range(epochs):
        order = np.random.default_rng(epoch).permutation(len(examples))
        for first in range(0, len(examples), 16):
            batch = [examples[i] for i in order[first : first + 16]]
            nlp.update(batch, sgd=optimizer)
    return nlp
