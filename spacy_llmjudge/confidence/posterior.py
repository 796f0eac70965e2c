"""Exact span posteriors from spaCy's stock transition-based `ner`.

The features of a state of the greedy `ner` are the next token `i` and, inside an entity, tokens
that its start `s` determines. The label of the open entity is no feature, it only restricts the
valid moves. So the scores of all states are a function of `(i, s)`, and a forward pass over them
gives the exact marginals of the locally normalised transition model that `ner` is trained as:

    pc(i, m)      softmax over the moves valid when no entity is open at i: O, B-l, U-l
    po(i, s, l)   P(L-l | I-l or L-l), where an entity with label l has been open since s
    a(0)        = 1
    P(i, i+1, l) = a(i) pc(i, U-l)
    P(i, j+1, l) = a(i) pc(i, B-l) prod_{i<k<j} (1 - po(k, i, l)) po(j, i, l)
    a(j+1)      = a(j) pc(j, O) + sum of P(., j+1, .)            P_out(i) = a(i) pc(i, O)

Scoring the tokens is the expensive half (`score_states`), the pass is the cheap one
(`posteriors_from_scores`), so that a temperature can be fitted without scoring again.
"""

from dataclasses import dataclass
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc, Span

from ..numeric import sigmoid
from .states import StateScores, join_scores, open_log_odds, score_states

CUT = 1e-6
# Rounding differs between batches and between BLAS libraries; a move this close to the best one
# (in units of the raw scores) counts as the best.
TIE = 1e-2
_TOKENS = 50_000

SpanKey = Tuple[int, int, str]


@dataclass
class SpanPosteriors:
    """What the student believes about one document.

    spans (Dict[Tuple[int, int, str], float]): Start token, end token and label to the probability
        that exactly this span is an entity, 0 to 1. Spans under the cut are left out.
    outside (Optional[np.ndarray]): Shape (n_tokens,): the probability of every token to be outside
        of all entities. None where the component does not say.
    lost (float): The weight of the entities that were no longer followed, summed over the document:
        no posterior is off by more.
    """

    spans: Dict[SpanKey, float]
    outside: Optional[np.ndarray]
    lost: float = 0.0


def posteriors_from_scores(
    scores: Sequence[StateScores],
    *,
    temperature: float = 1.0,
    cut: float = CUT,
    forced: Optional[Sequence[Sequence[SpanKey]]] = None,
) -> List[SpanPosteriors]:
    """Run the forward pass of many documents at once.

    scores (Sequence[StateScores]): From `score_states`, all by the same component.
    temperature (float): Divides the scores; over 1 makes the model less sure.
    cut (float): Spans under it are left out, and open entities under it are not followed.
    forced (Optional[Sequence[Sequence[SpanKey]]]): For each document the entities that were set
        before `ner` ran. The transition system keeps them, so their tokens are not free.
    RETURNS (List[SpanPosteriors]): One for each document.
    """
    forced = [()] * len(scores) if forced is None else forced
    results: List[SpanPosteriors] = []
    for part in _groups([len(s) for s in scores], _TOKENS):
        results.extend(_run_pass(scores[part], forced[part], temperature, cut))
    return results


def span_posteriors(
    ner: Any, docs: Sequence[Doc], *, temperature: float = 1.0, cut: float = CUT
) -> List[SpanPosteriors]:
    """The exact posteriors of all spans of some documents.

    ner (EntityRecognizer): A stock `ner`.
    docs (Sequence[Doc]): The documents, as they come out of the pipeline or before `ner`.
    temperature (float): Divides the scores.
    cut (float): Spans under it are left out.
    RETURNS (List[SpanPosteriors]): One for each document.
    """
    results: List[SpanPosteriors] = []
    for part in _groups([len(doc) for doc in docs], _TOKENS):
        scores = score_states(ner, docs[part])
        results.extend(posteriors_from_scores(scores, temperature=temperature, cut=cut))
    return results


def agrees_with_predict(ner: Any, docs: Sequence[Doc]) -> bool:
    """The self-test: is the best path of the pass the one that `ner.predict` takes?

    ner (EntityRecognizer): The component.
    docs (Sequence[Doc]): Documents to try it on. The test runs on copies whose entities are unset,
        because a document that has entities only gives them back.
    RETURNS (bool): True where every move of `ner.predict` is a best one here, ties allowed.
    """
    copies = [unset_copy(doc) for doc in docs if len(doc)]
    if not copies:
        return True
    ner.set_annotations(copies, ner.predict(copies))
    for doc, scores in zip(copies, score_states(ner, copies)):
        regrets, outside = entity_regrets(scores, span_keys(doc.ents))
        if max(regrets.max(initial=0.0), outside.max(initial=0.0)) > TIE:
            return False
    return True


def entity_regrets(
    scores: StateScores, entities: Sequence[SpanKey]
) -> Tuple[np.ndarray, np.ndarray]:
    """How much worse than the best valid move the moves that make these entities are.

    scores (StateScores): Of one document.
    entities (Sequence[SpanKey]): Non-overlapping entities with labels.
    RETURNS (Tuple[np.ndarray, np.ndarray]): Shape (n_entities,), the largest gap in units of the
        raw scores, inf where the component lacks the label or the entity is not valid; and shape
        (n_tokens,), the gap of the O move, 0 inside of the entities. `ner.predict` makes all moves
        with a gap of 0.
    """
    moves = scores.moves
    index = {label: k for k, label in enumerate(moves.labels)}
    best = scores.closed.max(axis=1) if len(scores) else np.zeros(0)
    outside = best - scores.closed[:, moves.outside]
    regrets = np.full(len(entities), np.inf)
    for e, (start, end, label) in enumerate(entities):
        outside[start:end] = 0.0
        if label not in index:
            continue
        k = index[label]
        column = moves.unit[k] if end == start + 1 else moves.begin[k]
        regret = best[start] - scores.closed[start, column]
        inner = np.arange(start + 1, end)
        if len(inner):
            begun = np.full(len(inner), start)
            odds = open_log_odds(scores, inner, begun)[:, k]
            gaps = np.append(odds[:-1], -odds[-1])
            gaps[-1] = gaps[-1] if scores.may_extend[inner[-1]] else 0.0
            gaps[:-1][~scores.may_extend[inner[:-1]]] = np.inf
            regret = max(regret, gaps.max())
        regrets[e] = max(regret, 0.0)
    return regrets, outside


def span_keys(spans: Iterable[Span]) -> List[SpanKey]:
    """RETURNS (List[SpanKey]): Start, end and label of each span."""
    return [(span.start, span.end, span.label_) for span in spans]


def unset_copy(doc: Doc) -> Doc:
    """RETURNS (Doc): A copy of a document whose entities are unknown."""
    copy = doc.copy()
    copy.set_ents([], default="missing")
    return copy


def _run_pass(
    scores: Sequence[StateScores],
    forced: Sequence[Sequence[SpanKey]],
    temperature: float,
    cut: float,
) -> List[SpanPosteriors]:
    """Step through all documents at once, the longest first, so that those at work are a prefix."""
    lengths = np.array([len(s) for s in scores], dtype=int)
    order = np.argsort(-lengths, kind="stable")
    lengths = lengths[order]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    joined = join_scores([scores[i] for i in order])
    moves = joined.moves
    may_extend, closed = _apply_forced(joined, [forced[i] for i in order], offsets)
    closed = _softmax(closed / temperature)
    outside = closed[:, moves.outside].copy()

    reach = np.ones(len(order))
    lost = np.zeros(len(order))
    owner = np.zeros(0, dtype=int)
    begun = np.zeros(0, dtype=int)
    weight = np.zeros((0, len(moves.labels)))
    found: List[Tuple[np.ndarray, ...]] = []
    for i in range(int(lengths.max(initial=0))):
        active = int(np.searchsorted(-lengths, -i, side="left"))
        token = offsets[:active] + i
        now = reach[:active]
        ended = np.zeros(active)
        if len(owner):
            next_token = token[owner]
            odds = open_log_odds(joined, next_token, begun) / temperature
            odds[~may_extend[next_token]] = np.inf
            done = weight * sigmoid(odds)
            weight = weight * sigmoid(-odds)
            ended += np.bincount(owner, done.sum(axis=1), minlength=active)
            _record(found, done, begun, next_token, cut)
        units = now[:, None] * closed[token[:, None], moves.unit]
        _record(found, units, token, token, cut)
        opened = now[:, None] * closed[token[:, None], moves.begin]
        outside[token] = now * closed[token, moves.outside]
        reach[:active] = outside[token] + units.sum(axis=1) + ended

        owner = np.concatenate([owner, np.arange(active)])
        begun = np.concatenate([begun, token])
        weight = np.concatenate([weight, opened])
        total = weight.sum(axis=1)
        keep = total >= cut
        # An entity that is no longer followed counts as ended: were its weight to vanish, all that
        # comes later in a long document would shrink with it.
        dropped = np.bincount(owner[~keep], total[~keep], minlength=active)
        lost[:active] += dropped
        reach[:active] += dropped
        owner, begun, weight = owner[keep], begun[keep], weight[keep]
    for d, spans in enumerate(forced[i] for i in order):
        for start, end, _ in spans:
            outside[offsets[d] + start : offsets[d] + end] = 0.0
    return _split(found, outside, lost, offsets, order, moves.labels)


def _apply_forced(
    scores: StateScores, forced: Sequence[Sequence[SpanKey]], offsets: np.ndarray
) -> Tuple[np.ndarray, np.ndarray]:
    """Leave only O to the tokens of forced entities, and let no other entity run into them.

    RETURNS (Tuple[np.ndarray, np.ndarray]): `may_extend` and `closed` of the scores, changed.
    """
    if not any(len(spans) for spans in forced):
        return scores.may_extend, scores.closed
    may_extend, closed = scores.may_extend.copy(), scores.closed.copy()
    for offset, spans in zip(offsets, forced):
        for start, end, _ in spans:
            closed[offset + start : offset + end] = -np.inf
            closed[offset + start : offset + end, scores.moves.outside] = 0.0
            if start:
                may_extend[offset + start - 1] = False
    closed[np.flatnonzero(~may_extend)[:, None], scores.moves.begin] = -np.inf
    return may_extend, closed


def _record(
    found: List[Tuple[np.ndarray, ...]],
    weight: np.ndarray,
    start: np.ndarray,
    last: np.ndarray,
    cut: float,
) -> None:
    row, label = np.nonzero(weight >= cut)
    if len(row):
        found.append((start[row], last[row], label, weight[row, label]))


def _split(
    found: List[Tuple[np.ndarray, ...]],
    outside: np.ndarray,
    lost: np.ndarray,
    offsets: np.ndarray,
    order: np.ndarray,
    labels: Sequence[str],
) -> List[SpanPosteriors]:
    results = [
        SpanPosteriors({}, outside[offsets[d] : offsets[d + 1]], float(lost[d]))
        for d in range(len(order))
    ]
    if found:
        start, last, label, weight = (np.concatenate(part) for part in zip(*found))
        by_place = np.lexsort((label, last, start))
        start, last, label = start[by_place], last[by_place], label[by_place]
        owner = np.searchsorted(offsets, start, side="right") - 1
        starts = (start - offsets[owner]).tolist()
        ends = (last - offsets[owner] + 1).tolist()
        rows = zip(owner.tolist(), starts, ends, label.tolist(), weight[by_place].tolist())
        for d, s, e, k, p in rows:
            results[d].spans[(s, e, labels[k])] = p
    restored: List[Any] = [None] * len(order)
    for d, i in enumerate(order):
        restored[i] = results[d]
    return restored


def _groups(lengths: Sequence[int], limit: int) -> Iterator[slice]:
    """Cut a list of documents into runs of at most so many tokens; a longer document goes alone."""
    first, total = 0, 0
    for i, length in enumerate(lengths):
        if i > first and total + length > limit:
            yield slice(first, i)
            first, total = i, 0
        total += length
    if first < len(lengths):
        yield slice(first, len(lengths))


def _softmax(scores: np.ndarray) -> np.ndarray:
    """Rows without any valid move become zeros."""
    scores = scores.astype(np.float64)
    top = scores.max(axis=1, keepdims=True, initial=-np.inf)
    weights = np.exp(scores - np.where(np.isfinite(top), top, 0.0))
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
