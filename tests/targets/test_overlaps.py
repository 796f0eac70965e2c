from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from selection_helpers import make_table

from spacy_llmjudge.targets.overlaps import MAX_PROBABILITY, resolve_overlaps


def choose(spans, **kwargs):
    """spans: (document, start, end, probability)"""
    document, start, end, p = (np.array(column) for column in zip(*spans))
    table = make_table(
        p,
        document=document.astype(int),
        start=start.astype(int),
        end=end.astype(int),
        probability=p,
        **kwargs,
    )
    return resolve_overlaps(table.columns).tolist()


def test_sure_long_span_beats_two_unsure_short_ones():
    assert choose([(0, 0, 4, 0.95), (0, 0, 2, 0.55), (0, 2, 4, 0.55)]) == [True, False, False]


def test_two_sure_short_spans_beat_an_unsure_long_one():
    assert choose([(0, 0, 4, 0.5), (0, 0, 2, 0.9), (0, 2, 4, 0.9)]) == [False, True, True]


def test_spans_that_touch_do_not_overlap():
    assert choose([(0, 0, 2, 0.1), (0, 2, 4, 0.1)]) == [True, True]


def test_documents_do_not_overlap_each_other():
    assert choose([(0, 0, 9, 0.9), (1, 0, 1, 0.1)]) == [True, True]


def test_one_label_for_the_same_tokens():
    assert choose([(0, 0, 2, 0.4), (0, 0, 2, 0.6)], label=[0, 1], labels=("A", "B")) == [
        False,
        True,
    ]


def test_equal_labels_go_by_name():
    assert choose([(0, 0, 2, 0.5), (0, 0, 2, 0.5)], label=[1, 0], labels=("A", "B")) == [
        False,
        True,
    ]


def test_two_certain_spans_do_not_hide_the_rest():
    spans = [(0, 0, 2, 1.0), (0, 1, 3, 1.0), (0, 2, 4, 1.0)]
    assert choose(spans) == [True, False, True]


def test_empty():
    assert len(resolve_overlaps(make_table([], probability=np.zeros(0)))) == 0


spans = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 6),
        st.integers(1, 4),
        st.sampled_from([0.02, 0.3, 0.5, 0.8, 0.97, 1.0]),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda span: span[:3],
)


@settings(max_examples=150, deadline=None)
@given(spans)
def test_choice_weighs_most_of_all_choices(drawn):
    rows = [(d, s, s + length, p) for d, s, length, p in drawn]
    weights = [-np.log(1 - min(row[3], MAX_PROBABILITY)) for row in rows]

    def is_free_of_overlaps(subset):
        pairs = combinations([rows[i] for i in subset], 2)
        return all(a[0] != b[0] or a[2] <= b[1] or b[2] <= a[1] for a, b in pairs)

    best = max(
        sum(weights[i] for i in subset)
        for size in range(len(rows) + 1)
        for subset in combinations(range(len(rows)), size)
        if is_free_of_overlaps(subset)
    )
    chosen = [i for i, is_chosen in enumerate(choose(rows)) if is_chosen]
    assert is_free_of_overlaps(chosen)
    assert abs(sum(weights[i] for i in chosen) - best) < 1e-9


@settings(max_examples=60, deadline=None)
@given(spans, st.randoms(use_true_random=False))
def test_choice_does_not_depend_on_the_order_of_rows(drawn, random):
    rows = [(d, s, s + length, p) for d, s, length, p in drawn]
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = choose([rows[i] for i in order])
    assert [shuffled[order.index(i)] for i in range(len(rows))] == choose(rows)
