import json
import os
import time
from pathlib import Path

import pytest
from corpora_helpers import read_examples
from english import NLP
from spacy.tokens import DocBin

from spacy_llmjudge import storage
from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.targets.base import find_target

GARDEN = Path(__file__).parents[2] / "assets" / "garden"


def row(text, *labels, **more):
    """A row whose first words have the labels, a word each."""
    spans, start = [], 0
    for word, label in zip(text.split(" "), labels):
        spans.append({"start": start, "end": start + len(word), "label": label})
        start += len(word) + 1
    return {"text": text, "spans": spans, **more}


LABELLED = [row("rose blooms", "PLANT"), row("rust spreads", "PEST"), row("good day")]
DEV = [row("tulip opens", "PLANT"), row("aphids arrived", "PEST")]
TEST = [row("poppy faded", "PLANT")]
POOL = [{"text": f"message number {i}"} for i in range(5)]


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "assets"
    folder.mkdir()
    for name, rows in (
        ("labelled", LABELLED),
        ("dev", DEV),
        ("test", TEST),
        ("pool", POOL),
    ):
        write(folder, name, rows)
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "corpus"


def write(folder, name, rows):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / f"{name}.jsonl").write_text(text, encoding="utf8")


def read(out, split):
    return list(storage.read_docs(out / f"{split}.spacy", NLP.vocab))


def texts(out, split):
    return [doc.text for doc in read(out, split)]


def error_of(source, out, **settings):
    with pytest.raises(LLMJudgeError) as caught:
        prepare(source, out, **settings)
    assert "\n" not in str(caught.value)
    assert not list(out.glob("*")) and not list(out.glob(".*"))
    return str(caught.value)


def test_garden_corpus(out):
    report = prepare(GARDEN, out)
    assert report["documents"] == {
        "labelled": 60,
        "dev": 100,
        "test": 400,
        "pool": 1000,
        "pool_gold": 1000,
    }
    assert not any(report["dropped"].values())
    assert sorted(path.name for path in out.iterdir() if path.name[0] != ".") == [
        "dev.spacy",
        "labelled.spacy",
        "pool.spacy",
        "pool_gold.spacy",
        "prepare.json",
        "target.json",
        "test.spacy",
    ]
    assert storage.read_json(out / "prepare.json") == report
    rows = [json.loads(line) for line in (GARDEN / "pool_gold.jsonl").open(encoding="utf8")]
    for doc, gold, row in zip(read(out, "pool"), read(out, "pool_gold"), rows):
        assert doc.text == gold.text and not doc.has_annotation("ENT_IOB")
        offsets = [(ent.start_char, ent.end_char, ent.label_) for ent in gold.ents]
        assert offsets == sorted((s["start"], s["end"], s["label"]) for s in row["spans"])


def test_same_files_twice(source, out, tmp_path):
    prepare(source, out)
    prepare(source, tmp_path / "again")
    for name in ("labelled", "dev", "test", "pool"):
        assert storage.sha256_file(out / f"{name}.spacy") == storage.sha256_file(
            tmp_path / "again" / f"{name}.spacy"
        )


def test_dev_test_and_gold_are_optional(source, out):
    (source / "dev.jsonl").unlink()
    (source / "test.jsonl").unlink()
    prepare(source, out)
    assert sorted(p.name for p in out.glob("*.spacy")) == [
        "labelled.spacy",
        "pool.spacy",
    ]


def test_files_of_an_earlier_corpus_go(source, out):
    prepare(source, out)
    (source / "dev.jsonl").unlink()
    prepare(source, out)
    assert not (out / "dev.spacy").exists() and (out / "test.spacy").exists()


def test_other_files_in_the_corpus_stay(source, out):
    (out / "round-1").mkdir(parents=True)
    (out / "round-1" / "silver.spacy").write_bytes(b"silver")
    prepare(source, out)
    assert (out / "round-1" / "silver.spacy").read_bytes() == b"silver"


def test_files_may_stand_elsewhere(source, out, tmp_path):
    write(tmp_path, "my_pool", [{"text": "from elsewhere"}])
    prepare(source, out, pool=tmp_path / "my_pool.jsonl")
    assert texts(out, "pool") == ["from elsewhere"]


def test_suffixes_may_be_mixed(source, out):
    (source / "dev.jsonl").unlink()
    (source / "dev.bio").write_text("B-PLANT tulip\nO opens\n\nB-PEST aphids\nO came\n")
    DocBin(docs=[NLP.make_doc("raw text")]).to_disk(source / "pool.spacy")
    (source / "pool.jsonl").unlink()
    prepare(source, out)
    assert texts(out, "dev") == ["tulip opens", "aphids came"]
    assert texts(out, "pool") == ["raw text"]


def test_repaired_tags_are_counted_apart(source, out):
    (source / "dev.jsonl").unlink()
    (source / "dev.iob").write_text("tulip I-PLANT\nopens O\n")
    with pytest.warns(UserWarning, match="JW600"):
        report = prepare(source, out)
    assert report["repaired_tags"] == {"dev": 1}
    assert report["dropped"]["dev"] == {}


def test_duplicates_are_removed_and_counted(source, out):
    write(source, "dev", DEV + [row("Rose  BLOOMS", "PLANT"), row("tulip opens", "PLANT")])
    write(source, "test", TEST + [row("good day")])
    known = [{"text": "Tulip opens"}, {"text": "poppy faded "}, {"text": "ROSE blooms"}]
    write(source, "pool", [known[0], POOL[0], *known[1:], POOL[1], POOL[1]])
    report = prepare(source, out)
    assert report["dropped"] == {
        "labelled": {},
        "dev": {"duplicates": 2},
        "test": {"duplicates": 1},
        "pool": {"duplicates": 4},
    }
    assert texts(out, "dev") == ["tulip opens", "aphids arrived"]
    assert texts(out, "pool") == ["message number 0", "message number 1"]


def test_gold_of_the_pool_loses_the_same_rows(source, out):
    write(
        source,
        "pool",
        [POOL[0], {"text": " "}, {"text": "rose blooms"}, {"text": "a poppy"}],
    )
    gold = [
        {"spans": [{"start": 0, "end": 7, "label": "A"}]},
        {"spans": []},
        {"spans": []},
    ]
    write(
        source,
        "pool_gold",
        gold + [{"spans": [{"start": 2, "end": 7, "label": "PLANT"}]}],
    )
    report = prepare(source, out)
    assert report["dropped"]["pool"] == {"duplicates": 1, "empty": 1}
    found = [(doc.text, [e.text for e in doc.ents]) for doc in read(out, "pool_gold")]
    assert found == [("message number 0", ["message"]), ("a poppy", ["poppy"])]
    assert texts(out, "pool") == [text for text, _ in found]


def test_labels_that_the_pool_carries_become_hidden_gold(source, out):
    write(source, "pool", [row("lily wilts", "PLANT"), {"text": "nobody labelled this"}])
    report = prepare(source, out)
    assert not any(doc.has_annotation("ENT_IOB") for doc in read(out, "pool"))
    first, second = read(out, "pool_gold")
    assert [ent.text for ent in first.ents] == ["lily"]
    assert not second.has_annotation("ENT_IOB")
    assert report["documents"]["pool_gold"] == 1


def test_empty_lists_of_spans_in_all_of_the_pool_are_no_gold(source, out):
    write(source, "pool", [{**pool_row, "spans": []} for pool_row in POOL])
    prepare(source, out)
    assert not (out / "pool_gold.spacy").exists()


def test_gold_of_the_pool_by_tokens(source, out):
    write(source, "pool", [{"tokens": ["is", "benedict's", "open"]}])
    write(source, "pool_gold", [{"ents": [[1, 2, "PLANT"]]}])
    prepare(source, out)
    assert [ent.text for ent in read(out, "pool_gold")[0].ents] == ["benedict's"]


@pytest.mark.parametrize("n", [4, 6])
def test_gold_with_another_number_of_rows(source, out, n):
    write(source, "pool_gold", [{"spans": []}] * n)
    message = error_of(source, out)
    assert "[J619]" in message and f"has {n} rows" in message and "has 5" in message


def test_gold_of_another_text(source, out):
    write(source, "pool_gold", [{"text": doc["text"] + "!", "spans": []} for doc in POOL])
    message = error_of(source, out)
    assert "[J620]" in message and "pool_gold.jsonl, line 1" in message


def test_gold_file_in_spacys_format_of_another_text(source, out):
    DocBin(docs=[NLP.make_doc(doc["text"]) for doc in POOL[::-1]]).to_disk(
        source / "pool_gold.spacy"
    )
    assert "[J620]" in error_of(source, out)


def test_missing_folder(tmp_path, out):
    assert "[J001]" in error_of(tmp_path / "nowhere", out)


def test_missing_labelled_file(source, out):
    (source / "labelled.jsonl").unlink()
    message = error_of(source, out)
    assert "[J615]" in message and "labelled or train" in message


def test_missing_named_file(source, out):
    message = error_of(source, out, dev=source / "validation.jsonl")
    assert "[J001]" in message and "validation.jsonl" in message and "dev file" in message


def test_missing_pool(source, out):
    (source / "pool.jsonl").unlink()
    message = error_of(source, out)
    assert "[J622]" in message and "--shots or --mentions" in message


def test_two_files_for_a_split(source, out):
    write(source, "train", LABELLED)
    message = error_of(source, out)
    assert "[J616]" in message and "labelled.jsonl, train.jsonl" in message


def test_empty_pool(source, out):
    write(source, "pool", [])
    message = error_of(source, out)
    assert "[J617]" in message and "pool.jsonl" in message and "it is empty" in message


def test_pool_of_which_nothing_is_left(source, out):
    write(source, "pool", [{"text": ""}, {"text": " \t\n"}, {"text": "rose blooms"}])
    message = error_of(source, out)
    assert "[J617]" in message and "2 empty" in message and "1 duplicates" in message


def test_dev_of_which_nothing_is_left(source, out):
    write(source, "dev", LABELLED)
    message = error_of(source, out)
    assert "[J617]" in message and "dev set" in message and "3 duplicates" in message


def test_empty_pool_documents_are_dropped_and_counted(source, out):
    write(source, "pool", [{"text": ""}, *POOL, {"text": "  \u00a0 "}])
    report = prepare(source, out)
    assert report["dropped"]["pool"] == {"empty": 2}
    assert texts(out, "pool") == [doc["text"] for doc in POOL]


def test_pool_document_of_20000_tokens(source, out):
    write(source, "pool", [{"text": "word " * 20_000}])
    prepare(source, out)
    assert len(read(out, "pool")[0]) == 20_000


@pytest.mark.parametrize("split", ["dev", "test"])
def test_label_that_the_labelled_set_lacks(source, out, split):
    write(source, split, [*{"dev": DEV, "test": TEST}[split], row("spade broke", "TOOL")])
    message = error_of(source, out)
    assert "[J618]" in message and f"The {split} set has the labels TOOL" in message
    assert "PEST, PLANT" in message
    report = prepare(source, out, ignore_unseen_labels=True)
    assert report["labels"][split]["TOOL"] == 1


def test_broken_line_leaves_the_earlier_corpus_as_it_was(source, out):
    prepare(source, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with (source / "pool.jsonl").open("a") as file_:
        file_.write("{not json\n")
    with pytest.raises(LLMJudgeError, match=r"pool\.jsonl, line 6"):
        prepare(source, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_broken_line_leaves_nothing(source, out):
    write(
        source,
        "test",
        [row("rose", "PLANT"), {"text": "abc", "spans": [[0, 9, "PLANT"]]}],
    )
    assert "[J606]" in error_of(source, out)


def test_what_a_killed_run_left_behind_goes(source, out):
    (out / ".prepare").mkdir(parents=True)
    (out / ".prepare" / "test.spacy").write_bytes(b"half")
    (source / "test.jsonl").unlink()
    prepare(source, out)
    assert not (out / ".prepare").exists() and not (out / "test.spacy").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_no_disk_space(source, out, monkeypatch):
    real = os.fdopen

    def full(handle, *args, **kwargs):
        os.close(handle)
        return real(os.open("/dev/full", os.O_WRONLY), *args, **kwargs)

    monkeypatch.setattr(storage.os, "fdopen", full)
    message = error_of(source, out)
    assert "[J003]" in message and "No space left on device" in message


def test_place_that_cannot_be_written(source, out):
    out.write_text("a file")
    with pytest.raises(LLMJudgeError, match=r"\[J003\]"):
        prepare(source, out)


@pytest.mark.parametrize("split", ["labelled", "dev", "pool"])
def test_failure_while_moving_into_place_keeps_the_earlier_corpus(source, out, monkeypatch, split):
    prepare(source, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    write(source, "labelled", LABELLED[:2])
    real = os.replace

    def fail(path, target):
        if Path(path).parent.name == ".prepare" and Path(target) == out / f"{split}.spacy":
            raise OSError(5, "Input/output error")
        real(path, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(LLMJudgeError, match=r"\[J003\].*Input/output error"):
        prepare(source, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_misaligned_spans_can_be_dropped(source, out):
    spans = [{"start": 0, "end": 4, "label": "PLANT"}]
    write(source, "labelled", LABELLED + [{"text": "rosebush died", "spans": spans}])
    assert "[J607]" in error_of(source, out)
    report = prepare(source, out, misaligned="drop")
    assert report["dropped"]["labelled"] == {"misaligned": 1}
    assert [token.ent_iob for token in read(out, "labelled")[-1]] == [0, 2]


def test_documents_without_annotation_are_left_out_with_a_warning(source, out):
    rejected = row("rose nose", "PLANT", answer="reject")
    write(source, "labelled", [*LABELLED, {"text": "not labelled yet"}, rejected])
    with pytest.warns(UserWarning, match=r"\[JW601\].*labelled\.jsonl: 1 documents"):
        report = prepare(source, out)
    assert report["dropped"]["labelled"] == {"not_accepted": 1, "without_annotation": 1}
    assert report["documents"]["labelled"] == 3


TRAIN = [row(f"rose {i} blooms", "PLANT") for i in range(30)] + [
    row(f"aphids {i} eat", "PEST") for i in range(20)
]


@pytest.fixture
def one_file(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    write(folder, "train", TRAIN)
    write(folder, "test", TEST)
    return folder


@pytest.mark.parametrize("how", ["shots", "mentions"])
def test_sample_of_one_file_and_the_rest_as_pool(one_file, out, how):
    report = prepare(one_file, out, **{how: 4}, seed=3)
    assert report["labels"]["labelled"] == {"PEST": 4, "PLANT": 4}
    assert report["documents"]["pool"] == report["documents"]["pool_gold"] == 42
    assert report["settings"][how] == 4 and report["settings"]["seed"] == 3
    assert set(texts(out, "labelled")) | set(texts(out, "pool")) == {r["text"] for r in TRAIN}
    assert not any(doc.has_annotation("ENT_IOB") for doc in read(out, "pool"))
    assert sum(len(doc.ents) for doc in read(out, "pool_gold")) == 42


def test_seed_of_the_sample(one_file, out):
    prepare(one_file, out, shots=4, seed=0)
    first = texts(out, "labelled")
    prepare(one_file, out, shots=4, seed=1)
    second = texts(out, "labelled")
    prepare(one_file, out, shots=4, seed=0)
    assert texts(out, "labelled") == first != second


def test_holdout_is_drawn_from_the_rest(one_file, out):
    report = prepare(one_file, out, shots=4, holdout=10)
    assert report["documents"]["dev"] == 10 and report["documents"]["pool"] == 32
    splits = [set(texts(out, split)) for split in ("labelled", "dev", "pool")]
    assert len(set.union(*splits)) == 50


def test_sample_beside_a_pool_leaves_the_rest_out(source, out):
    report = prepare(source, out, shots=1)
    assert report["documents"]["labelled"] == 2 and report["documents"]["pool"] == 5
    assert report["dropped"]["labelled"] == {"not_sampled": 1}


@pytest.mark.parametrize("sampling", [{"shots": 0}, {"mentions": -1}, {"shots": 2, "mentions": 2}])
def test_samplings_that_make_no_sense(one_file, out, sampling):
    assert "[J621]" in error_of(one_file, out, **sampling)


@pytest.mark.parametrize("settings", [{"holdout": 42, "shots": 4}, {"holdout": -1, "shots": 4}])
def test_holdouts_that_make_no_sense(one_file, out, settings):
    message = error_of(one_file, out, **settings)
    assert "[J623]" in message and "42 left over" in message


def test_holdout_beside_a_dev_file(one_file, out):
    write(one_file, "dev", DEV)
    assert "[J647]" in error_of(one_file, out, shots=4, holdout=5)


def test_sample_of_a_file_without_entities(one_file, out):
    write(one_file, "train", [row("nothing here")])
    assert "[J625]" in error_of(one_file, out, shots=4)


@pytest.mark.slow
def test_large_pool_is_quick_apart_from_tokenisation(source, out):
    with (source / "pool.jsonl").open("w") as file_:
        for i in range(5000):
            file_.write(
                json.dumps({"tokens": f"message {i} with some ten words or so in".split()}) + "\n"
            )
    start = time.process_time()
    prepare(source, out)
    assert time.process_time() - start < 10


@pytest.mark.data
def test_restaurant_corpus_has_the_known_duplicates(out):
    folder = Path(os.environ["LLMJUDGE_DATA"]) / "mit_restaurant"
    report = prepare(folder, out, labelled=folder / "labelled_10shot.jsonl")
    assert report["dropped"]["dev"] == {"duplicates": 8}
    assert report["documents"]["pool"] == report["documents"]["pool_gold"] == 6808
    shots = prepare(folder, out, labelled=folder / "labelled_20shot.jsonl")
    labelled = list(read_examples(folder / "labelled_20shot.jsonl"))
    assert shots["dropped"]["pool"]["duplicates"] > 0.9 * len(labelled)
    assert not set(texts(out, "pool")) & {doc.text for doc in labelled}


@pytest.mark.parametrize("place", ["same", "dotted", "link"])
def test_source_and_output_may_not_be_one(source, tmp_path, place):
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    out = source
    if place == "dotted":
        out = source / ".." / source.name
    elif place == "link":
        out = tmp_path / "link"
        out.symlink_to(source, target_is_directory=True)
    with pytest.raises(LLMJudgeError, match=r"\[J630\]"):
        prepare(source, out, shots=1)
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before


def test_a_file_that_is_read_is_never_written_over(source, tmp_path):
    out = tmp_path / "corpus"
    prepare(source, out)
    before = (out / "pool.spacy").read_bytes()
    with pytest.raises(LLMJudgeError, match=r"\[J630\]"):
        prepare(source, out, pool=out / "pool.spacy")
    assert (out / "pool.spacy").read_bytes() == before


@pytest.mark.parametrize("name", ["labelled.spacy", "pool.spacy", "target.json"])
def test_files_that_are_not_ours_are_not_replaced(source, out, name):
    out.mkdir()
    (out / name).write_bytes(b"mine")
    with pytest.raises(LLMJudgeError, match=rf"\[J631\].*{name}"):
        prepare(source, out)
    assert [path.name for path in out.iterdir()] == [name]
    assert (out / name).read_bytes() == b"mine"


def test_an_output_inside_of_the_source_is_another_folder(source):
    report = prepare(source, source / "corpus")
    assert report["documents"]["pool"] == 5 and (source / "pool.jsonl").exists()


def test_settings_that_were_given_are_kept(source, out):
    report = prepare(source, out, target="ents", overlaps="longest", offsets="characters")
    assert report["settings"]["target"] == "ents" and report["settings"]["overlaps"] == "longest"
    assert report["settings"]["offsets"] == "characters" and "labels" not in report["settings"]
    assert storage.read_json(out / "prepare.json") == report


def test_spans_are_prepared_as_entities_are(source, out):
    nested = [[0, 4, "PLANT"], [0, 12, "PEST"]]
    write(source, "labelled", [*LABELLED, {"text": "rose wilting away", "spans": nested}])
    write(
        source, "dev", [{"text": "tulip rotting off", "spans": [[0, 5, "PLANT"], [0, 13, "PEST"]]}]
    )
    write(source, "pool", [{"text": "lily fades fast", "spans": nested[:1]}, *POOL])
    with pytest.warns(UserWarning, match=r"JW610.*'rose' \(PLANT\) and 'rose wilting'"):
        report = prepare(source, out)
    assert report["entities"] == {"labelled": 4, "dev": 2, "test": 1, "pool": 0, "pool_gold": 1}
    target = find_target(out / "labelled.spacy")
    assert target.keys(read(out, "labelled")[-1]) == [(0, 1, "PLANT"), (0, 2, "PEST")]
    assert not any(doc.spans for doc in read(out, "pool"))
    gold = read(out, "pool_gold")
    assert target.keys(gold[0]) == [(0, 1, "PLANT")] and not target.is_annotated(gold[1])
    assert not any(doc.has_annotation("ENT_IOB") for doc in read(out, "labelled"))


def test_trimmed_spans_are_counted_apart(source, out):
    write(source, "dev", [{"text": "tulip opens", "spans": [[0, 6, "PLANT"]]}])
    report = prepare(source, out)
    assert report["trimmed_spans"] == {"dev": 1} and report["dropped"]["dev"] == {}
