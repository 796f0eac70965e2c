"""Why nothing can be promised: what the manifests of annotated and judged documents say about that."""

from typing import Any, Dict, List, Mapping, Sequence

# Keys of a manifest's fingerprint.
CROSSFIT = "crossfit"
CHOSEN = "chosen"
LEARNED = "learned"
SEEN = "seen"
ELSEWHERE = "elsewhere"

NOT_RANDOM = "the held-out documents are not a random sample of the pool's text"
# in their order in a sentence
CAVEATS: Dict[str, str] = {
    CROSSFIT: NOT_RANDOM,
    CHOSEN: "the documents that the judge read are those that the student is least certain about, so that they are "
    "harder than the held-out ones, and the rest is easier",
    LEARNED: "the student has learned from documents of this pool, and is surer of what it learned there than of the "
    "held-out documents, even where that is wrong",
    SEEN: "the student, or the examples of the judge, have held-out documents among them, which says nothing about texts "
    "that are new to them",
    ELSEWHERE: "the student was trained by an earlier run, whose documents are not here, so that nobody can tell whether "
    "it has seen these",
}
REMEDY = "an audit of the pool gives one"


def find_caveats(pool: Mapping[str, Any], evidence: Mapping[str, Any]) -> List[str]:
    """Find why a selection cannot promise anything.

    pool (Mapping[str, Any]): The fingerprint in the manifest of the pool.
    evidence (Mapping[str, Any]): That of the held-out documents.
    RETURNS (List[str]): Keys of CAVEATS, in their order.
    """
    said = {
        CROSSFIT: evidence.get(CROSSFIT),
        CHOSEN: pool.get(CHOSEN),
        LEARNED: pool.get(LEARNED),
        SEEN: evidence.get(SEEN),
        ELSEWHERE: pool.get(ELSEWHERE) or evidence.get(ELSEWHERE),
    }
    return [key for key in CAVEATS if said[key]]


def word_caveats(keys: Sequence[str]) -> str:
    """RETURNS (str): The reasons after "because", with what can be done; empty where there are none."""
    reasons = ", and ".join(CAVEATS[key] for key in keys)
    return f"{reasons} ({REMEDY})" if set(keys) - {CROSSFIT} else reasons


def too_few_unjudged(n: int) -> str:
    """RETURNS (str): Why the part of the pool without an answer of the judge has no promise."""
    found = f"only {n} candidates" if n else "no candidate"
    return (
        f"the judge left {found} of the held-out documents unanswered, too few to say how documents "
        "without an answer differ"
    )


def join_reasons(*reasons: str) -> str:
    """RETURNS (str): Reasons as one; empty ones do not count."""
    return ", and ".join(reason for reason in reasons if reason)
