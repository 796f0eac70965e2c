"""The scores of all states of spaCy's stock transition-based `ner`, for every token and entity start.

The features of a state are the next token and, inside an entity, tokens that its start determines.
spaCy's lower layer adds up one vector per feature, so the scores of all O(n^2) states of a document
fit in a few arrays of n rows; a state is put together when somebody asks for it. The scores are
those that `ner.predict` uses; spaCy's Python twin of that code applies an additional ReLU where the
state layer has a single maxout piece.
"""

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc

from ..errors import Errors, LLMJudgeError

_ROWS = 1 << 15


@dataclass(frozen=True)
class Moves:
    """Which column of the scores is which move, and the layer that makes scores of states.

    `begin`, `inside`, `last` and `unit` are index arrays, parallel to `labels`; `outside` is one
    column. `upper` holds the weights (n_labels, width) and biases (n_labels,) of the log-odds of L
    against I, or None where states are scores already.
    """

    labels: Tuple[str, ...]
    begin: np.ndarray
    inside: np.ndarray
    last: np.ndarray
    unit: np.ndarray
    outside: int
    upper: Optional[Tuple[np.ndarray, np.ndarray]]


@dataclass
class StateScores:
    """The temperature-free scores of all states of one document, in a factorised form.

    closed (np.ndarray): Shape (n, n_moves), the raw scores where no entity is open; moves that
        are not valid are -inf.
    buffer (np.ndarray): Shape (n, width, pieces), what the next token adds to an open state.
    start (np.ndarray): Shape (distances, n, width, pieces), what an entity that starts at a token
        adds to a state that is 1, 2, ... tokens further; the last distance stands for all beyond.
    may_extend (np.ndarray): Shape (n,), whether an entity may continue past the token.
    moves (Moves): Shared by all documents.
    """

    closed: np.ndarray
    buffer: np.ndarray
    start: np.ndarray
    may_extend: np.ndarray
    moves: Moves

    def __len__(self) -> int:
        return len(self.closed)


def is_exact_for(ner: Any) -> bool:
    """Whether the pass knows the architecture of this component.

    ner (Any): A pipeline component.
    RETURNS (bool): True for a greedy `ner` on spaCy's transition model.
    """
    from spacy.pipeline._parser_internals.ner import BiluoPushDown

    if not isinstance(getattr(ner, "moves", None), BiluoPushDown):
        return False
    if ner.cfg.get("beam_width", 1) != 1:
        return False
    names = ner.model.ref_names
    if not {"tok2vec", "lower", "upper"} <= set(names):
        return False
    lower = ner.model.get_ref("lower")
    return lower.name == "precomputable_affine" and lower.get_dim("nF") in (3, 6)


def score_states(ner: Any, docs: Sequence[Doc]) -> List[StateScores]:
    """Score every state that the transition system could reach.

    ner (EntityRecognizer): A stock `ner`. Where it listens to a shared encoder, the documents must
        carry that encoder's output.
    docs (Sequence[Doc]): The documents. Entities that they already have change nothing; tokens that
        were blocked for entities stay blocked.
    RETURNS (List[StateScores]): One for each document.
    RAISES (LLMJudgeError): J101 and J102 where a listener would read zeros.
    """
    require_encoder_output(ner, docs)
    moves = _get_moves(ner)
    filled = [doc for doc in docs if len(doc)]
    lower = ner.model.get_ref("lower")
    rows = np.zeros((1, lower.get_dim("nF"), lower.get_dim("nO"), lower.get_dim("nP")))
    if filled:
        vectors = ner.model.get_ref("tok2vec").predict(filled)
        rows = _to_numpy(lower.predict(vectors))
    scored = []
    offset = 1
    for doc in docs:
        tokens = rows[offset : offset + len(doc)]
        scored.append(_score_doc(ner, doc, tokens, rows[0], moves))
        offset += len(doc)
    return scored


def open_log_odds(scores: StateScores, tokens: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The log-odds of L against I in open states.

    scores (StateScores): Of one document, or of several in a row.
    tokens (np.ndarray): Shape (n_states,), the next token of each state.
    starts (np.ndarray): Shape (n_states,), where the open entity starts; less than `tokens`.
    RETURNS (np.ndarray): Shape (n_states, n_labels), float64.
    """
    odds = np.empty((len(tokens), len(scores.moves.labels)))
    far = len(scores.start) - 1
    for first in range(0, len(tokens), _ROWS):
        part = slice(first, first + _ROWS)
        distance = np.minimum(tokens[part] - starts[part] - 1, far)
        states = scores.buffer[tokens[part]] + scores.start[distance, starts[part]]
        states = states.max(axis=2)
        if scores.moves.upper is None:
            width = states.shape[1] // 2
            odds[part] = states[:, width:] - states[:, :width]
        else:
            weights, bias = scores.moves.upper
            odds[part] = states @ weights.T + bias
    return odds


def require_encoder_output(ner: Any, docs: Sequence[Doc]) -> None:
    """Refuse documents on which a listener of this component would silently read zeros.

    ner (EntityRecognizer): The component.
    docs (Sequence[Doc]): The documents.
    RAISES (LLMJudgeError): J101 where `doc.tensor`, J102 where `doc._.trf_data` is missing.
    """
    names = {node.name for node in ner.model.walk()}
    if "tok2vec-listener" in names:
        for doc in docs:
            if len(doc) and (doc.tensor is None or doc.tensor.size == 0):
                raise LLMJudgeError(Errors.J101.format(name=ner.name, text=_head(doc)))
    if any(name.endswith("listener") and "transformer" in name for name in names):
        for doc in docs:
            if len(doc) and (not doc.has_extension("trf_data") or doc._.trf_data is None):
                raise LLMJudgeError(Errors.J102.format(name=ner.name, text=_head(doc)))


def _get_moves(ner: Any) -> Moves:
    names = [ner.moves.get_class_name(i) for i in range(ner.moves.n_moves)]
    column = {name: i for i, name in enumerate(names)}
    unseen = {names[i] for i in ner.model.attrs["unseen_classes"]}
    labels = tuple(
        name[2:] for name in names if name.startswith("B-") and len(name) > 2 and name not in unseen
    )
    inside = _columns(column, "I-", labels)
    last = _columns(column, "L-", labels)
    upper = None
    if ner.model.attrs["has_upper"]:
        layer = ner.model.get_ref("upper")
        weights = _to_numpy(layer.get_param("W"))
        bias = _to_numpy(layer.get_param("b"))
        upper = (weights[last] - weights[inside], bias[last] - bias[inside])
    return Moves(
        labels=labels,
        begin=_columns(column, "B-", labels),
        inside=inside,
        last=last,
        unit=_columns(column, "U-", labels),
        outside=column["O"],
        upper=upper,
    )


def _columns(column: Dict[str, int], prefix: str, labels: Sequence[str]) -> np.ndarray:
    return np.array([column[prefix + label] for label in labels], dtype=int)


def _score_doc(
    ner: Any, doc: Doc, tokens: np.ndarray, pad: np.ndarray, moves: Moves
) -> StateScores:
    """tokens has shape (n, n_features, width, pieces), pad is the row of a missing token."""
    lower = ner.model.get_ref("lower")
    bias = _to_numpy(lower.get_param("b")).reshape(pad.shape[1:])
    states = (tokens[:, 0] + pad[1:].sum(axis=0) + bias).max(axis=2)
    if moves.upper is None:
        closed = states
        used = np.concatenate([moves.inside, moves.last])
        tokens, pad, bias = tokens[:, :, used], pad[:, used], bias[used]
    else:
        layer = ner.model.get_ref("upper")
        closed = states @ _to_numpy(layer.get_param("W")).T
        closed = closed + _to_numpy(layer.get_param("b"))
    buffer = np.ascontiguousarray(tokens[:, 0])
    if tokens.shape[1] == 3:
        # Next token, start of the entity, and the token before the next one.
        buffer[1:] += tokens[:-1, 2]
        start = (tokens[:, 1] + bias)[None]
    else:
        start = _start_features(tokens, pad) + bias
    may_extend, closed = _valid_moves(doc, closed, moves)
    return StateScores(closed, buffer, start, may_extend, moves)


def _start_features(tokens: np.ndarray, pad: np.ndarray) -> np.ndarray:
    """Sum the features of the first tokens of an entity, for each length that is distinct.

    RETURNS (np.ndarray): Shape (n_features - 1, n, width, pieces).
    """
    n, n_features = tokens.shape[:2]
    sums = np.empty((n_features - 1, *tokens[:, 0].shape), dtype=tokens.dtype)
    total = np.broadcast_to(pad[1:].sum(axis=0), tokens[:, 0].shape).copy()
    for j in range(1, n_features):
        # The j-th token of an entity that starts at s is token s + j - 1.
        total[: max(n - j + 1, 0)] += tokens[j - 1 :, j] - pad[j]
        sums[j - 1] = total
    return sums


def _valid_moves(doc: Doc, closed: np.ndarray, moves: Moves) -> Tuple[np.ndarray, np.ndarray]:
    """The rules of spaCy's BiluoPushDown for a document without preset entities."""
    n = len(doc)
    table = doc.to_array(["IS_SPACE", "SENT_START", "ENT_IOB", "ENT_TYPE"])
    space, sent_start, iob, ent_type = table.reshape(n, 4).T
    space = space == 1
    blocked = (iob == 3) & (ent_type == 0)
    stop = (sent_start == 1) | blocked
    may_extend = np.append(~stop[1:], False)[:n]
    valid = np.zeros(closed.shape, dtype=bool)
    valid[:, moves.outside] = True
    valid[:, moves.unit] = (~space & ~blocked)[:, None]
    valid[:, moves.begin] = (~space & ~blocked & may_extend)[:, None]
    return may_extend, np.where(valid, closed, -np.inf)


def _head(doc: Doc) -> str:
    return doc.text if len(doc.text) <= 60 else doc.text[:57] + "..."


def join_scores(scores: Sequence[StateScores]) -> StateScores:
    if len(scores) == 1:
        return scores[0]
    return StateScores(
        closed=np.concatenate([s.closed for s in scores]),
        buffer=np.concatenate([s.buffer for s in scores]),
        start=np.concatenate([s.start for s in scores], axis=1),
        may_extend=np.concatenate([s.may_extend for s in scores]),
        moves=scores[0].moves,
    )


def _to_numpy(array: Any) -> np.ndarray:
    return array.get() if hasattr(array, "get") else np.asarray(array)
