"""Where the answer of a reply begins: what a model thinks aloud before it is no answer."""

import re
from typing import List, Optional, Set, Tuple

# The words of tags between which models think, such as <think> or <seed:think>.
_WORDS = r"(?:\w+:)?(?:think|thinking|thoughts?|reasoning|reflection|analysis|scratchpad)"
# Words such as <thought_process>, and of tags in which an answer is explained, or that a text is about.
_LONGER = (
    r"(?:[\w-]{1,20}:)?(?:\w{0,20}(?:think|thought|reason|reflect|analy[sz]|scratchpad|monologue"
    r"|deliberat|planning)\w{0,20}|cot|details)"
)
# In angles there may be more than the word; in square brackets that would be a remark in prose.
_ANGLE, _END = r"(?:<\|?|＜|&lt;)\s*", r"\s*(?:\|?>|＞|&gt;)"
_TAG = re.compile(
    rf"{_ANGLE}(?:/\s*|end_of_)(?P<closed>{_LONGER}){_END}"
    rf"|{_ANGLE}(?:begin_of_)?(?P<opened>{_LONGER})(?:\s[^<>]{{0,200}})?{_END}"
    rf"|(?:\[|◁)(?P<slash>/?){_WORDS}(?:\]|▷)|<\|channel>\s*thought|(?P<channel><channel\|>)",
    re.I,
)
_KNOWN = re.compile(_WORDS, re.I)
# What may stand before a tag on its line.
_MARGIN = " \t\r`*>#"
_MAX_MARGIN = 40
# Channels, of which the last one speaks to the user.
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>", re.I)
# What is left of them where a server takes their marks away.
_BARE = re.compile(r"\s*analysis(?=[A-Z{\[])")
_BARE_FINAL = "assistantfinal"


def find_answer(reply: str) -> Optional[str]:
    """Take the answer out of a reply: what stands after the last block of thinking.

    Words in angles that may also be in a text, such as <reason>, are tags only at the start of a line. A
    block of them that comes after other words explains an answer, or leads to one.

    reply (str): The reply.
    RETURNS (Optional[str]): The end of the reply, with line breaks in place of such a block; None where
        a block of thinking is still open at the end, so that nothing in the reply is an answer.

    EXAMPLE:
        >>> find_answer("<think>A or B?</think>B"), find_answer("<think>A or")
        ('B', None)
        >>> find_answer("B\\n<details>or C?</details>").strip()
        'B'
    """
    start = 0
    if _BARE.match(reply):
        start = reply.rfind(_BARE_FINAL)
        if start < 0:
            return None
        start += len(_BARE_FINAL)
    answer = _leave_out(reply, start)
    if answer is not None:
        start = len(reply) - len(answer)
    channels = list(_CHANNEL.finditer(reply, start))
    if not channels:
        return answer
    is_final = channels[-1][1].lower() == "final"
    return _leave_out(reply, channels[-1].end()) if is_final else None


def _leave_out(reply: str, start: int) -> Optional[str]:
    """Leave out what stands in tags from a place on."""
    opened: Optional[int] = None
    explains = False
    blocks: List[Tuple[int, int]] = []
    quoted: Set[str] = set()
    for tag in _TAG.finditer(reply, start):
        word = (tag["opened"] or tag["closed"] or "think").lower()
        is_known = _KNOWN.fullmatch(word) is not None
        if not (tag["closed"] or tag["slash"] or tag["channel"]):
            margin = reply[max(start, tag.start() - _MAX_MARGIN) : tag.start()]
            if opened is None and (is_known or not margin.rpartition("\n")[2].strip(_MARGIN)):
                opened = tag.start()
                explains = not is_known and bool(blocks or reply[start:opened].strip())
            elif opened is None:
                quoted.add(word)
        elif is_known or (opened is not None and not explains):
            start, opened, blocks = tag.end(), None, []
        elif opened is not None or blocks:
            first = blocks.pop()[0] if opened is None else opened
            blocks.append((first, tag.end()))
            opened = None
        elif word not in quoted:
            start = tag.end()
    if opened is not None and not explains:
        return None
    if opened is not None:
        blocks.append((opened, len(reply)))
    pieces = []
    for first, last in blocks:
        pieces += [reply[start:first], "\n" * (last - first)]
        start = last
    return "".join(pieces) + reply[start:]
