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
def test_a_place_in_the_reply_or_none(reply):
    assert -1 <= find_answer(reply) <= len(reply)


@pytest.mark.parametrize("before", ["analysis of the text: ", "I <3 thinking: ", "<a> "])
def test_words_that_open_no_block(before):
    assert find_answer(f"{before}{LISTED}") == 0


@pytest.mark.parametrize("name", PARSERS)
def test_channels_whose_marks_a_server_took_away(name):
    parse, answer, draft, said = PARSERS[name]
    assert parse(f"analysisHm.\n{draft}\nassistantfinal{answer}") == said
    for reply in (f"analysis{{}}\n{draft}\nWait", f"analysisHm.\n{draft}"):
        with pytest.raises(ReplyError, match="^truncated$"):
            parse(reply)
