"""The report of the benchmark keeps what an earlier run measured."""

import json

import pytest
from denoise_report import compare, write_report


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


def test_differences_are_paired_over_seeds():
    rows = [row("robust_uu", s, 0.7 + 0.01 * s, gold=50) for s in range(3)]
    rows += [row("stacking", s, 0.6 + 0.01 * s, gold=50) for s in range(4)]
    found = compare(rows, "mit", ("robust_uu", 50, "stacking", 50), "accuracy")
    assert found["seeds"] == 3
    assert found["difference"] == pytest.approx(0.1)
    assert found["low"] == pytest.approx(0.1) == found["high"]
