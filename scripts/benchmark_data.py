"""The data sets of `benchmark.py` as corpora and recorded replies, made once in a work folder."""

import json
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional

from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.selection.acquisition import choose_docs
from spacy_llmjudge.storage import read_docs, write_bytes, write_docs

ROOT = Path(__file__).parents[1]
# Whose replies are in the files without a name; of any other LLM they are in recorded_llm_NAME.jsonl.
FRONTIER = "frontier"


def read_rows(path: Path) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


def write_rows(path: Path, rows: Iterable[Dict[str, Any]]) -> None:
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode("utf8"))


def cell_folder(work: Path, dataset: str, shots: Optional[int], llm: str) -> Path:
    """RETURNS (Path): What is kept of one data set, one number of shots and one LLM."""
    return work / (f"{dataset}-{shots or 'all'}" + ("" if llm == FRONTIER else f"-{llm}"))


def make_corpus(
    dataset: str, shots: Optional[int], data: Path, folder: Path, llm: str = FRONTIER
) -> Path:
    """Write `corpus/` (as the step `prepare` does) and `replies.jsonl`, whole or not at all.

    dataset (str): "mit_restaurant", "conll03" or "snips"; or "garden", which the project ships.
    shots (Optional[int]): 5, 10 or 20 sentences a label, but for the garden.
    data (Path): The folder with the data sets.
    folder (Path): Gets the files.
    llm (str): Who answered.
    RETURNS (Path): The folder of the corpus. Evidence is `dev.spacy`; nothing is chosen on it.
    """
    corpus = folder / "corpus"
    if (corpus / "prepare.json").exists():
        return corpus
    if dataset == "garden":
        source = ROOT / "assets" / "garden"
        write_bytes(folder / "replies.jsonl", (source / "responses.jsonl").read_bytes())
    else:
        source = folder / "source"
        _convert(data / dataset, source, folder / "replies.jsonl", shots, llm)
    prepare(source, corpus)
    return corpus


def _convert(data: Path, source: Path, replies: Path, shots: Optional[int], llm: str) -> None:
    pool = read_rows(data / "pool.jsonl")
    gold = read_rows(data / "pool_gold.jsonl")
    dev = read_rows(data / "dev.jsonl")
    name = "recorded_llm" if llm == FRONTIER else f"recorded_llm_{llm}"
    asked = {row["dev_index"]: row for row in read_rows(data / f"{name}_dev.jsonl")}
    write_rows(source / "labelled.jsonl", read_rows(data / f"labelled_{shots}shot.jsonl"))
    write_rows(source / "test.jsonl", read_rows(data / "test.jsonl"))
    write_rows(source / "dev.jsonl", (dev[i] for i in sorted(asked)))
    write_rows(
        source / "pool.jsonl",
        ({**row, "ents": truth["ents"]} for row, truth in zip(pool, gold)),
    )
    recorded = sorted(read_rows(data / f"{name}.jsonl"), key=lambda r: r["pool_index"])
    rows = [_reply(pool[row["pool_index"]]["tokens"], row) for row in recorded]
    rows += [_reply(dev[i]["tokens"], asked[i]) for i in sorted(asked)]
    write_rows(replies, rows)


def labelled_replies(data: Path, replies: Path, output: Path) -> Path:
    """Add the replies for the 10-shot set, each half of which was answered with the other as examples.

    RETURNS (Path): The file.
    """
    labelled = read_rows(data / "labelled_10shot.jsonl")
    recorded = read_rows(data / "recorded_llm_labelled.jsonl")
    rows = [_reply(labelled[row["labelled_10shot_index"]]["tokens"], row) for row in recorded]
    write_rows(output, [*read_rows(replies), *rows])
    return output


def _reply(tokens: List[str], row: Dict[str, Any]) -> Dict[str, Any]:
    """Offsets into tokens become texts, as an LLM gives them; a reply as it was generated, a list of
    tokens with their log-probabilities, stays as it is."""
    if "generated" in row:
        said = row["generated"]
        response = "".join(text for text, _ in said)
        return {"text": " ".join(tokens), "response": response, "tokens": said}
    response = {
        key: [
            {
                "text": " ".join(tokens[e["start"] : e["end"]]),
                "label": e["label"],
                "confidence": e["confidence"],
            }
            for e in row[key]
        ]
        for key in ("entities", "alternatives")
    }
    return {"text": " ".join(tokens), "response": response}


def asked_texts(corpus: Path, replies: Path, n: int) -> List[str]:
    """RETURNS (List[str]): The texts of the first n pool documents that have a reply."""
    docs = answered_docs(corpus / "pool.spacy", replies)
    if len(docs) < n:
        raise SystemExit(
            f"{replies} has replies for {len(docs)} pool documents, and {n} are wanted"
        )
    return [doc.text.strip() for doc in docs[:n]]


def doubted_texts(annotated: Path, replies: Path, n: int) -> List[str]:
    """RETURNS (List[str]): The texts of the n pool documents that a student is least certain about,
    among those that have a reply."""
    docs = answered_docs(annotated / "pool", replies)
    return [docs[i].text.strip() for i in choose_docs(docs, n)]


def answered_docs(pool: Path, replies: Path) -> List[Doc]:
    """RETURNS (List[Doc]): The documents of the pool that have a reply, in its order."""
    known = {row["text"].strip() for row in read_rows(replies)}
    return [doc for doc in read_docs(pool, Vocab()) if doc.text.strip() in known]


def keep_replies(corpus: Path, replies: Path, texts: Iterable[str], output: Path) -> Path:
    """Keep the replies for some texts, and for the evidence.

    RETURNS (Path): The file.
    """
    dev = {doc.text.strip() for doc in read_docs(corpus / "dev.spacy", Vocab())}
    kept = {*texts, *dev}
    write_rows(output, (row for row in read_rows(replies) if row["text"].strip() in kept))
    return output


def write_pool_gold(corpus: Path, output: Path, texts: Optional[List[str]]) -> int:
    """Write the pool's gold as training documents: of these texts, or of all. A ceiling.

    RETURNS (int): How many.
    """
    wanted = None if texts is None else set(texts)
    docs: List[Doc] = [
        doc
        for doc in read_docs(corpus / "pool_gold.spacy", Vocab())
        if doc.has_annotation("ENT_IOB") and (wanted is None or doc.text.strip() in wanted)
    ]
    return write_docs(output, docs)
