"""The pages that benchmarks write are made of their figures alone."""

import json
from pathlib import Path

from cascade_report import write_report as write_cascade
from scale_report import write_report as write_scale

DOCS = Path(__file__).parents[2] / "docs"
STEPS = ("prepare", "annotate", "judge", "filter", "nlp.pipe with confidence")


def make_size(n):
    steps = {
        name: {"cpu_s": 3 + n * (i + 1) / 1000, "peak_mb": 300.0} for i, name in enumerate(STEPS)
    }
    return {"documents": n, "candidates": 28.0, "steps": steps}


def test_scale_says_what_a_document_more_costs(tmp_path):
    found = {
        "machine": "a machine",
        "documents": {"candidates": 28, "read": 0.4, "write": 0.3},
        "sizes": [make_size(1000), make_size(10000)],
    }
    write_scale(tmp_path / "scale.json", found)
    page = (tmp_path / "scale.md").read_text()
    assert "--sizes 1000 10000" in page and "| annotate | 5.0 s, 300 MB | 23.0 s, 300 MB |" in page
    assert "prepare 1.00, annotate 2.00" in page and "costs -60% a document" in page
    assert "prepare 1.00, annotate 1.00, judge 1.00, filter 1.00." in page
    assert (tmp_path / "images" / "scale.png").stat().st_size > 1000
    assert json.loads((tmp_path / "scale.json").read_text()) == found


def test_a_size_that_is_not_measured_yet_is_left_out(tmp_path):
    one = {"documents": 10, "candidates": 0.0, "steps": {}}
    write_scale(tmp_path / "scale.json", {"machine": "m", "sizes": [one]})
    assert "| step | 10 |" in (tmp_path / "scale.md").read_text()


def make_row(judge, q, asked, f):
    kept = {"asked": asked, "spans": 10, "precision": f, "recall": f, "f": f, "auroc": 0.9}
    return {"judge": judge, "q": q, "seed": 0, **kept}


def test_a_cascade_saves_what_costs_at_most_a_point(tmp_path):
    rates = {"precision": 0.9, "recall": 0.9, "f": 0.9}
    row = {
        "target": "recall",
        "evidence": 50,
        "q": 0.2,
        "draws": 9,
        "passed": 0.0,
        "asked": 1.0,
        "broken": 0.0,
    }
    silver = [
        make_row("strong", None, 1.0, 0.9),
        make_row("cascade", 0.2, 0.7, 0.895),
        make_row("cascade", 0.3, 0.2, 0.6),
    ]
    one = {
        "documents": 100,
        "alone": {"strong": rates},
        "rows": [{**row, "wrong_alone": None, **rates, "by_chance": rates}],
        "silver": silver,
    }
    write_cascade(tmp_path / "cascade.json", {"garden": one})
    page = (tmp_path / "cascade.md").read_text()
    assert "| recall | 20% | 0% | 100% | - | 0.0% | 0.900 | 0.900 | 0.900 | 0.900 |" in page
    assert "saves 30% of the strong judge's calls" in page


def test_the_page_on_speed_has_the_figures_of_its_file():
    page = (DOCS / "speed.md").read_text(encoding="utf8")
    found = json.loads((DOCS / "speed.json").read_text(encoding="utf8"))
    table = [line.split(" | ")[1:] for line in page.splitlines() if line.startswith("| ")][1:]
    assert len(table) == len(found["rows"]) == 4 and f"{found['words']:,} words" in page
    for cells, row in zip(table, found["rows"]):
        spread = f"({min(row['ratios']):.2f} to {max(row['ratios']):.2f})"
        ratio = (
            f"{row['ratio']:.2f}" if row["form"] == "as loaded" else f"{row['ratio']:.2f} {spread}"
        )
        figures = [f"{row['documents_per_second']:.0f}", ratio, f"{row['f1']:.1f}"]
        assert [*figures, f"{row['f1_saved']:.1f} |"] == cells
