"""The judge as a verifier: about each candidate, one question with four answers in an order of its own."""

from collections import Counter
from dataclasses import dataclass
from itertools import islice, permutations
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

from spacy.tokens import Doc

from ...candidates import Candidate, set_candidates, set_status
from ...errors import Errors, LLMJudgeError
from ...storage import sha256_json
from ...transport.messages import Prompt
from ..choices import LETTERS, Choice, parse_choices, read_masses
from ..examples import make_examples
from ..mapping import find_places, to_tokens
from ..opinions import Judgement, Opinion, combine, count_doubts
from ..prompts import DEFAULT_SALT, compile_template, make_nonce
from ..replies import Mention, ReplyError
from ..verdicts import Answer, all_candidates, characters_of, open_candidates, summarise
from ..windows import Window, make_windows
from .base import JudgeTask, split_labels

TEMPLATE = "verify.v1"
MOST_CANDIDATES = 8
TOKENS_ANSWER = 10
# Characters on both sides that tell a span from the same words elsewhere.
CONTEXT = 30
ANSWERS = {
    "correct": "exactly this span, with the label {label}",
    "wrong_label": "exactly this span, but with another label",
    "wrong_boundary": "other words: an entity that shares words with this span, but begins or ends elsewhere",
    "not_entity": "not at all: no word of this span belongs to an entity",
}
ORDERS = sorted(permutations(ANSWERS))

Key = Tuple[int, int, str]


def make_verify_task(
    labels: Optional[Union[List[str], str]] = None,
    label_definitions: Optional[Dict[str, str]] = None,
    rules: Optional[Union[Path, str]] = None,
    demonstrations: Optional[Union[Path, str]] = None,
    n_demonstrations: int = 24,
    candidates_per_prompt: int = 1,
    n_samples: int = 1,
    min_confidence: float = 0.0,
    max_candidates: Optional[int] = None,
    seed: int = 0,
    template: Union[Path, str] = TEMPLATE,
    window: int = 400,
    salt: str = DEFAULT_SALT,
) -> "VerifyTask":
    """Make the task `llmjudge.Verify.v1`. No file is read before the first document.

    labels (Optional[Union[List[str], str]]): The labels, as a list or separated by commas; None takes
        those of the demonstrations.
    label_definitions (Optional[Dict[str, str]]): What a label means.
    rules (Optional[Union[Path, str]]): A text file with task rules, one `LABEL: text` a line.
    demonstrations (Optional[Union[Path, str]]): The labelled documents, `.spacy` or `.jsonl`.
    n_demonstrations (int): How many worked questions about them a prompt shows. Models that learn from
        the labelled set get all of them, whatever is shown.
    candidates_per_prompt (int): 1 to 8. More cost less, but an answer then leans on those before it. A local
        model answers 1 with one forward pass, a letter and no correction; of more it writes lines.
    n_samples (int): How often each question is asked, each time with its answers in another order. More
        than 1 needs a model with a temperature above 0 to be worth its price.
    min_confidence (float): Ask only about candidates that the student gives at least this much; its
        posterior where it is not calibrated. What has neither is asked about.
    max_candidates (Optional[int]): Ask about so many candidates of a document at most, the likeliest
        first.
    seed (int): Chooses which worked questions are shown.
    template (Union[Path, str]): The name of one of our templates, or the path of another.
    window (int): Tokens that one prompt shows at most; longer documents are judged in pieces.
    salt (str): A secret that makes the mark of the data block impossible to guess.
    RETURNS (VerifyTask): The task.
    """
    for name, value, least, most in (
        ("candidates_per_prompt", candidates_per_prompt, 1, MOST_CANDIDATES),
        ("n_samples", n_samples, 1, 100),
        ("min_confidence", min_confidence, 0, 1),
        ("max_candidates", 1 if max_candidates is None else max_candidates, 1, 1000),
    ):
        if not least <= value <= most:
            text = Errors.J250.format(name=name, found=value, least=least, most=most)
            raise LLMJudgeError(text)
    return VerifyTask(
        candidates_per_prompt=candidates_per_prompt,
        n_samples=n_samples,
        min_confidence=min_confidence,
        max_candidates=max_candidates,
        labels=split_labels(labels),
        label_definitions=label_definitions or {},
        rules=rules,
        demonstrations=demonstrations,
        n_demonstrations=n_demonstrations,
        seed=seed,
        template=template,
        window=window,
        salt=salt,
    )


@dataclass(frozen=True)
class Question:
    """What one prompt asks.

    window (Window): The stretch of the document that it shows.
    text (str): Its text.
    candidates (Tuple[Candidate, ...]): The candidates in question.
    sample (int): Which of several draws it is.
    """

    window: Window
    text: str
    candidates: Tuple[Candidate, ...]
    sample: int


class VerifyTask(JudgeTask):
    """A few candidates a prompt; each is asked about blind, with four answers to choose from.

    The support of a candidate is the first of these that the replies have: the probability of its
    letter, from the log-probabilities at the very place where a reply says it, on whatever line of the
    reply that is; the share of votes of several samples; the stated probability; none, for a bare
    verdict. `llmjudge.OpenAI.v1` with `top_logprobs` and `llmjudge.Transformers.v1` return
    log-probabilities for prompts with one and with several candidates.
    """

    file_name = "verify.json"

    def __init__(
        self,
        *,
        candidates_per_prompt: int,
        n_samples: int,
        min_confidence: float,
        max_candidates: Optional[int],
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self._candidates_per_prompt = candidates_per_prompt
        self._n_samples = n_samples
        self._min_confidence = min_confidence
        self._max_candidates = max_candidates

    def show_demonstrations(self) -> Dict[str, Any]:
        """Worked questions, half of them about near misses."""
        made = make_examples(self._demonstrations, self.labels, self._n_demonstrations, self._seed)
        examples = []
        for example in made:
            answer = ANSWERS[example["verdict"]].format(label=example["label"])
            shown = {name: example[name] for name in ("text", "span", "label")}
            examples.append({**shown, "answer": answer})
            if example["correction"]:
                examples[-1]["correction"] = example["correction"]
        return {"examples": examples, "several": self._candidates_per_prompt > 1}

    def make_prompts(self, doc: Doc) -> List[str]:
        """Make the prompts about the candidates of a document, in the order of the text."""
        return [self._make_prompt(doc, question) for question in self._make_questions(doc)]

    def _make_questions(self, doc: Doc) -> List[Question]:
        asked = self._choose(open_candidates(doc, self.labels, self.spans_key))
        questions = []
        for window in make_windows(doc, self._window):
            text = window.span(doc).text
            shown = (c for c in asked if window.owns(c.start) and c.end <= window.end)
            while True:
                group = tuple(islice(shown, self._candidates_per_prompt))
                if not group:
                    break
                questions += [Question(window, text, group, i) for i in range(self._n_samples)]
        return questions

    def _choose(self, candidates: List[Candidate]) -> List[Candidate]:
        likely = [c for c in candidates if _confidence(c) >= self._min_confidence]
        if self._max_candidates is not None:
            likely.sort(key=lambda c: (-_confidence(c), c.key))
            likely = sorted(likely[: self._max_candidates], key=lambda c: c.key)
        return likely

    def _make_prompt(self, doc: Doc, question: Question) -> Prompt:
        text = question.text
        places = [characters_of(doc, question.window, c) for c in question.candidates]
        contexts = [
            {
                "before": text[max(0, start - CONTEXT) : start],
                "span": text[start:end],
                "after": text[end : end + CONTEXT],
            }
            for start, end in places
        ]
        rows, verdicts = [], []
        for candidate, context in zip(question.candidates, contexts):
            verdicts.append(dict(zip(LETTERS, _order(question, candidate))))
            answers = {
                letter: ANSWERS[verdict].format(label=candidate.label)
                for letter, verdict in verdicts[-1].items()
            }
            rows.append({"context": context, "label": candidate.label, "answers": answers})
        # The words of a candidate are as hostile as the text: they stand in its block, and only there.
        also = "".join(part for context in contexts for part in context.values())
        prompt = compile_template(self._template).render(
            text=text, nonce=make_nonce(self.salt, text, also), questions=rows, **self._fixed
        )
        return Prompt(
            prompt,
            text=text,
            candidates=[(*place, c.label) for place, c in zip(places, question.candidates)],
            labels=self._fixed["labels"],
            demonstrations=self._demonstrations,
            options=None if self._fixed["several"] else LETTERS,
            verdicts=verdicts,
            sample=question.sample,
        )

    def set_replies(self, doc: Doc, replies: List[Optional[str]]) -> None:
        """Write verdicts and supports, and corrections as proposals of the judge."""
        questions = self._make_questions(doc)
        replies = replies + [None] * (len(questions) - len(replies))
        opinions: Dict[Key, List[Opinion]] = {}
        ends: Dict[Key, Answer] = {}
        for question, reply in zip(questions, replies):
            for candidate, end, opinion in self._read(question, reply):
                # One usable answer of several samples is an answer, unless others can still be had.
                if opinion is not None:
                    opinions.setdefault(candidate.key, []).append(opinion)
                known = ends.setdefault(candidate.key, end)
                if end.state == "not_sent" or (opinion is not None and known.state != "not_sent"):
                    ends[candidate.key] = end
        judged = {}
        for candidate in all_candidates(doc, self.spans_key):
            judged[candidate.key] = self._judge(candidate, ends, opinions)
        for key, proposal in self._propose(doc, opinions, ends).items():
            known = judged.get(key, proposal)
            judged[key] = known.replace(verdict="correct", support=proposal.support, reason=None)
        set_candidates(doc, judged.values(), self.spans_key)
        state, reason = summarise(list(ends.values()))
        if not ends and make_windows(doc, self._window):
            reason = "no_candidates"
        set_status(doc, state, reason, self.spans_key)

    def _read(
        self, question: Question, reply: Optional[str]
    ) -> Iterator[Tuple[Candidate, Answer, Optional[Opinion]]]:
        """Read what a reply says about each candidate of its question."""
        window, candidates = question.window, question.candidates
        failed, choices = None, {}
        if not isinstance(reply, str):
            failed = Answer(window, "abstained", "no_reply")
        elif getattr(reply, "state", "replied") != "replied":
            failed = Answer(window, reply.state, reply.reason)
        else:
            try:
                cut_off = getattr(reply, "reason", None) == "truncated"
                choices = parse_choices(reply, len(candidates), cut_off)
            except ReplyError as error:
                failed = Answer(window, "abstained", str(error))
        for number, candidate in enumerate(candidates, 1):
            choice = choices.get(number)
            if choice is None:
                yield candidate, failed or Answer(window, "abstained", "no_answer"), None
            else:
                opinion = _read_opinion(candidate, question, choice, reply)
                yield candidate, Answer(window, "judged"), opinion

    def _judge(
        self, candidate: Candidate, ends: Dict[Key, Answer], opinions: Dict[Key, List[Opinion]]
    ) -> Candidate:
        clean = candidate.replace(verdict=None, support=None, reason=None)
        end = ends.get(candidate.key)
        if candidate.key in opinions:
            judgement = combine(opinions[candidate.key])
            uncovered, impossible = count_doubts(opinions[candidate.key])
            end.dropped.update(+Counter(low_coverage=uncovered, bad_confidence=impossible))
            return clean.replace(verdict=judgement.verdict, support=judgement.support)
        if end is None:
            return clean.replace(reason="not_asked" if candidate.label in self.labels else None)
        verdict = "abstained" if end.state == "abstained" else None
        return clean.replace(verdict=verdict, reason=end.reason)

    def _propose(
        self, doc: Doc, opinions: Dict[Key, List[Opinion]], ends: Dict[Key, Answer]
    ) -> Dict[Key, Candidate]:
        """Find what the corrections name; what was judged itself needs no other verdict."""
        proposals: Dict[Key, Candidate] = {}
        for key, found in opinions.items():
            judgement, end = combine(found), ends[key]
            if judgement.correction is None:
                continue
            place = self._place(doc, end, key, judgement)
            if place is None or place in opinions:
                continue
            proposal = Candidate(*place, support=judgement.correction_support, source="judge")
            known = proposals.get(place, proposal)
            proposals[place] = max(known, proposal, key=lambda c: c.support or 0.0)
        return proposals

    def _place(self, doc: Doc, end: Answer, key: Key, judgement: Judgement) -> Optional[Key]:
        """Find the span and label that a correction names."""
        start, stop, label = key
        words = judgement.correction
        if judgement.verdict == "wrong_label":
            named = next((known for known in self.labels if known.lower() == words.lower()), None)
            if named is None:
                end.dropped["unknown_label"] += 1
            return None if named in (None, label) else (start, stop, named)
        if judgement.verdict != "wrong_boundary":
            return None
        places = find_places(end.window.span(doc).text, Mention(words, label))
        spans = [to_tokens(doc, end.window, place) for place in places]
        touching = [s for s in spans if s is not None and s[0] < stop and start < s[1]]
        if not touching:
            end.dropped["not_in_text"] += 1
            return None
        best = min(touching, key=lambda s: (abs(s[0] - start) + abs(s[1] - stop), s))
        return None if best == (start, stop) else (*best, label)

    def expect_reply(self, prompt: str) -> int:
        """A line for each candidate."""
        return TOKENS_ANSWER * len(prompt.candidates)


def _read_opinion(candidate: Candidate, question: Question, choice: Choice, reply: str) -> Opinion:
    verdicts = dict(zip(LETTERS, _order(question, candidate)))
    logprobs = getattr(reply, "logprobs", None)
    masses, coverage = read_masses(reply, logprobs, choice.offset)
    if masses is not None:
        masses = {verdicts[letter]: mass for letter, mass in masses.items()}
    verdict = verdicts[choice.letter]
    return Opinion(verdict, masses, coverage, choice.chance, choice.correction)


def _confidence(candidate: Candidate) -> float:
    if candidate.confidence is not None:
        return candidate.confidence
    return 1.0 if candidate.posterior is None else candidate.posterior


def _order(question: Question, candidate: Candidate) -> List[str]:
    """The order of the four answers, drawn by the text and the candidate; each further sample moves
    every answer on by one letter."""
    identity = [question.text, candidate.start, candidate.end, candidate.label]
    order = ORDERS[int(sha256_json(identity)[:8], 16) % len(ORDERS)]
    shift = question.sample % len(order)
    return [*order[shift:], *order[:shift]]
