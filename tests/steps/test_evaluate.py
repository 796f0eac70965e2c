"""What `evaluate` leaves for the report and the model card."""

from spacy.vocab import Vocab

from spacy_llmjudge.evaluation.scores import score_pair
from spacy_llmjudge.steps.evaluate import PREDICTED, evaluate
from spacy_llmjudge.storage import read_docs, read_json


def test_predictions_and_intervals_by_label_are_kept(small_student, small_corpus, tmp_path):
    test = small_corpus / "test.spacy"
    evaluate({"judged": str(small_student)}, test, tmp_path, n_resamples=20)
    vocab = Vocab()
    gold, said = (list(read_docs(path, vocab)) for path in (test, tmp_path / PREDICTED))
    found = read_json(tmp_path / "judged.json")
    assert score_pair(gold, said)["spacy"] == found["spacy"]
    assert set(found["intervals"]) == set(found["spacy"]["per_type"])
    for label, interval in found["intervals"].items():
        assert interval["f"] == found["spacy"]["per_type"][label]["f"]
        assert interval["f_low"] <= interval["f_high"]
