"""From the runs of the benchmark to its rows and tables."""

import numpy
import pytest
from benchmark_report import counts_path, pack_counts, unpack_counts, with_counts, write_report

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
    folder = work / "mit_restaurant-10" / f"seed-{run['seed']}"
    path = counts_path(folder, run["method"], run["llm_calls"])
    path.parent.mkdir(parents=True, exist_ok=True)
    numpy.save(path, numpy.array([[tp, 0, 2 - tp]] * 40))


def row_of(report, method):
    (row,) = (row for row in report["rows"] if row["method"] == method)
    return row


def write(tmp_path, runs, before=()):
    """Write the rows of runs, and of one that is not measured. RETURNS: What the JSON and the page hold."""
    order = [(name_of(one), (*CELL, one["method"], one["llm_calls"], one["seed"])) for one in runs]
    order.append(("mit_restaurant/10/pool_gold/0/0", (*CELL, "pool_gold", 0, 0)))
    path = tmp_path / "benchmark.json"
    named = {name_of(one): with_counts(one, tmp_path) for one in runs}
    write_json(path, {"runs": named, "rows": list(before)})
    write_report(path, order)
    return read_json(path), path.with_suffix(".md").read_text()


@pytest.fixture
def report(tmp_path):
    runs = [run("llm_labels", 300, s, 0.6 + s / 100) for s in range(3)]
    runs += [run("llm_labels_equal", 300, s, 0.6) for s in range(2)]
    runs += [run(method, 300, s, 0.7) for method in ("ours", "ours_gold") for s in range(3)]
    for one in runs:
        keep_counts(tmp_path, one, 2 if one["method"].startswith("ours") else 1)
    runs += [run("ours_q0.1", 300, 0, 0.65, 0.1), run("ours_masked_q0.25", 300, 0, 0.68)]
    return write(tmp_path, runs)


def test_rows_are_means_over_seeds(report):
    theirs = row_of(report[0], "llm_labels")
    assert theirs["f_mean"] == pytest.approx(0.61) and theirs["f_std"] == pytest.approx(0.01)
    assert theirs["seeds"] == [0, 1, 2] and theirs["minutes"] == 4.0
    assert (theirs["silver_precision"], theirs["silver_recall"]) == (0.8, 0.7)
    assert report[0]["missing"] == ["mit_restaurant/10/pool_gold/0/0"]


def test_ours_is_compared_with_llm_labels_at_equal_calls(report):
    found = row_of(report[0], "ours")["minus_llm_labels"]
    # F1 of 1 against 2 / 3, for every document alike
    assert found.pop("seeds") == [0, 1, 2]
    assert found == pytest.approx({key: 1 / 3 for key in ("mean", "low", "high")}, abs=1e-4)
    third = "+33.3 (+33.3 to +33.3)"
    line = f"| ours (e) | 300 | 80 | 3 | 70.0 (70.0 to 70.0) | {third} | - | {third} |"
    assert line in report[1]


def test_seeds_that_the_rival_lacks_do_not_count(report):
    assert row_of(report[0], "ours")["minus_equal"]["seeds"] == [0, 1]
    assert row_of(report[0], "llm_labels_equal").get("minus_equal") is None


def test_the_summary_has_what_the_command_does_beside_its_rival(report):
    (one,) = report[0]["summary"]
    assert one["method"] == "ours" and one["llm_calls"] == 300 and one["gold"] == 80
    assert one["minus_equal"] == row_of(report[0], "ours_gold")["minus_equal"]
    assert one["equal"]["f_mean"] == pytest.approx(0.6)


def test_intervals_are_about_seeds_and_documents(report, tmp_path):
    theirs = row_of(report[0], "llm_labels")
    # three seeds with a standard deviation of .01; Student's t with two degrees of freedom, as all documents are alike
    assert theirs["f_high"] - theirs["f_mean"] == pytest.approx(4.303 * 0.01 / 3**0.5, abs=1e-4)
    mixed = run("llm_labels", 300, 0, 0.5)
    keep_counts(tmp_path, mixed, 1)
    path = counts_path(tmp_path / "mit_restaurant-10" / "seed-0", "llm_labels", 300)
    numpy.save(path, numpy.array([[1, 1, 1], [2, 2, 2], [1, 0, 0], [0, 1, 1]] * 10))
    alone = row_of(write(tmp_path, [mixed])[0], "llm_labels")
    # of one seed the documents alone
    assert alone["f_low"] < 0.45 and alone["f_high"] > 0.55


def test_the_page_is_made_from_the_json_alone(report, tmp_path):
    path = tmp_path / "benchmark.json"
    before = path.read_bytes(), path.with_suffix(".md").read_bytes()
    order = [(name, (*CELL, one["method"], one["llm_calls"], one["seed"])) for name, one in report[0]["runs"].items()]  # fmt: skip
    order.append(("mit_restaurant/10/pool_gold/0/0", (*CELL, "pool_gold", 0, 0)))
    for file in tmp_path.rglob("*.npy"):
        file.unlink()
    write_report(path, order)
    assert row_of(read_json(path), "ours") == row_of(report[0], "ours")
    assert len(path.with_suffix(".md").read_bytes()) == len(before[1])


def test_what_was_said_of_runs_without_counts_stays_until_they_are_measured_again(tmp_path):
    runs = [run("ours", 300, s, 0.7) for s in range(3)]
    gain = {"mean": 0.03, "low": 0.02, "high": 0.04}
    old = {"dataset": CELL[0], "shots": CELL[1], "llm": CELL[2], "method": "ours", "llm_calls": 300, "seeds": [0, 1, 2], "minus_llm_labels": gain}  # fmt: skip
    found, page = write(tmp_path, runs, [old])
    assert row_of(found, "ours")["minus_llm_labels"] == gain
    assert "| 70.0 ± 0.0 | +3.0 (+2.0 to +4.0) |" in page
    for one in runs:
        keep_counts(tmp_path, one, 2)
    assert row_of(write(tmp_path, runs, [old])[0], "ours")["minus_llm_labels"] is None


def test_counts_are_packed_without_loss():
    counts = numpy.random.default_rng(0).integers(0, 256, size=(50, 3))
    assert (unpack_counts(pack_counts(counts)) == counts).all()
    with pytest.raises(ValueError):
        pack_counts(counts + 1000)


def test_the_curve_is_a_table_of_its_own_in_the_order_of_q(report):
    curve = report[1].split("## F1 against q")[1]
    names = [line.split("|")[1].strip() for line in curve.splitlines() if line.startswith("| 0")]
    assert names == ["0.1", "0.25", "0.25, masked"]
    assert "ours_q" not in report[1] and "1 of 14 runs" in report[1]
