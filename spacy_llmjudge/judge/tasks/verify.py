"""The judge as a verifier: about each candidate, one question with four answers in an order of its own."""

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from spacy.tokens import Doc

from ...candidates import Candidate, get_status, set_candidates, set_status
from ...errors import Errors, LLMJudgeError
from ...targets.spans import SPANS_KEY
from ...transport.messages import Prompt
from ..choices import LETTERS, Choice, order_answers, parse_choices, read_masses
from ..data_block import DEFAULT_SALT, block_text, make_nonce, place_in_block
from ..demonstrations import Demonstration
from ..examples import make_examples
from ..label_names import find_label
from ..long_documents import Window, make_windows
from ..mapping import WindowText, touch
from ..opinions import Judgement, Opinion, combine, count_doubts
from ..prompts import Verbatim, compile_template
from ..replies import Mention, ReplyError
from ..verdicts import Outcome, add_opinion, all_candidates, open_candidates, summarise
from .base import TaskSettings, is_cut_off, read_outcome, split_labels
from .span_task import SpanTask

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
OVERLAPPING_ANSWERS = {
    "correct": "exactly this span, with the label {label}",
    "wrong_label": "exactly this span, but only with another label",
    "wrong_boundary": "other words with the label {label}, which share words with this span, but begin or end elsewhere",
    "not_entity": "not at all: no word of this span belongs to a span with the label {label}, nor is the span marked with another",
}

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
    after_list: bool = False,
    overlapping: Optional[bool] = None,
    student_spans_key: str = SPANS_KEY,
    seed: int = 0,
    template: Optional[Union[Path, str]] = None,
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
    after_list (bool): Go on where a judge that lists, earlier in the pipeline, ended: what it proposed is
        asked about as well, its verdicts and supports stay, and the probability that a candidate is
        correct becomes its likelihood, a further input of the fusion.
    overlapping (Optional[bool]): Whether spans may overlap and nest. None: where the corpus has spans,
        and not where it has entities.
    student_spans_key (str): The span group whose spans are judged where they may overlap and there are
        no candidates.
    seed (int): Chooses which worked questions are shown.
    template (Optional[Union[Path, str]]): The name of one of our templates, or the path of another; None
        takes the task's own.
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
    settings = TaskSettings(
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
    return VerifyTask(
        settings,
        overlapping,
        student_spans_key,
        candidates_per_prompt=candidates_per_prompt,
        n_samples=n_samples,
        min_confidence=min_confidence,
        max_candidates=max_candidates,
        after_list=after_list,
    )


@dataclass(frozen=True)
class Group:
    """The candidates that one prompt asks about.

    window (Window): The stretch of the document that it shows.
    text (str): Its text.
    candidates (Tuple[Candidate, ...]): The candidates in question.
    sample (int): Which of several draws it is.
    """

    window: Window
    text: str
    candidates: Tuple[Candidate, ...]
    sample: int


class End(NamedTuple):
    """Where a candidate was asked about, and what became of it."""

    window: Window
    outcome: Outcome


class VerifyTask(SpanTask):
    """A few candidates a prompt; each is asked about blind, with four answers to choose from.

    The support of a candidate is the first of these that the replies have: the probability of its
    letter, from the log-probabilities at the very place where a reply says it, on whatever line of the
    reply that is; the share of votes of several samples; the stated probability; none, for a bare
    verdict. `llmjudge.OpenAI.v1` with `top_logprobs` and `llmjudge.Transformers.v1` return
    log-probabilities for prompts with one and with several candidates.
    """

    file_name = "verify.json"
    default_template = TEMPLATE

    def __init__(
        self,
        settings: TaskSettings,
        overlapping: Optional[bool],
        student_spans_key: str,
        *,
        candidates_per_prompt: int,
        n_samples: int,
        min_confidence: float,
        max_candidates: Optional[int],
        after_list: bool,
    ) -> None:
        super().__init__(settings, overlapping, student_spans_key)
        self._candidates_per_prompt = candidates_per_prompt
        self._n_samples = n_samples
        self._min_confidence = min_confidence
        self._max_candidates = max_candidates
        self.after_list = after_list

    @property
    def _answers(self) -> Dict[str, str]:
        return OVERLAPPING_ANSWERS if self.overlapping else ANSWERS

    def show_demonstrations(self, rows: Sequence[Demonstration]) -> Dict[str, Any]:
        """Worked questions, half of them about near misses."""
        n, seed = self._settings.n_demonstrations, self._settings.seed
        examples = []
        for example in make_examples(rows, self.labels, n, seed):
            shown = {"text": example.text, "span": example.span, "label": example.label}
            shown["answer"] = self._answers[example.verdict].format(label=example.label)
            if example.correction:
                shown["correction"] = example.correction
            examples.append(shown)
        return {"examples": examples, "several": self._candidates_per_prompt > 1}

    def make_prompts(self, doc: Doc) -> List[Prompt]:
        """Make the prompts about the candidates of a document, in the order of the text."""
        return [self._make_prompt(doc, group) for group in self._make_groups(doc)]

    def _make_groups(self, doc: Doc) -> List[Group]:
        place = (self.spans_key, self.target, self.after_list)
        asked = self._choose(open_candidates(doc, self.labels, *place))
        groups = []
        for window in make_windows(doc, self._window):
            text = block_text(doc, window)
            shown = (c for c in asked if window.owns(c.start) and c.end <= window.end)
            while True:
                group = tuple(islice(shown, self._candidates_per_prompt))
                if not group:
                    break
                groups += [Group(window, text, group, i) for i in range(self._n_samples)]
        return groups

    def _choose(self, candidates: List[Candidate]) -> List[Candidate]:
        likely = [c for c in candidates if _confidence(c) >= self._min_confidence]
        if self._max_candidates is not None:
            likely.sort(key=lambda c: (-_confidence(c), c.key))
            likely = sorted(likely[: self._max_candidates], key=lambda c: c.key)
        return likely

    def _make_prompt(self, doc: Doc, group: Group) -> Prompt:
        text = group.text
        places = [place_in_block(doc, group.window, c) for c in group.candidates]
        contexts = [
            {
                "before": text[max(0, start - CONTEXT) : start],
                "span": text[start:end],
                "after": text[end : end + CONTEXT],
            }
            for start, end in places
        ]
        rows = [
            {"context": context, "label": c.label, "answers": self._make_options(c, group)}
            for c, context in zip(group.candidates, contexts)
        ]
        # The words of a candidate are as hostile as the text: they stand in its block, and only there.
        also = "".join(part for context in contexts for part in context.values())
        prompt = compile_template(self.prompt_template).render(
            text=Verbatim(text),
            nonce=make_nonce(self.salt, text, also),
            questions=rows,
            **self.shown,
        )
        return Prompt(
            prompt,
            text=text,
            candidates=[(*place, c.label) for place, c in zip(places, group.candidates)],
            labels=self.shown["labels"],
            demonstrations=self.demonstrations,
            options=None if self.shown["several"] else LETTERS,
            verdicts=[_order_verdicts(c, group) for c in group.candidates],
            sample=group.sample,
        )

    def _make_options(self, candidate: Candidate, group: Group) -> Dict[str, str]:
        """RETURNS (Dict[str, str]): The answer that each letter stands for."""
        return {
            letter: self._answers[verdict].format(label=candidate.label)
            for letter, verdict in _order_verdicts(candidate, group).items()
        }

    def set_replies(self, doc: Doc, replies: List[Optional[str]]) -> None:
        """Write verdicts and supports, and corrections as proposals of the judge."""
        groups = self._make_groups(doc)
        replies = replies + [None] * (len(groups) - len(replies))
        opinions: Dict[Key, List[Opinion]] = {}
        ends: Dict[Key, End] = {}
        for group, reply in zip(groups, replies):
            for candidate, outcome, opinion in self._read(group, reply):
                # One usable answer of several samples is an answer, unless others can still be had.
                if opinion is not None:
                    opinions.setdefault(candidate.key, []).append(opinion)
                end = End(group.window, outcome)
                before = ends.setdefault(candidate.key, end).outcome
                if outcome.state == "not_sent" or (
                    opinion is not None and before.state != "not_sent"
                ):
                    ends[candidate.key] = end
        judged = {}
        for candidate in all_candidates(doc, self.spans_key, self.target, self.after_list):
            found = self._judge(candidate, ends, opinions)
            judged[candidate.key] = add_opinion(candidate, found) if self.after_list else found
        for key, proposal in self._propose(doc, opinions, ends).items():
            known = judged.get(key, proposal)
            judged[key] = known.replace(verdict="correct", support=proposal.support, reason=None)
        set_candidates(doc, judged.values(), self.spans_key)
        state, reason = summarise([end.outcome for end in ends.values()])
        if not ends and make_windows(doc, self._window):
            reason = "no_candidates"
        listed = get_status(doc, self.spans_key)
        if self.after_list and listed["state"] and (not ends or state != "not_sent"):
            # what the list says of the document as a whole stays
            state, reason = listed["state"], listed["reason"]
        set_status(doc, state, reason, self.spans_key)

    def _read(
        self, group: Group, reply: Optional[str]
    ) -> Iterator[Tuple[Candidate, Outcome, Optional[Opinion]]]:
        """Read what a reply says about each candidate that it was asked about."""
        outcome = read_outcome(reply)
        choices: Dict[int, Choice] = {}
        if reply is not None and outcome.state == "judged":
            try:
                options = self._make_options(group.candidates[0], group)
                choices = parse_choices(reply, len(group.candidates), is_cut_off(reply), options)
            except ReplyError as error:
                outcome = Outcome("abstained", str(error))
        for number, candidate in enumerate(group.candidates, 1):
            choice = choices.get(number)
            if choice is None or reply is None:
                failed = outcome.state != "judged"
                yield candidate, outcome if failed else Outcome("abstained", "no_answer"), None
            else:
                yield candidate, Outcome("judged"), _read_opinion(candidate, group, choice, reply)

    def _judge(
        self, candidate: Candidate, ends: Dict[Key, End], opinions: Dict[Key, List[Opinion]]
    ) -> Candidate:
        clean = candidate.unjudged()
        end = ends.get(candidate.key)
        if end is None:
            return clean.replace(reason="not_asked" if candidate.label in self.labels else None)
        outcome = end.outcome
        if candidate.key in opinions:
            judgement = combine(opinions[candidate.key])
            uncovered, impossible = count_doubts(opinions[candidate.key])
            outcome.dropped.update(+Counter(low_coverage=uncovered, bad_confidence=impossible))
            return clean.replace(verdict=judgement.verdict, support=judgement.support)
        verdict = "abstained" if outcome.state == "abstained" else None
        return clean.replace(verdict=verdict, reason=outcome.reason)

    def _propose(
        self, doc: Doc, opinions: Dict[Key, List[Opinion]], ends: Dict[Key, End]
    ) -> Dict[Key, Candidate]:
        """Find what the corrections name; what was judged itself needs no other verdict."""
        proposals: Dict[Key, Candidate] = {}
        for key, found in opinions.items():
            place = self._place(doc, ends[key], key, combine(found))
            if place is None or place in opinions:
                continue
            support = combine(found).correction_support
            proposal = Candidate(*place, support=support, source="judge")
            known = proposals.get(place, proposal)
            proposals[place] = max(known, proposal, key=lambda c: c.support or 0.0)
        return proposals

    def _place(self, doc: Doc, end: End, key: Key, judgement: Judgement) -> Optional[Key]:
        """Find the span and label that a correction names."""
        start, stop, label = key
        words, dropped = judgement.correction, end.outcome.dropped
        if words is None:
            return None
        if judgement.verdict == "wrong_label":
            named = find_label(words, self.labels)
            if named is None:
                dropped["unknown_label"] += 1
            return None if named in (None, label) else (start, stop, named)
        if judgement.verdict != "wrong_boundary":
            return None
        spans = WindowText(doc, end.window).find(Mention(words, label)).spans
        touching = [span for span in spans if touch(span, (start, stop))]
        if not touching:
            dropped["not_in_text"] += 1
            return None
        best = min(touching, key=lambda s: (abs(s[0] - start) + abs(s[1] - stop), s))
        return None if best == (start, stop) else (*best, label)

    @property
    def expected_listed(self) -> float:
        """How many candidates of a document a judge in front of this one may list."""
        rows = self.demonstrations if self.after_list else ()
        return sum(len(row["entities"]) for row in rows) / max(len(rows), 1)

    def expect_reply(self, prompt: Prompt) -> int:
        """A line for each candidate."""
        return TOKENS_ANSWER * len(prompt.candidates)


def _order_verdicts(candidate: Candidate, group: Group) -> Dict[str, str]:
    return dict(zip(LETTERS, order_answers(ANSWERS, group.text, candidate, group.sample)))


def _read_opinion(candidate: Candidate, group: Group, choice: Choice, reply: str) -> Opinion:
    verdicts = _order_verdicts(candidate, group)
    logprobs = getattr(reply, "logprobs", None)
    masses, coverage = read_masses(reply, logprobs, choice.offset)
    if masses is not None:
        masses = {verdicts[letter]: mass for letter, mass in masses.items()}
    return Opinion(verdicts[choice.letter], masses, coverage, choice.chance, choice.correction)


def _confidence(candidate: Candidate) -> float:
    known = candidate.student_probability
    return 1.0 if known is None else known
