"""How sure a reply says it is, on whatever scale: 0 to 100 as it was asked to, or 0 to 1."""

import re
from typing import Any, List, NamedTuple, Optional, Sequence

_NUMBER = re.compile(r"\s*(\d{1,3}(?:\.\d{1,9})?)\s*(%?)\s*")


class Stated(NamedTuple):
    """A number as it is written.

    value (float): The number.
    is_percent (bool): A percent sign follows.
    is_decimal (bool): It is written with a decimal point.
    """

    value: float
    is_percent: bool = False
    is_decimal: bool = False


def read_stated(value: Any) -> Optional[Stated]:
    """Read a confidence from JSON, or from the words of a line.

    RETURNS (Optional[Stated]): None where it is no number.

    EXAMPLE:
        >>> read_stated("95 %")
        Stated(value=95.0, is_percent=True, is_decimal=False)
    """
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value)
        return match and Stated(float(match[1]), bool(match[2]), "." in match[1])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # before anything is made of it: an integer of a thousand digits is no float
    if not -1 <= value <= 1000:
        return None
    return Stated(float(value), False, isinstance(value, float))


def to_shares(
    stated: Sequence[Optional[Stated]], lone_one: Optional[float] = None
) -> List[Optional[float]]:
    """Bring all numbers of one reply to 0 to 1.

    One over 1 says that the scale goes to 100; otherwise one with a decimal point says that it goes to 1.
    Where no number is but 0 and 1, a 1 may be either, and a fraction beside numbers over 1 is a slip.

    stated (Sequence[Optional[Stated]]): The numbers of a reply.
    lone_one (Optional[float]): What a 1 is that may be either.
    RETURNS (List[Optional[float]]): 0 to 1, or None.

    EXAMPLE:
        >>> to_shares([Stated(97), Stated(5), Stated(0.9, is_decimal=True)])
        [0.97, 0.05, None]
        >>> to_shares([Stated(1.0, is_decimal=True), Stated(0.4, is_decimal=True)])
        [1.0, 0.4]
    """
    plain = [s for s in stated if s is not None and not s.is_percent]
    to_hundred = any(s.value > 1 for s in plain)
    to_one = not to_hundred and any(s.is_decimal for s in plain)
    shares: List[Optional[float]] = []
    for number in stated:
        if number is None or not 0 <= number.value <= 100:
            shares.append(None)
        elif number.is_percent or number.value == 0:
            shares.append(number.value / 100)
        elif to_hundred:
            shares.append(number.value / 100 if number.value >= 1 else None)
        else:
            shares.append(number.value if to_one else lone_one)
    return shares
