"""What is labelled: entities, spans or documents, behind one protocol that all steps share.

A candidate is a (start, end, label) of a document, in tokens; a label of a document is a candidate
over all of its tokens. What differs between the targets is here and in the modules beside this one:
how gold is read, which candidates compete, what a decision makes of a training document, how it is
scored, and how a corpus says which target it has.
"""

from pathlib import Path
from typing import (
    Any,
    Callable,
    Container,
    Dict,
    Iterable,
    List,
    NamedTuple,
    Optional,
    Protocol,
    Sequence,
    Set,
    Tuple,
)

import numpy as np
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..candidates import KEY, Candidate
from ..errors import Errors, LLMJudgeError
from ..storage import read_docs, read_json, write_json
from .policy import SilverPolicy

Key = Tuple[int, int, str]
NAMES = ("ents", "spans", "cats")
RECORD = "target.json"


class Columns(NamedTuple):
    """Candidates of many documents, as far as competition is about them.

    document (np.ndarray): (n,) number of the document.
    start (np.ndarray): (n,) first token.
    end (np.ndarray): (n,) the token after the last one.
    label (np.ndarray): (n,) number of the label, in the order of the labels' names.
    probability (np.ndarray): (n,) 0 to 1.
    """

    document: np.ndarray
    start: np.ndarray
    end: np.ndarray
    label: np.ndarray
    probability: np.ndarray


class Target(Protocol):
    """One kind of annotation.

    name (str): "ents", "spans" or "cats".
    factories (Tuple[str, ...]): The stock components that predict it.
    units (str): What is counted, for messages: "entities", "spans" or "labels".
    averages (str): How F1 is averaged over labels: "micro" or "macro".
    can_skip (bool): Whether the component can learn from a document of which a part is left open.
    component (str): The name of its block in `configs/components`.
    """

    @property
    def name(self) -> str: ...

    @property
    def factories(self) -> Tuple[str, ...]: ...

    @property
    def units(self) -> str: ...

    @property
    def averages(self) -> str: ...

    @property
    def can_skip(self) -> bool: ...

    @property
    def component(self) -> str: ...

    def to_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What `make_target` makes this target from again, as JSON."""

    def is_annotated(self, doc: Doc) -> bool:
        """RETURNS (bool): Whether anybody has said anything about the document."""

    def keys(self, doc: Doc) -> List[Key]:
        """RETURNS (List[Key]): What a gold, silver or predicted document says."""

    def knows(self, doc: Doc, key: Key) -> bool:
        """RETURNS (bool): Whether the annotation says if a candidate is right."""

    def annotate(self, doc: Doc, keys: Iterable[Key]) -> None:
        """Write keys as the complete annotation of a document."""

    def copy(self, doc: Doc, vocab: Optional[Vocab] = None) -> Doc:
        """RETURNS (Doc): The words, spaces and annotation of a document, and nothing else."""

    def keep_labels(self, doc: Doc, labels: Container[str]) -> None:
        """Take other labels out of what a document says."""

    def choose(self, table: Columns) -> np.ndarray:
        """RETURNS (np.ndarray): (n,) True for the candidates that win against those they compete with."""

    def settle(self, listed: Sequence[Candidate]) -> Optional[List[Key]]:
        """RETURNS (Optional[List[Key]]): Of what a judge listed for one document, what can stand together;
        None where that is no complete annotation."""

    def make_silver(
        self, doc: Doc, policy: SilverPolicy = SilverPolicy(), *, key: str = KEY
    ) -> Optional[Doc]:
        """RETURNS (Optional[Doc]): The training document that decisions make; None where too little is
        known of the document, or the policy leaves it out."""

    def is_empty(self, doc: Doc) -> bool:
        """RETURNS (bool): Whether a training document says that there is nothing to find."""

    def component_settings(self, name: str) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): Settings of a training config that follow from the target, by
        their dotted names, for a component of this name."""


def make_target(data: Dict[str, Any]) -> Target:
    """Make a target.

    data (Dict[str, Any]): `target` (one of NAMES), and what `to_dict` of that target gave.
    RETURNS (Target): The target.
    """
    from .cats import Cats
    from .ents import Ents
    from .spans import Spans

    makers: Dict[Any, Callable[[Dict[str, Any]], Target]] = {
        "ents": Ents.from_dict,
        "spans": Spans.from_dict,
        "cats": Cats.from_dict,
    }
    settings = dict(data) if isinstance(data, dict) else {"target": data}
    name = settings.pop("target", None)
    if not isinstance(name, str) or name not in makers:
        raise LLMJudgeError(Errors.J411.format(found=name, choices=", ".join(NAMES)))
    try:
        return makers[name](settings)
    except (KeyError, TypeError) as error:
        raise LLMJudgeError(Errors.J412.format(target=name, error=error)) from error


def write_target(folder: Path, target: Target) -> None:
    """Write which target a corpus has, for all steps that read something under its folder."""
    write_json(folder / RECORD, target.to_dict())


def find_target(path: Path) -> Target:
    """Find out which target documents have.

    path (Path): A `.spacy` file or a folder of shards. The nearest `target.json` in its folder, or in
        one of those around it, says which target it is; where there is none the documents do.
    RETURNS (Target): The target.
    """
    record = find_record(path)
    if record is not None:
        return make_target(read_json(record, "Run the step `prepare` again."))
    return target_of(read_docs(path, Vocab()))


def find_record(path: Path) -> Optional[Path]:
    """RETURNS (Optional[Path]): The file that says which target the documents of a file or folder have."""
    path = Path(path).absolute()
    records = (folder / RECORD for folder in (path, *path.parents))
    return next((record for record in records if record.is_file()), None)


def labels_in(path: Path, target: Optional[Target] = None) -> Set[str]:
    """RETURNS (Set[str]): The labels that the documents of a `.spacy` file or a folder of shards have."""
    target = find_target(path) if target is None else target
    return {key[2] for doc in read_docs(path, Vocab()) for key in target.keys(doc)}


def labels_in_corpus(path: Path, target: Target) -> Set[str]:
    """RETURNS (Set[str]): The labels of the labelled set in the corpus that a file or folder belongs to: those that
    people correct with. Empty where it belongs to none."""
    record = find_record(path)
    labelled = None if record is None else record.with_name("labelled.spacy")
    return set() if labelled is None or not labelled.exists() else labels_in(labelled, target)


def target_of(docs: Iterable[Doc]) -> Target:
    """Find out from annotated documents what is annotated: the first that says anything decides between
    entities, spans and labels, and all of them say which labels there are.

    docs (Iterable[Doc]): Documents.
    RETURNS (Target): Entities where no document says anything.
    """
    from .cats import cats_of
    from .ents import Ents
    from .spans import Spans, spans_key_of

    kept: List[Doc] = []
    for doc in docs:
        if not kept:
            if doc.has_annotation("ENT_IOB"):
                return Ents()
            key = spans_key_of(doc)
            if key is not None:
                return Spans(key)
        if doc.cats:
            kept.append(doc)
    return cats_of(kept) if kept else Ents()
