"""What the tests of the verifying judge share: reading its prompts as an honest LLM would."""

import json
import re

_MARK = re.compile(r"carry the mark ([0-9a-f]{16}|TEXT)\b")


def split_prompt(prompt):
    """The mark, the text and the spans in the block, and all that stands outside of it."""
    nonce = _MARK.search(prompt)[1]
    head, _, rest = prompt.partition(f"\n[{nonce} begin]\n")
    block, _, tail = rest.partition(f"\n[{nonce} end]\n")
    text, _, spans = (re.split(rf"\n(\[{nonce} spans?\])\n", block, maxsplit=1) + ["", ""])[:3]
    return nonce, text, spans, head.replace(nonce, "*") + "\n...\n" + tail.replace(nonce, "*")


def read_questions(prompt):
    """Span with context, label, and verdict by letter of every question."""
    nonce, text, spans, outside = split_prompt(prompt)
    contexts = [json.loads(line[line.index("{") :]) for line in spans.split("\n")]
    questions = []
    for part in outside.split("\nQUESTION")[1:]:
        label = re.search(r"The label in question is (.*)\.\n", part)[1]
        letters = {}
        for letter, words in re.findall(r"^([A-D]): (.*)$", part, re.MULTILINE):
            letters[letter] = next(v for v, sign in SIGNS.items() if sign in words)
        questions.append((contexts[len(questions)], label, letters))
    return questions


SIGNS = {
    "wrong_label": "another label",
    "wrong_boundary": "other words",
    "not_entity": "not at all",
    "correct": "exactly this span, with",
}


def answer(prompt, decide):
    """A reply to a prompt; `decide(context, label)` gives verdict, stated percentage, correction."""
    lines = []
    questions = read_questions(prompt)
    for number, (context, label, letters) in enumerate(questions, 1):
        verdict, chance, correction = decide(context, label)
        letter = next(letter for letter, meaning in letters.items() if meaning == verdict)
        parts = [letter] + ([] if chance is None else [str(chance)])
        parts += [correction] if correction else []
        lines.append((f"{number}: " if len(questions) > 1 else "") + " | ".join(parts))
    return "\n".join(lines)
