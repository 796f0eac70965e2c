"""From the runs of the benchmark to its rows and tables."""

import numpy
import pytest
from benchmark_report import write_report

from spacy_llmjudge.storage import read_json, write_json

CELL = ("mit_restaurant", 10, "frontier")


def run(method, calls, seed, f, q=0.25):
    silver = {"documents": 9, "spans": 12, "precision": 0.8, "recall": 0.7, "wrong_share": 0.2}
    return {
        "dataset": CELL[0], "shots": CELL[1], "llm": CELL[2], "gold": 80, "method": method, "llm_calls": calls, "seed": seed, "f": f,
        "precision": f, "recall": f, "minutes": 4.0, "uses_evidence": method != "llm_labels", "settings": {"q": q},
        "silver": silver,
    }  # fmt: skip


def name_of(run):
    return f"mit_restaurant/10/{run['method']}/{run['llm_calls']}/{run['seed']}"


def keep_counts(work, run, tp):
    """Forty documents with two gold entities each: so many are found, nothing else is."""
    path = (
        work
        / "mit_restaurant-10"
        / f"seed-{run['seed']}"
        / "counts"
        / f"{run['method']}-{run['llm_calls']}.npy"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    numpy.save(path, numpy.array([[tp, 0, 2 - tp]] * 40))


@pytest.fixture
def report(tmp_path):
    runs = [run("llm_labels", 300, s, 0.6 + s / 100) for s in range(3)] + [
        run("ours", 300, s, 0.7) for s in range(3)
    ]
    for one in runs:
        keep_counts(tmp_path, one, 2 if one["method"] == "ours" else 1)
    runs += [run("ours_q0.1", 300, 0, 0.65, 0.1), run("ours_masked_q0.25", 300, 0, 0.68)]
    order = [(name_of(one), (*CELL, one["method"], one["llm_calls"], one["seed"])) for one in runs]
    order.append(("mit_restaurant/10/pool_gold/0/0", (*CELL, "pool_gold", 0, 0)))
    path = tmp_path / "benchmark.json"
    write_json(path, {"runs": {name_of(one): one for one in runs}})
    write_report(path, order, tmp_path)
    return read_json(path), path.with_suffix(".md").read_text()


def test_rows_are_means_over_seeds(report):
    rows = {(row["method"], row["llm_calls"]): row for row in report[0]["rows"]}
    theirs = rows["llm_labels", 300]
    assert theirs["f_mean"] == pytest.approx(0.61) and theirs["f_std"] == pytest.approx(0.01)
    assert theirs["seeds"] == [0, 1, 2] and theirs["minutes"] == 4.0
    assert (theirs["silver_precision"], theirs["silver_recall"]) == (0.8, 0.7)
    assert report[0]["missing"] == ["mit_restaurant/10/pool_gold/0/0"]


def test_ours_is_compared_with_llm_labels_at_equal_calls(report):
    (ours,) = (row for row in report[0]["rows"] if row["method"] == "ours")
    # F1 of 1 against 2 / 3, for every document alike
    assert ours["minus_llm_labels"] == pytest.approx(
        {key: 1 / 3 for key in ("mean", "low", "high")}, abs=1e-4
    )
    assert "| ours (e) | 300 | 3 | 70.0 ± 0.0 | +33.3 (+33.3 to +33.3) | - | - |" in report[1]


def test_the_curve_is_a_table_of_its_own_in_the_order_of_q(report):
    curve = report[1].split("## F1 against q")[1]
    names = [line.split("|")[1].strip() for line in curve.splitlines() if line.startswith("| 0")]
    assert names == ["0.1", "0.25", "0.25, masked"]
    assert "ours_q" not in report[1] and "1 of 9 runs" in report[1]
