"""Where the answer of a reply begins: what a model thinks aloud before it is no answer."""

import re

# The words of tags between which models think, such as <think>, <thought_process> or <seed:think>.
_WORDS = r"(?:\w+:)?(?:think|thinking|thoughts?|reasoning|reflection|analysis|scratchpad)"
_LONGER = (
    r"(?:[\w-]{1,20}:)?(?:\w{0,20}(?:think|thought|reason|reflect|analy[sz]|scratchpad|monologue"
    r"|deliberat|planning)\w{0,20}|cot|details)"
)
# In angles there may be more than the word; in square brackets that would be a remark in prose.
_ANGLE, _END = r"(?:<\|?|＜|&lt;)\s*", r"\s*(?:\|?>|＞|&gt;)"
_OPENING = re.compile(
    rf"{_ANGLE}(?:begin_of_)?{_LONGER}(?:\s[^<>]{{0,200}})?{_END}"
    rf"|\[{_WORDS}\]|◁{_WORDS}▷|<\|channel>\s*thought",
    re.I,
)
_CLOSING = re.compile(
    rf"{_ANGLE}(?:/\s*|end_of_){_LONGER}{_END}|\[/{_WORDS}\]|◁/{_WORDS}▷|<channel\|>", re.I
)
# Channels, of which the last one speaks to the user.
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>", re.I)
# What is left of them where a server takes their marks away.
_BARE = re.compile(r"\s*analysis(?=[A-Z{\[])")
_BARE_FINAL = "assistantfinal"


def find_answer(reply: str) -> int:
    """Find where the answer begins, after the last block of thinking.

    reply (str): The reply.
    RETURNS (int): The place; -1 where a block of thinking is still open at the end, so that nothing in
        the reply is an answer.

    EXAMPLE:
        >>> find_answer("<think>A or B?</think>B"), find_answer("<think>A or")
        (22, -1)
    """
    start = 0
    if _BARE.match(reply):
        start = reply.rfind(_BARE_FINAL)
        start = start if start < 0 else start + len(_BARE_FINAL)
    for closing in _CLOSING.finditer(reply, max(start, 0)):
        start = closing.end()
    for channel in _CHANNEL.finditer(reply, max(start, 0)):
        is_final = channel[1].lower() == "final"
        start = channel.end() if is_final else -1
    if start < 0 or _OPENING.search(reply, start):
        return -1
    return start
