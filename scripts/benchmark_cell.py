"""A cell of the benchmark: one data set, one number of shots, one LLM, one seed, and how its students are trained."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional

from benchmark_data import ROOT, cell_folder, keep_replies, make_corpus
from spacy.vocab import Vocab

from spacy_llmjudge.encoders.fetch import MINILM, fetch_encoder
from spacy_llmjudge.steps.annotate import annotate
from spacy_llmjudge.steps.calibrate import calibrate
from spacy_llmjudge.steps.filter import filter_candidates
from spacy_llmjudge.steps.judge import judge
from spacy_llmjudge.storage import read_docs, write_bytes, write_docs
from spacy_llmjudge.training.student import train_student

RECORDED = ROOT / "configs" / "judges" / "recorded.cfg"
# dev sentences that ours asks about as well
EVIDENCE_CALLS = 200
# What differs from configs/student.cfg, the same for all students without silver, and for all with it
SEED_TRAINING = {"training.max_steps": 150, "training.batcher.size": 16}
TRAINING = {
    "training.max_steps": 400,
    "training.batcher.size": 24,
    "training.optimizer.learn_rate.initial_rate": 2e-4,
    "corpora.train.gold_per_batch": 3,
    "corpora.train.silver_per_batch": 21,
}


@dataclass
class Cell:
    """One data set, one number of shots, one LLM, one seed: its corpus, its seed student, its folder."""

    dataset: str
    shots: Optional[int]
    llm: str
    seed: int
    work: Path
    data: Path
    config: Path = ROOT / "configs" / "student.cfg"

    @property
    def shared(self) -> Path:
        """What does not depend on the seed."""
        return cell_folder(self.work, self.dataset, self.shots, self.llm)

    @property
    def folder(self) -> Path:
        return self.shared / f"seed-{self.seed}"

    @property
    def corpus(self) -> Path:
        return make_corpus(self.dataset, self.shots, self.data, self.shared, self.llm)

    @property
    def replies(self) -> Path:
        _ = self.corpus  # makes the folder
        return self.shared / "replies.jsonl"

    @property
    def all_gold(self) -> Path:
        """The labelled set, and the evidence, whose gold may train once its duty is done."""
        path = self.shared / "all_gold.spacy"
        if not path.exists():
            vocab = Vocab()
            parts = (self.corpus / f"{split}.spacy" for split in ("labelled", "dev"))
            write_docs(path, [doc for part in parts for doc in read_docs(part, vocab)])
        return path

    def train(
        self,
        name: str,
        silver: Optional[Path],
        start: Optional[Path] = None,
        gold: Optional[Path] = None,
    ) -> Path:
        """Train a student, from the pretrained encoder or further, or find it. RETURNS (Path): The model."""
        overrides: Dict[str, Any] = {
            "paths.encoder": str(fetch(self.work)),
            "paths.gold": str(gold or self.corpus / "labelled.spacy"),
            "paths.dev": str(self.corpus / "dev.spacy"),
            "system.seed": self.seed,
            **(TRAINING if silver else SEED_TRAINING),
        }
        if silver:
            overrides["paths.silver"] = str(silver)
        folder = self.folder / "models" / name
        train_student(self.config, folder, start=start, overrides=overrides)
        return folder / "model-best"

    def annotate(self, name: str, model: Path) -> Path:
        """Pseudo-label pool and dev with a student, its calibration fitted on dev."""
        folder = self.folder / "annotated" / name
        calibration = folder / "calibration.json"
        if not calibration.exists():
            calibrate(str(model), self.corpus / "dev.spacy", calibration)
        for split in ("pool", "dev"):
            annotate(
                str(model),
                calibration,
                self.corpus / f"{split}.spacy",
                folder / split,
                out_of_fold=split == "dev",
                labels=self.corpus / "labelled.spacy",
            )
        return folder

    def judge(
        self, annotated: Path, name: str, texts: List[str], likelihood: Optional[str] = None
    ) -> Path:
        """Replay the replies for some pool sentences, and for dev.

        name (str): Of this choice of sentences.
        likelihood (Optional[str]): How their log-probabilities are read.
        """
        folder = annotated.with_name(f"{annotated.name}-judged-{name}")
        overrides: Dict[str, Any] = {}
        if likelihood is not None:
            folder = folder.with_name(f"{folder.name}-{likelihood}")
            overrides["components.llm_judge.task.likelihood"] = likelihood
        replies = keep_replies(self.corpus, self.replies, texts, folder / "replies.jsonl")
        for split in ("pool", "dev"):
            judge(
                annotated / split,
                folder / split,
                RECORDED,
                overrides={
                    "paths.replies": str(replies),
                    "paths.labelled": str(self.corpus / "labelled.spacy"),
                    **overrides,
                },
            )
        return folder

    def select(self, name: str, judged: Path, text: str) -> Path:
        """Filter with the selector and the policy in a config's text. RETURNS (Path): The silver."""
        config = self.folder / "silver" / f"{name}.cfg"
        write_bytes(config, text.encode("utf8"))
        silver = config.with_suffix(".spacy")
        filter_candidates(
            judged / "pool",
            judged / "dev",
            self.corpus / "dev.spacy",
            config,
            silver,
            config.with_suffix(".json"),
        )
        return silver


def fetch(work: Path) -> Path:
    fetch_encoder(MINILM, work / "encoder")
    return work / "encoder"
