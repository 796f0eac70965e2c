import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.judge.choices import parse_choices
from spacy_llmjudge.judge.classification import parse_classification
from spacy_llmjudge.judge.replies import ReplyError, parse_annotation
from spacy_llmjudge.judge.thinking import find_answer

LISTED = '{"entities": [{"text": "rose", "label": "PLANT", "confidence": 90}], "alternatives": []}'
DRAFT = LISTED.replace("rose", "slug").replace("PLANT", "PEST")
GIVEN = '{"labels": [{"label": "PEST", "confidence": 90}], "alternatives": []}'
# how a reply is read, what it says, and a draft that says something else
PARSERS = {
    "annotate": (
        lambda r, **s: parse_annotation(r, ["PEST", "PLANT"], **s).entities[0].text,
        LISTED,
        DRAFT,
        "rose",
    ),
    "verify": (lambda r, **s: parse_choices(r, 1, **s)[1].letter, "B | 90", "C | 10", "B"),
    "classify": (
        lambda r, **s: [*parse_classification(r, ["PEST", "FEED"], True, **s).labels][0],
        GIVEN,
        GIVEN.replace("PEST", "FEED"),
        "PEST",
    ),
}
BLOCKS = {
    "think": ("<think>", "</think>"),
    "thinking": ("<thinking>", "</thinking>"),
    "capitals": ("<THINK>", "</THINK>"),
    "reasoning": ("<reasoning>", "</reasoning>"),
    "prefix": ("<seed:think>", "</seed:think>"),
    "brackets": ("[THINK]", "[/THINK]"),
    "other brackets": ("◁think▷", "◁/think▷"),
    "thought": ("<|begin_of_thought|>", "<|end_of_thought|>"),
    "attributes": ('<think effort="low">', "</think>"),
    "spaces": ("< think >", "</ think >"),
    "process": ("<thought_process>", "</thought_process>"),
    "chain": ("<chain_of_thought>", "</chain_of_thought>"),
    "camel": ("<antThinking>", "</antThinking>"),
    "monologue": ("<inner_monologue>", "</inner_monologue>"),
    "bars": ("<|thinking|>", "<|/thinking|>"),
    "full width": ("＜think＞", "＜/think＞"),
    "escaped": ("&lt;think&gt;", "&lt;/think&gt;"),
    "details": ('<details type="reasoning"><summary>Thought</summary>', "</details>"),
    "one channel": ("<|channel>thought", "<channel|>"),
    "channels, held to JSON": (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>",
    ),
    "channels": (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
}


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("block", BLOCKS)
class TestBlocks:
    def test_a_draft_is_no_answer(self, block, name):
        parse, answer, draft, said = PARSERS[name]
        opening, closing = BLOCKS[block]
        for thought in (draft, f"Maybe\n{draft}\nor {{not}} [x].", "{" * 80, answer, ""):
            assert parse(f"{opening}\n{thought}\n{closing}\n\n{answer}") == said
            assert parse(f"{opening}{thought}{closing}```\n{answer}\n```") == said

    def test_an_open_block_is_truncated(self, block, name):
        parse, answer, draft, _ = PARSERS[name]
        opening, closing = BLOCKS[block]
        for reply in (f"{opening}\n{draft}\nWait", f"{opening}{draft}{closing}{opening}\n{answer}"):
            with pytest.raises(ReplyError, match="^truncated$"):
                parse(reply)

    def test_a_refusal_after_a_draft_is_no_answer(self, block, name):
        parse, _, draft, _ = PARSERS[name]
        opening, closing = BLOCKS[block]
        with pytest.raises(ReplyError, match="^(not_json|no_answer)$"):
            parse(f"{opening}{draft}{closing} I cannot help with that.")
        with pytest.raises(ReplyError, match="^empty_reply$"):
            parse(f"{opening}{draft}{closing}\n ")


@pytest.mark.parametrize("name", PARSERS)
def test_only_a_closing_tag_where_the_template_opened_the_block(name):
    parse, answer, draft, said = PARSERS[name]
    assert parse(f"{draft}\nHm.\n</think>\n{answer}") == said


@pytest.mark.parametrize("name", PARSERS)
def test_a_reply_that_ends_at_the_token_limit_may_be_a_draft(name):
    parse, _, draft, _ = PARSERS[name]
    for reply in (f"I think of\n{draft}\nBut wait", f"<think>x</think>I think of\n{draft}\nBut"):
        with pytest.raises(ReplyError, match="^truncated$"):
            parse(reply, is_cut_off=True)


def test_tags_that_are_quoted_are_words_of_the_text():
    for words in ("<think>", "</think>", "[THINK]"):
        listed = parse_annotation(LISTED.replace("rose", words), ["PLANT"])
        assert [mention.text for mention in listed.entities] == [words]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="<>/think[]|channel finalmessage", max_size=60))
def test_the_answer_ends_where_the_reply_ends(reply):
    answer = find_answer(reply)
    assert answer is None or reply.endswith(answer)


@pytest.mark.parametrize("before", ["analysis of the text: ", "I <3 thinking: ", "<a> "])
def test_words_that_open_no_block(before):
    assert find_answer(f"{before}{LISTED}") == f"{before}{LISTED}"


@pytest.mark.parametrize("name", PARSERS)
def test_channels_whose_marks_a_server_took_away(name):
    parse, answer, draft, said = PARSERS[name]
    assert parse(f"analysisHm.\n{draft}\nassistantfinal{answer}") == said
    for reply in (f"analysis{{}}\n{draft}\nWait", f"analysisHm.\n{draft}"):
        with pytest.raises(ReplyError, match="^truncated$"):
            parse(reply)


EXPLANATIONS = {
    "details": ("<details><summary>Why</summary>", "</details>"),
    "reason": ("<reason>", "</reason>"),
    "planning": ("<planning>", "</planning>"),
    "attributes": ('<reasons lang="en">', "</reasons>"),
}


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("block", EXPLANATIONS)
def test_an_explanation_leaves_the_answer_as_it_is(block, name):
    parse, answer, draft, said = PARSERS[name]
    opening, closing = EXPLANATIONS[block]
    explained = f"{opening}\n{draft}\nNo, too far.\n{closing}"
    for reply in (
        f"{answer}\n{explained}",
        f"{answer}\n{explained}\n{explained}\nI hope this helps.",
        f"{answer}\n{opening}\n{draft}",
        f"Let me see.\n{explained}\n{answer}",
        f"<think>{draft}</think>\n{answer}\n{explained}",
    ):
        assert parse(reply) == said
    with pytest.raises(ReplyError, match="^(not_json|no_answer)$"):
        parse(f"Let me see.\n{explained}")


def test_an_answer_after_an_explanation_keeps_its_place():
    reply = "So.\n<details>\nA | 9\n</details> \nB | 90"
    assert parse_choices(reply, 1)[1].offset == reply.index("B |")


@pytest.mark.parametrize("words", ["<details>", "<reason>", "<reason>late</reason>", "<planning>"])
def test_words_in_angles_inside_of_a_line_are_quoted(words):
    listed = LISTED.replace("rose", words)
    for reply in (f"```json\n{listed}\n```", f"Sure: {listed}", f"{listed} Done."):
        assert [m.text for m in parse_annotation(reply, ["PLANT"]).entities] == [words]
    assert parse_choices(f"B | 90 | {words}", 1)[1].correction == words


def test_tags_are_quoted_in_fences_as_well():
    for words in ("<think>", "</think>", "[THINK]"):
        (mention,) = parse_annotation(
            f"```json\n{LISTED.replace('rose', words)}\n```", ["PLANT"]
        ).entities
        assert mention.text == words
