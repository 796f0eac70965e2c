"""A verifier of spans: how probable is it that a span is an entity with a label, by examples alone.

Positives are the entities of the labelled documents. Negatives are what a weak student gets wrong:
the same entities with shifted boundaries, and chunks of words that nobody marked. The labels and
"no entity" are the classes of one logistic regression, so that a wrong label is a negative too.
"""

import random
import re
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from ..encoders.span_vectors import Characters, EncodedText, SpanEncoder, span_features
from ..errors import Errors, LLMJudgeError

NONE = ""
MAX_CHUNK = 4
CHUNK_SHARE = 0.4
INVERSE_PENALTY = 0.003
_SHIFTS = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, 1), (-2, 0), (0, 2))
_WORD = re.compile(r"\w+|[^\w\s]")


class Verifier:
    """A fitted verifier.

    encoder (SpanEncoder): What it was fitted on.
    classifier (Any): A scikit-learn classifier of span features, whose classes are labels and NONE.
    """

    def __init__(self, encoder: SpanEncoder, classifier: Any) -> None:
        self._encoder = encoder
        self._classifier = classifier
        self._columns = {label: i for i, label in enumerate(classifier.classes_)}

    def probabilities(
        self, texts: Sequence[str], candidates: Sequence[Sequence[Tuple[int, int, str]]]
    ) -> List[List[float]]:
        """The probability of each candidate to be correct.

        texts (Sequence[str]): The texts.
        candidates (Sequence[Sequence[Tuple[int, int, str]]]): For each text: start character, end
            character and label.
        RETURNS (List[List[float]]): For each text: one number per candidate, 0 to 1; 0 for a label
            without examples.
        """
        encoded = self._encoder.encode([t for t, found in zip(texts, candidates) if found])
        queue = iter(encoded)
        return [self._score(next(queue), found) if found else [] for found in candidates]

    def _score(
        self, encoded: EncodedText, candidates: Sequence[Tuple[int, int, str]]
    ) -> List[float]:
        features = span_features(encoded, [(start, end) for start, end, _ in candidates])
        table = self._classifier.predict_proba(features)
        return [
            float(row[self._columns[label]]) if label in self._columns else 0.0
            for row, (_, _, label) in zip(table, candidates)
        ]


def fit_verifier(
    encoder: SpanEncoder,
    demonstrations: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    seed: int,
) -> Verifier:
    """Fit a verifier on labelled documents; it takes seconds.

    encoder (SpanEncoder): The encoder, which stays as it is.
    demonstrations (Sequence[Mapping[str, Any]]): `{"text", "entities": [{"label", "start", "end"}]}`.
    labels (Sequence[str]): The labels to learn; entities with others are negatives.
    seed (int): Draws the negatives.
    RETURNS (Verifier): The verifier.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = random.Random(seed)
    samples = [training_spans(row, labels, rng) for row in demonstrations]
    targets = [label for rows in samples for label in rows.values()]
    if len(set(targets)) < 2:
        raise LLMJudgeError(Errors.J303)
    encoded = encoder.encode([row["text"] for row in demonstrations])
    features = [span_features(text, list(rows)) for text, rows in zip(encoded, samples) if rows]
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=INVERSE_PENALTY, max_iter=500)
    )
    return Verifier(encoder, classifier.fit(np.concatenate(features), targets))


def training_spans(
    row: Mapping[str, Any], labels: Sequence[str], rng: random.Random
) -> Dict[Characters, str]:
    """Make the training examples of one labelled document.

    row (Mapping[str, Any]): The document.
    labels (Sequence[str]): The labels to learn.
    rng (random.Random): Draws the unmarked chunks.
    RETURNS (Dict[Characters, str]): Start and end character to the label, or to NONE.
    """
    marked = {(e["start"], e["end"]): e["label"] for e in row["entities"] if e["label"] in labels}
    words = find_words(row["text"])
    negatives = set(shift(words, list(marked)))
    for i in range(len(words)):
        for size in range(1, min(MAX_CHUNK, len(words) - i) + 1):
            if rng.random() < CHUNK_SHARE / size:
                negatives.add((words[i][0], words[i + size - 1][1]))
    spans = {**dict.fromkeys(negatives, NONE), **marked}
    return dict(sorted(spans.items()))


def find_words(text: str) -> List[Characters]:
    """RETURNS (List[Characters]): Start and end character of each word and punctuation mark."""
    return [match.span() for match in _WORD.finditer(text)]


def shift(words: Sequence[Characters], spans: Sequence[Characters]) -> List[Characters]:
    """Move the boundaries of spans by a word or two.

    words (Sequence[Characters]): The words of the text, in order.
    spans (Sequence[Characters]): The spans; one that does not begin and end with words is left out.
    RETURNS (List[Characters]): What else they could be, in the order of the spans.
    """
    starts = {start: i for i, (start, _) in enumerate(words)}
    ends = {end: i for i, (_, end) in enumerate(words)}
    found = []
    for start, end in spans:
        for left, right in _SHIFTS if start in starts and end in ends else ():
            i, j = starts[start] + left, ends[end] + right
            if 0 <= i <= j < len(words):
                found.append((words[i][0], words[j][1]))
    return found
