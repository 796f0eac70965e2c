"""From answers about random spans to the certificate of a silver, and to what people still have to answer."""

from typing import List

from ..selection.certificate import Certificate, certificate, pac_cut
from .items import Given, Item, Task, is_right


def certify(task: Task, given: Given) -> Certificate:
    """Bound the share of wrong spans.

    Items count in the order of the draw, up to the last that was answered. One that was put off on the way counts as
    wrong until somebody answers it: what people leave out is not random. What they answer because it is unsure, in
    PAC labelling, is no random sample and does not count.

    task (Task): All spans of the silver, in a random order.
    given (Given): The answers.
    RETURNS (Certificate): The bound.
    """
    drawn = _drawn(task, given)
    answers = [one.id in given and is_right(one, given[one.id]) for one in drawn]
    return certificate(len(task.items), answers, planned=task.planned, share=task.share)


def find_cut(task: Task, given: Given) -> float:
    """RETURNS (float): People answer every span with a probability of at most this, so that at most a share epsilon
    of all spans is wrong at the end; see `pac_cut`."""
    drawn = _drawn(task, given)
    wrong = [one.probability for one in drawn if not is_right(one, given.get(one.id, {}))]
    wrong += [one.probability for one in drawn if one.id not in given]
    return pac_cut(len(task.items), len(drawn), wrong, task.epsilon or 0.0)


def count_left(task: Task, given: Given) -> int:
    """RETURNS (int): How many spans people still have to answer in PAC labelling."""
    sample = task.items[: task.planned]
    left = sum(one.id not in given for one in sample)
    if left:
        return left
    cut = find_cut(task, given)
    return sum(one.probability <= cut and one.id not in given for one in task.items)


def describe_pac(task: Task, given: Given) -> str:
    """RETURNS (str): What holds once people have answered everything under the cut."""
    left, share = count_left(task, given), 100 * (task.epsilon or 0.0)
    if left:
        return f"{left} {task.units} are left to answer, so that at most {share:g} % of all are wrong afterwards."
    return (
        f"People answered every one of the {len(task.items)} {task.units} that is not sure enough. With their answers in "
        f"place at most {share:g} % are wrong, with 95 % confidence."
    )


def _drawn(task: Task, given: Given) -> List[Item]:
    most = task.planned if task.epsilon is not None else len(task.items)
    numbers = (task.numbers.get(id_, -1) for id_ in given)
    last = max((number for number in numbers if number < most), default=-1)
    return list(task.items[: last + 1])
