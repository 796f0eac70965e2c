"""What the evidence says of those who read it: the student that annotated it, and the judge."""

from pathlib import Path
from typing import Any, Dict, List, Sequence

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..candidates import is_judged
from ..evaluation.scores import count_matches, labels_of, score_pair
from ..evaluation.significance import bootstrap_f1
from ..selection.files import match_gold
from ..storage import read_docs
from ..targets.base import Target, find_target
from .baselines import take_judged_labels


def score_held_out(evidence: Path, gold: Path) -> Dict[str, Any]:
    """Score on held-out documents, which neither the student nor the judge's demonstrations had.

    evidence (Path): The folder of the judged held-out documents, with the predictions of the
        student.
    gold (Path): Their gold.
    RETURNS (Dict[str, Any]): `documents`; `student` and `judge` (its labels as they are, in
        documents that it answered for): `p`, `r`, `f`, `f_low`, `f_high` (95 %, over documents),
        and `documents`.
    """
    target, vocab = find_target(gold), Vocab()
    docs = list(read_docs(evidence, vocab))
    golds = match_gold(docs, list(read_docs(gold, vocab)), gold)
    answered = [i for i, doc in enumerate(docs) if is_judged(doc)]
    labels = [(golds[i], take_judged_labels(docs[i], target)) for i in answered]
    known = [(truth, made) for truth, made in labels if made is not None]
    return {
        "documents": len(docs),
        "student": _score(golds, docs, target),
        "judge": _score([truth for truth, _ in known], [made for _, made in known], target),
    }


def _score(gold: Sequence[Doc], docs: List[Doc], target: Target) -> Dict[str, Any]:
    if not gold:
        return {"documents": 0, **dict.fromkeys(("p", "r", "f", "f_low", "f_high"))}
    counts = count_matches(gold, docs, labels_of(gold, docs, target=target), target)
    interval = bootstrap_f1(counts, averages=target.averages)
    found = score_pair(gold, docs, target)["spacy"]
    return {
        "documents": len(docs),
        **{key: found[key] for key in ("p", "r", "f")},
        **{key: interval[key] for key in ("f_low", "f_high")},
    }
