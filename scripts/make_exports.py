"""Make files for the tests of `prepare` and `import` with the tools' own code, from sentences of our own.

Each tool needs an environment of its own (for the versions see tests/corpora/exports/README.md):

python scripts/make_exports.py label-studio tests/corpora/exports    # pip install label-studio-sdk
python scripts/make_exports.py argilla tests/corpora/exports         # pip install argilla
python scripts/make_exports.py datasets tests/corpora/exports        # pip install datasets
python scripts/make_exports.py doccano tests/corpora/exports         # pip install doccano "marshmallow<4" "numpy<2"
python scripts/make_exports.py gliner tests/corpora/exports          # pip install gliner
python scripts/make_exports.py spacy tests/corpora/exports           # pip install spacy
python scripts/make_exports.py brat tests/corpora/exports            # pip install bioc

And the other way round: whether a tool takes what `export` wrote.

python scripts/make_exports.py check-label-studio tasks.json      # with the interface in tasks.xml
python scripts/make_exports.py check-argilla records.json
python scripts/make_exports.py check-datasets rows.jsonl             # or .parquet
python scripts/make_exports.py check-brat folder
"""

import json
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

Spans = List[Tuple[str, str]]
SOURCE: List[Tuple[str, Spans]] = [
    ("Aphids sat on the old quince tree.", [("Aphids", "PEST"), ("quince tree", "PLANT")]),
    ("🐌🐌 Slugs ate my 🌱 hosta!", [("Slugs", "PEST"), ("hosta", "PLANT")]),
    ("The  dog rose   has rust", [("dog rose", "PLANT"), ("rust", "DISEASE")]),
    ("Mädesüß, naïve “box hedge”", [("Mädesüß", "PLANT"), ("box hedge", "PLANT")]),
    ("Line one\nmildew on line two", [("mildew", "DISEASE")]),
    ("月季 有 蚜虫 。", [("月季", "PLANT"), ("蚜虫", "PEST")]),
    ('"Scale," she said; {really} [twice] <b>', [("Scale", "PEST")]),
    ("Nothing to see here & never was", []),
]


def offsets() -> List[Tuple[str, List[Tuple[int, int, str]]]]:
    """The sentences, with spans in characters."""
    rows = []
    for text, spans in SOURCE:
        starts = [(text.index(words), words, label) for words, label in spans]
        rows.append((text, [(start, start + len(words), label) for start, words, label in starts]))
    return rows


def write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf8")


def make_label_studio(out: Path) -> None:
    from label_studio_sdk.converter import Converter

    config = """<View><Text name="text" value="$text"/>
    <Labels name="label" toName="text"><Label value="PEST"/><Label value="PLANT"/><Label value="DISEASE"/></Labels>
    <Choices name="topic" toName="text"><Choice value="QUESTION"/><Choice value="REPORT"/></Choices></View>"""
    tasks: List[Dict[str, Any]] = []
    for number, (text, spans) in enumerate(offsets(), 1):
        results = [
            {
                "id": f"r{i}",
                "from_name": "label",
                "to_name": "text",
                "type": "labels",
                "value": {"start": start, "end": end, "text": text[start:end], "labels": [label]},
            }
            for i, (start, end, label) in enumerate(spans)
        ]
        annotation = {"id": number, "completed_by": 1, "result": results, "was_cancelled": False}
        tasks.append({"id": number, "data": {"text": text}, "annotations": [annotation]})
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "in").mkdir()
        for task in tasks:
            write_json(Path(folder) / "in" / f"{task['id']:03}.json", task)
        write_json(Path(folder) / "tasks.json", tasks)
        converter = Converter(config=config, project_dir=folder)
        for name, suffix in (
            ("JSON", "json"),
            ("JSON_MIN", "json"),
            ("CSV", "csv"),
            ("CONLL2003", "conll"),
        ):
            made = Path(folder) / name
            is_dir = name == "JSON"
            source = Path(folder) / ("in" if is_dir else "tasks.json")
            converter.convert(str(source), str(made), name, is_dir=is_dir)
            (file_,) = made.glob("result.*")
            stem = name.lower().replace("_", "-")
            (out / f"label-studio-{stem}.{suffix}").write_bytes(file_.read_bytes())


def make_argilla(out: Path) -> None:
    import argilla as rg
    from argilla.records._io import GenericIO, JsonIO

    user = "00000000-0000-0000-0000-000000000001"
    records = []
    for number, (text, spans) in enumerate(offsets(), 1):
        value = [{"start": start, "end": end, "label": label} for start, end, label in spans]
        wrong = [{"start": 0, "end": 1, "label": "PLANT", "score": 0.5}]
        records.append(
            rg.Record(
                id=str(number),
                fields={"text": text},
                suggestions=[rg.Suggestion("spans", wrong, score=0.5, agent="a model")],
                responses=[rg.Response("spans", value, user_id=user, status="submitted")],
            )
        )
    JsonIO.to_json(records, out / "argilla.json")
    write_json(out / "argilla-flat.json", GenericIO.to_list(records, flatten=True))


def make_datasets(out: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, Sequence, Value

    names = ["O", "B-PEST", "I-PEST", "B-PLANT", "I-PLANT", "B-DISEASE", "I-DISEASE"]
    rows = []
    for text, spans in SOURCE:
        tokens, tags = text.split(), ["O"] * len(text.split())
        for words, label in spans:
            inside = words.split()
            # punctuation stays at its word
            first = next(i for i, token in enumerate(tokens) if inside[0] in token)
            for i in range(first, first + len(inside)):
                tags[i] = f"{'B' if i == first else 'I'}-{label}"
        rows.append({"tokens": tokens, "ner_tags": tags})
    features = Features(
        {"tokens": Sequence(Value("string")), "ner_tags": Sequence(ClassLabel(names=names))}
    )
    data = Dataset.from_list(rows, features=features)
    data.to_parquet(str(out / "datasets.parquet"))
    folder = out / "datasets"
    folder.mkdir(exist_ok=True)
    data.to_json(str(folder / "train.jsonl"), force_ascii=False)
    data.info.write_to_directory(str(folder))


def make_doccano(out: Path) -> None:
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    sys.path.insert(0, f"{packages}/backend")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.development"
        os.environ["DATABASE_URL"] = f"sqlite:///{folder}/db.sqlite3"
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        _export_doccano(out, False)
        _export_doccano(out, True)


def _export_doccano(out: Path, with_relations: bool) -> None:
    from data_export.models import ExportedExample
    from data_export.pipeline.dataset import Dataset
    from data_export.pipeline.factories import (
        create_comment,
        create_formatter,
        create_labels,
        create_writer,
    )
    from data_export.pipeline.services import ExportApplicationService
    from django.contrib.auth.models import User
    from examples.models import Example
    from label_types.models import SpanType
    from labels.models import Span
    from projects.models import ProjectType, SequenceLabelingProject

    user, _ = User.objects.get_or_create(username="somebody")
    project = SequenceLabelingProject.objects.create(
        name="garden",
        project_type=ProjectType.SEQUENCE_LABELING,
        created_by=user,
        use_relation=with_relations,
    )
    for text, spans in offsets():
        example = Example.objects.create(project=project, text=text)
        for start, end, label in spans:
            kind, _ = SpanType.objects.get_or_create(project=project, text=label)
            Span.objects.create(
                example=example, user=user, label=kind, start_offset=start, end_offset=end
            )
    examples = ExportedExample.objects.filter(project=project)
    dataset = Dataset(examples, create_labels(project, examples), create_comment(examples))
    service = ExportApplicationService(
        dataset, create_formatter(project, "JSONL"), create_writer("JSONL")
    )
    name = "doccano-relation.jsonl" if with_relations else "doccano.jsonl"
    service.export(str(out / name))


def make_gliner(out: Path) -> None:
    from gliner.evaluation.evaluate_ner import process

    samples = []
    for text, spans in SOURCE:
        # its converter takes words between single spaces
        clean, entities = " ".join(text.replace(".", " .").replace(",", " ,").split()), []
        for words, label in spans:
            start = clean.find(words)
            entities.append({"pos": [start, start + len(words)], "type": label})
        samples.append(process({"sentence": clean, "entities": entities}))
    write_json(out / "gliner.json", [s for s in samples if all(None not in e for e in s["ner"])])


def make_spacy(out: Path) -> None:
    import spacy
    from spacy.tokens import DocBin
    from spacy.training import offsets_to_biluo_tags

    nlp = spacy.blank("en")
    made = DocBin()
    lines = []
    for text, spans in offsets():
        doc = nlp.make_doc(text)
        doc.set_ents([doc.char_span(s, e, label=label) for s, e, label in spans])
        made.add(doc)
        words = [token.text for token in doc if not token.is_space]
        tags = offsets_to_biluo_tags(doc, spans)
        kept = [tag for token, tag in zip(doc, tags) if not token.is_space]
        lines += [*(f"{word} {tag}" for word, tag in zip(words, kept)), ""]
    made.to_disk(out / "spacy.spacy")
    (out / "spacy-biluo.conll").write_text("\n".join(lines), encoding="utf8")


def make_brat(out: Path) -> None:
    from bioc import brat

    folder = out / "brat"
    folder.mkdir(exist_ok=True)
    for number, (text, spans) in enumerate(offsets(), 1):
        doc = brat.BratDocument()
        doc.text = text
        for i, (start, end, label) in enumerate(spans, 1):
            entity = brat.BratEntity()
            entity.id, entity.type, entity.text = f"T{i}", label, text[start:end]
            entity.add_span(start, end)
            doc.add_annotation(entity)
            note = brat.BratNote()
            note.id, note.type, note.refid, note.text = f"#{i}", "AnnotatorNotes", entity.id, "seen"
            doc.add_annotation(note)
        name = folder / f"{number}.txt"
        with name.open("w", encoding="utf8", newline="") as txt:
            with name.with_suffix(".ann").open("w", encoding="utf8") as ann:
                brat.dump(doc, txt, ann)


def check_label_studio(path: Path) -> None:
    from label_studio_sdk.label_interface import LabelInterface

    tasks = json.loads(path.read_text(encoding="utf8"))
    said = [
        one
        for task in tasks
        for one in (*task.get("predictions", ()), *task.get("annotations", ()))
    ]
    view = LabelInterface(path.with_suffix(".xml").read_text(encoding="utf8"))
    view.validate()
    wrong = [
        one
        for task in tasks
        for kind, check in (
            ("predictions", view.validate_prediction),
            ("annotations", view.validate_annotation),
        )
        for one in task.get(kind, ())
        if check(one) is not True
    ]
    print(
        f"{len(tasks)} tasks, {len(said)} annotations or predictions, {len(wrong)} that Label Studio refuses"
    )


def check_argilla(path: Path) -> None:
    from argilla.records._io import JsonIO

    records = JsonIO._records_from_json(path)
    answers = [a for record in records for a in (*record.suggestions, *record.responses)]
    print(f"{len(records)} records, {sum(len(answer.value) for answer in answers)} spans or labels")


def check_datasets(path: Path) -> None:
    from datasets import load_dataset

    kind = "parquet" if path.suffix == ".parquet" else "json"
    data = load_dataset(kind, data_files=str(path), split="train")
    spans = sum(tag.startswith("B-") for row in data for tag in row["ner_tags"])
    print(f"{len(data)} rows, {spans} entities")


def check_brat(path: Path) -> None:
    from bioc import brat

    n_entities = n_wrong = 0
    files = sorted(path.glob("*.txt"))
    for txt in files:
        text = txt.read_bytes().decode("utf8")
        with txt.with_suffix(".ann").open(encoding="utf8") as ann:
            for entity in brat.load_ann(ann).entities:
                n_entities += 1
                parts = [text[part.begin : part.end] for part in sorted(entity.locations)]
                n_wrong += " ".join(parts) != entity.text
    print(f"{len(files)} documents, {n_entities} entities, {n_wrong} whose words stand elsewhere")


CHECKS: Dict[str, Callable[[Path], None]] = {
    "check-label-studio": check_label_studio,
    "check-argilla": check_argilla,
    "check-datasets": check_datasets,
    "check-brat": check_brat,
}
MAKERS: Dict[str, Tuple[Callable[[Path], None], str]] = {
    "label-studio": (make_label_studio, "label-studio-sdk"),
    "argilla": (make_argilla, "argilla"),
    "datasets": (make_datasets, "datasets"),
    "doccano": (make_doccano, "doccano"),
    "gliner": (make_gliner, "gliner"),
    "spacy": (make_spacy, "spacy"),
    "brat": (make_brat, "bioc"),
}


def main() -> None:
    name, out = sys.argv[1], Path(sys.argv[2])
    if name in CHECKS:
        CHECKS[name](out)
        return
    out.mkdir(parents=True, exist_ok=True)
    make, package = MAKERS[name]
    make(out)
    rows = [
        {"text": text, "spans": [[s, e, label] for s, e, label in spans]}
        for text, spans in offsets()
    ]
    write_json(out / "source.json", rows)
    print(f"{package} {version(package)}")


if __name__ == "__main__":
    main()
