"""The report of the benchmark keeps what an earlier run measured."""

import json

import pytest
from denoise_report import compare, count, write_report
from denoise_tables import list_rivals, list_sidyp, rank


def row(method, seed, accuracy, dataset="mit", gold=0):
    figures = dict.fromkeys(("accuracy", "macro_f1", "train_accuracy"), accuracy)
    return {
        "dataset": dataset,
        "method": method,
        "gold": gold,
        "seed": seed,
        "cpu_seconds": 1.0,
        "rss_mb": 100.0,
        **figures,
    }


def figures(path):
    found = json.loads(path.with_suffix(".json").read_text())
    return {(r["dataset"], r["method"], r["gold"]): r["accuracy"] for r in found["rows"]}


def test_rows_that_were_not_measured_again_stay(tmp_path):
    path = tmp_path / "denoise"
    write_report([row("llm", 0, 0.4, "semeval"), row("plain", 0, 0.5, "semeval")], path, 0.25)
    write_report([row("llm", 0, 0.9), row("plain", 0, 0.6, "semeval")], path, 0.25)
    assert figures(path) == {
        ("semeval", "llm", "0"): 0.4,
        ("semeval", "plain", "0"): 0.6,
        ("mit", "llm", "0"): 0.9,
    }
    text = path.with_suffix(".md").read_text()
    assert "| llm | 0 | 0.400 |" in text and "| llm | 0 | 0.900 |" in text


def test_a_refusal_is_a_row_too(tmp_path):
    refused = {
        "dataset": "mit",
        "method": "uu",
        "gold": 50,
        "seed": 0,
        "refused": "[J511] too little",
    }
    write_report([refused, row("uu", 1, 0.8, gold=50)], tmp_path / "some", 0.25)
    assert "(1 refused)" in (tmp_path / "some.md").read_text()
    write_report([refused], tmp_path / "none", 0.25)
    assert "refused: [J511] too little" in (tmp_path / "none.md").read_text()


def scored(method, seed, right, n=100, gold=50):
    """A row of which the first items are right."""
    truth = [i % 2 for i in range(n)]
    got = [t if i < right else 1 - t for i, t in enumerate(truth)]
    return {**row(method, seed, right / n, gold=gold), "truth": truth, "got": got}


def test_differences_are_paired_over_seeds_and_their_intervals_count_the_items():
    rows = [scored("stacking", s, 70 + s) for s in range(3)]
    rows += [scored("robust_uu", s, 60 + s) for s in range(4)]
    found = compare(rows, "mit", ("stacking", 50, "robust_uu", 50), "accuracy")
    assert found["seeds"] == 3 and found["difference"] == pytest.approx(0.1)
    # the ten items that differ are a sample: sqrt(.1 * .9 / 100) = .03, though the seeds agree wholly
    assert found["high"] - 0.1 == pytest.approx(1.96 * 0.03, rel=0.15)


def test_items_whose_gold_was_given_do_not_count():
    full = scored("stacking", 0, 70)
    part = {**full, "truth": [-1] * 10 + full["truth"][10:], "got": [-1] * 10 + full["got"][10:]}
    for score in ("accuracy", "macro_f1"):
        assert (
            count(part, score)[:10].sum() == 0
            and (count(part, score)[10:] == count(full, score)[10:]).all()
        )


def test_methods_are_ranked_over_sets_and_scores():
    cell = {"accuracy": 0.5, "macro_f1": 0.5}
    better = {"accuracy": 0.6, "macro_f1": 0.6}
    mine = {
        ("a", "x"): better,
        ("b", "x"): cell,
        ("a", "y"): cell,
        ("b", "y"): cell,
        ("c", "x"): cell,
    }
    assert rank(mine, ["x", "y"]) == {"a": 1.25, "b": 1.75}


def pair(second, score, difference, dataset="mit", first="stacking:50"):
    found = {"dataset": dataset, "first": first, "second": second, "score": score, "seeds": 3}
    return {**found, "difference": difference, "low": difference - 0.1, "high": difference + 0.1}


def test_the_closest_rival_of_the_default_is_named_and_those_ahead_are_counted():
    pairs = [pair("llm:50", "accuracy", 0.3), pair("robust_uu:50", "accuracy", 0.05)]
    pairs += [pair("llm:50", "macro_f1", -0.2), pair("llm:0", "accuracy", -0.9, first="lda:0")]
    text = list_rivals(pairs)
    assert "| MIT | accuracy | robust_uu | +0.050 | -0.050 to +0.150 |" in text
    assert "| MIT | macro-F1 | llm | -0.200 |" in text
    assert "Of 3 differences" in text and text.endswith("1 below: llm on MIT (macro-F1).")


def test_sidyp_less_balanced_regression_is_a_row_of_each_set():
    pairs = [
        pair("plain_balanced:0", score, 0.01, dataset, "sidyp:0")
        for dataset in ("semeval", "topics")
        for score in ("accuracy", "macro_f1")
    ]
    lines = list_sidyp(pairs).splitlines()[2:]
    assert [line.split(" | ")[0] for line in lines] == ["| SemEval", "| topics"]
