import weakref
from itertools import islice

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_llmjudge.candidates import INCORRECT_KEY, set_status
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import write_docs
from spacy_llmjudge.training import readers
from spacy_llmjudge.training.readers import make_example, make_mixed_corpus


@pytest.fixture
def nlp():
    # documents come with their tokens, and the rules of English take a tenth of a second to load
    return spacy.blank("xx")


def make_docs(nlp, kind, n, label="PEST"):
    docs = []
    for i in range(n):
        doc = Doc(nlp.vocab, words=[kind, f"mites{i}", "don't"], spaces=[True, True, False])
        doc.ents = [Span(doc, 1, 2, label=label)]
        docs.append(doc)
    return docs


def take(path_or_reader, nlp, n):
    return [eg.reference[0].text for eg in islice(path_or_reader(nlp), n)]


def test_gold_and_silver_come_in_fixed_shares(nlp, tmp_path):
    write_docs(tmp_path / "gold.spacy", make_docs(nlp, "gold", 5))
    write_docs(tmp_path / "silver.spacy", make_docs(nlp, "silver", 7))
    reader = make_mixed_corpus(tmp_path / "gold.spacy", tmp_path / "silver.spacy", 2, 3)
    kinds = take(reader, nlp, 51)[1:]
    for start in range(0, 50, 5):
        assert kinds[start : start + 5] == ["gold"] * 2 + ["silver"] * 3


def write_silver(nlp, path, n_judged, n_others):
    judged = make_docs(nlp, "judged", n_judged)
    for doc in judged:
        set_status(doc, "judged")
    write_docs(path, [*make_docs(nlp, "other", n_others), *judged])


@pytest.mark.parametrize("share,n_judged", [(0.5, 2), (0.75, 3), (1.0, 4)])
def test_few_judged_documents_are_not_drowned(nlp, tmp_path, share, n_judged):
    write_docs(tmp_path / "gold.spacy", make_docs(nlp, "gold", 5))
    write_silver(nlp, tmp_path / "silver.spacy", 3, 40)
    paths = (tmp_path / "gold.spacy", tmp_path / "silver.spacy")
    kinds = take(make_mixed_corpus(*paths, 1, 4, judged_share=share), nlp, 51)[1:]
    for start in range(0, 50, 5):
        expected = ["gold"] + ["judged"] * n_judged + ["other"] * (4 - n_judged)
        assert kinds[start : start + 5] == expected


@pytest.mark.parametrize("n_judged,n_others", [(30, 10), (0, 40), (40, 0)])
def test_documents_that_are_no_minority_are_seen_once_before_any_is_seen_again(
    nlp, tmp_path, n_judged, n_others
):
    write_docs(tmp_path / "gold.spacy", make_docs(nlp, "gold", 1))
    write_silver(nlp, tmp_path / "silver.spacy", n_judged, n_others)
    paths = (tmp_path / "gold.spacy", tmp_path / "silver.spacy")
    reader = make_mixed_corpus(*paths, 1, 4, judged_share=0.5)
    texts = [eg.text for eg in islice(reader(nlp), 1, 51) if eg.reference[0].text != "gold"]
    assert len(texts) == len(set(texts)) == 40


@pytest.mark.parametrize("n_judged,judged_share", [(0, 0.0), (3, 0.5), (30, 0.75)])
def test_of_many_silver_documents_some_are_in_memory(
    nlp, tmp_path, monkeypatch, n_judged, judged_share
):
    monkeypatch.setattr(readers, "MOST_IN_MEMORY", 8)
    alive = weakref.WeakSet()

    class Counted(readers._ExampleMaker):
        def __init__(self, *args):
            super().__init__(*args)
            alive.add(self)

    monkeypatch.setattr(readers, "_ExampleMaker", Counted)
    write_docs(tmp_path / "gold.spacy", make_docs(nlp, "gold", 1))
    write_silver(nlp, tmp_path / "silver.spacy", n_judged, 40)
    paths = (tmp_path / "gold.spacy", tmp_path / "silver.spacy")
    reader = make_mixed_corpus(*paths, 1, 4, judged_share=judged_share)
    seen = {"judged": [], "other": []}
    largest = 0
    for example in islice(reader(nlp), 1, 501):
        kind = example.reference[0].text
        if kind in seen:
            seen[kind].append(example.text)
        largest = max(largest, len(alive))
    # those that wait in each of two parts, one on its way, and the gold twice
    assert largest <= 2 * 8 + 1 + 2
    for kind, n in (("judged", n_judged), ("other", 40)):
        texts = seen[kind]
        rounds = [texts[i : i + n] for i in range(0, len(texts) - n + 1, n)] if n else []
        assert all(len(set(one)) == n for one in rounds) and (not n or len(rounds) > 1)
        assert n <= 8 or rounds[0] != sorted(rounds[0])
    again = make_mixed_corpus(*paths, 1, 4, judged_share=judged_share)
    assert take(reader, nlp, 60) == take(again, nlp, 60)


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_one_line(nlp, tmp_path, share):
    with pytest.raises(LLMJudgeError, match="J657.*judged_share"):
        make_mixed_corpus(tmp_path / "gold.spacy", judged_share=share)


def test_every_document_is_seen_before_any_is_seen_again(nlp, tmp_path):
    write_docs(tmp_path / "gold.spacy", make_docs(nlp, "gold", 5))
    examples = islice(make_mixed_corpus(tmp_path / "gold.spacy")(nlp), 1, 11)
    texts = [eg.text for eg in examples]
    assert len(set(texts[:5])) == len(set(texts[5:])) == 5


def test_the_first_examples_show_every_label(nlp, tmp_path):
    docs = make_docs(nlp, "gold", 30)
    docs += [doc for i in range(3) for doc in make_docs(nlp, f"g{i}", 1, f"L{i}")]
    write_docs(tmp_path / "gold.spacy", docs)
    write_docs(tmp_path / "silver.spacy", make_docs(nlp, "silver", 40))
    reader = make_mixed_corpus(tmp_path / "gold.spacy", tmp_path / "silver.spacy")
    first = islice(reader(nlp), 4)
    assert {e.label_ for eg in first for e in eg.reference.ents} == {"PEST", "L0", "L1", "L2"}


def test_the_same_seed_is_the_same_order(nlp, tmp_path):
    write_docs(tmp_path / "gold.spacy", make_docs(nlp, "gold", 9))
    orders = []
    for seed in (1, 1, 2):
        examples = islice(make_mixed_corpus(tmp_path / "gold.spacy", seed=seed)(nlp), 30)
        orders.append([eg.text for eg in examples])
    assert orders[0] == orders[1] != orders[2]


def test_predicted_documents_have_the_tokens_of_the_reference(tmp_path):
    nlp = spacy.blank("en")
    write_docs(tmp_path / "gold.spacy", make_docs(nlp, "gold", 1))
    eg = next(iter(make_mixed_corpus(tmp_path / "gold.spacy")(nlp)))
    assert [token.text for token in eg.predicted] == ["gold", "mites0", "don't"]
    assert not eg.predicted.ents and eg.predicted.text == eg.reference.text
    assert INCORRECT_KEY in eg.reference.spans


def test_a_corpus_without_documents_is_one_line(nlp, tmp_path):
    write_docs(tmp_path / "gold.spacy", [])
    with pytest.raises(LLMJudgeError, match=r"\[J650\]"):
        next(iter(make_mixed_corpus(tmp_path / "gold.spacy")(nlp)))


def make_partial(nlp, words, entities=(), missing=(), incorrect=()):
    doc = Doc(nlp.vocab, words=words)
    doc.set_ents(
        [Span(doc, start, end, label=label) for start, end, label in entities],
        missing=[Span(doc, start, end) for start, end in missing],
        default="outside",
    )
    doc.spans[INCORRECT_KEY] = [
        Span(doc, start, end, label=label) for start, end, label in incorrect
    ]
    return doc


def teach(nlp, docs, tmp_path, cut):
    """Train on every document once, from states on the gold path."""
    write_docs(tmp_path / "gold.spacy", docs)
    reader = make_mixed_corpus(tmp_path / "gold.spacy")
    config = {"incorrect_spans_key": INCORRECT_KEY, "update_with_oracle_cut_size": cut}
    nlp.add_pipe("ner", config=config)
    nlp.initialize(lambda: list(islice(reader(nlp), 1)))
    examples = list(islice(reader(nlp), 3 * len(docs)))
    for example in examples:
        nlp.update([example])
    return examples


PARTIAL = [
    ([], [(1, 2)], []),
    ([], [(1, 3)], []),
    ([(2, 3, "PEST")], [(0, 2)], []),
    ([(0, 2, "PLANT")], [(2, 4)], []),
    ([(3, 5, "PLANT")], [(1, 3), (5, 8)], []),
    ([], [(0, 8)], []),
    ([], [(1, 2)], [(1, 2, "PEST"), (1, 2, "PLANT")]),
    ([], [(1, 3)], [(1, 3, "PEST")]),
    ([], [(1, 3)], [(1, 3, "PLANT")]),
    ([], [(1, 3)], [(1, 3, "PEST"), (1, 3, "PLANT"), (1, 2, "PEST")]),
    ([(4, 6, "PEST")], [(2, 4)], [(2, 5, "PEST"), (3, 4, "PLANT")]),
]


@pytest.mark.slow
@pytest.mark.parametrize("entities,missing,incorrect", PARTIAL)
@pytest.mark.parametrize("cut", [0, 2, 3, 100])
def test_partial_documents_can_be_taught_from_the_gold_path(
    nlp, tmp_path, entities, missing, incorrect, cut
):
    words = "the small red spider mites came back today".split()
    gold = make_partial(nlp, words, [(1, 2, "PLANT"), (3, 5, "PEST")])
    # long enough for spaCy's own cut as well, which starts at 50 tokens
    doc = make_partial(nlp, words * (30 if cut == 100 else 1), entities, missing, incorrect)
    teach(nlp, [gold, doc], tmp_path, cut)


def test_what_is_missing_does_not_reach_into_what_is_known(nlp, tmp_path):
    """spaCy's oracle takes any action over a missing token: it opens an entity and goes on with it
    over tokens that are known to be outside. The sentence start that the reader sets forbids this.
    """
    fern = make_partial(nlp, ["mites", "fern"], [(0, 1, "PEST"), (1, 2, "PLANT")])
    doc = make_partial(nlp, ["old", "mites", "left", "us", "again"], missing=[(1, 2)])
    examples = teach(nlp, [fern, doc], tmp_path, 2)
    partial = next(eg for eg in examples if len(eg.reference) == 5)
    assert [t.i for t in partial.predicted if t.i and t.is_sent_start] == [2]
    bare = Example(Doc(nlp.vocab, words=[t.text for t in doc]), partial.reference)

    def path(example):
        moves = nlp.get_pipe("ner").moves
        return [moves.get_class_name(i)[0] for i in moves.get_oracle_sequence(example)]

    assert path(bare) == ["O", "B", "I", "I", "L"]
    assert path(partial) == ["O", "U", "O", "O", "O"]


def test_negatives_stay_where_the_gold_path_does(nlp, tmp_path):
    words = ["old", "mites", "left", "us"]
    fern = make_partial(nlp, ["a", "fern", "mites"], [(1, 2, "PLANT"), (2, 3, "PEST")])
    doc = make_partial(nlp, words, missing=[(1, 2)], incorrect=[(1, 2, "PEST")])
    examples = teach(nlp, [fern, doc], tmp_path, 2)
    kept = next(eg for eg in examples if len(eg.reference) == 4)
    assert [(s.start, s.end, s.label_) for s in kept.reference.spans[INCORRECT_KEY]] == [
        (1, 2, "PEST")
    ]


def test_an_entity_that_cannot_be_taught_is_one_line(nlp, tmp_path):
    doc = make_partial(nlp, ["old", " ", "mites"], [(1, 3, "PEST")])
    with pytest.raises(LLMJudgeError, match=r"\[J656\].*old"):
        teach(
            nlp,
            [make_partial(nlp, ["mites", "fern"], [(0, 1, "PEST"), (1, 2, "PLANT")]), doc],
            tmp_path,
            2,
        )


def test_labels_that_the_pipeline_does_not_know(nlp, tmp_path):
    nlp.add_pipe("ner").add_label("PEST")
    nlp.initialize()
    (doc,) = make_docs(nlp, "gold", 1, label="NEW")
    # they can be measured, as what is missed, but not be taught
    assert make_example(nlp, doc).reference.ents[0].label_ == "NEW"
    write_docs(tmp_path / "gold.spacy", [doc])
    with pytest.raises(LLMJudgeError, match=r"\[J656\]"):
        next(iter(make_mixed_corpus(tmp_path / "gold.spacy")(nlp)))
