"""Where the answer of a reply begins: what a model thinks aloud before it is no answer."""

import re

# The words of tags between which models think, in the brackets that they use.
_WORDS = r"(?:\w+:)?(?:think|thinking|thought|thoughts|reasoning|reflection|analysis|scratchpad)"
_OPENING = re.compile(rf"<{_WORDS}>|\[{_WORDS}\]|◁{_WORDS}▷|<\|begin_of_{_WORDS}\|>", re.I)
_CLOSING = re.compile(rf"</{_WORDS}>|\[/{_WORDS}\]|◁/{_WORDS}▷|<\|end_of_{_WORDS}\|>", re.I)
# Channels, of which the last one speaks to the user.
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*<\|message\|>", re.I)


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
    for closing in _CLOSING.finditer(reply):
        start = closing.end()
    for channel in _CHANNEL.finditer(reply, start):
        is_final = channel[1].lower() == "final"
        start = channel.end() if is_final else -1
    if start < 0 or _OPENING.search(reply, start):
        return -1
    return start
