"""The model `llmjudge.Transformers.v1`: a causal language model on this machine, through transformers.

For a prompt with options it returns exact probabilities: one forward pass, the model's own
distribution over its whole vocabulary, nothing sampled and nothing cut at the most likely few. For a
prompt with several questions it writes its reply out, and returns them at every letter that it says.
"""

import inspect
import threading
import warnings
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Deque, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from ..errors import Errors, LLMJudgeError, Warnings
from ..transport.in_process import InProcess
from ..transport.messages import Prompt, Reply
from .letters import LetterScores, decode, find_letter_tokens

_AHEAD = 8
Job = Tuple[str, "Future[Reply]"]
# The options of a prompt, or else the letters that its reply will say; and whether its task reads the
# log-probabilities of all tokens.
Kind = Tuple[Tuple[str, ...], Tuple[str, ...], bool]


def make_transformers_model(
    name: Union[str, Path],
    device: str = "auto",
    dtype: str = "auto",
    batch_size: int = 8,
    max_tokens: int = 1024,
    chat_settings: Optional[Dict[str, Any]] = None,
) -> "Transformers":
    """Make the model `llmjudge.Transformers.v1`. Nothing is loaded before the first prompt.

    name (Union[str, Path]): A folder with a causal language model, or its name on the hub.
    device (str): Where it runs: "cpu", "cuda", "cuda:1"; "auto" takes a GPU if there is one.
    dtype (str): The type of its numbers, such as "float32" or "bfloat16"; "auto" takes that of its
        files on a GPU, and float32 on a CPU.
    batch_size (int): Prompts in one pass; halved where the memory does not suffice.
    max_tokens (int): The longest reply to a prompt without options.
    chat_settings (Optional[Dict[str, Any]]): Further arguments of the tokenizer's chat template, such
        as `enable_thinking`.
    RETURNS (Transformers): The model.
    """
    for argument, value in (("batch_size", batch_size), ("max_tokens", max_tokens)):
        if value < 1:
            expected = "a number of at least 1"
            raise LLMJudgeError(Errors.J319.format(name=argument, value=value, expected=expected))
    return Transformers(
        name=str(name),
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        max_tokens=max_tokens,
        chat_settings=chat_settings or {},
    )


class Transformers(InProcess):
    """A causal language model, batched; several threads may call it and share its batches.

    concurrency (int): How many threads are of use in a ledger: as many as fill a batch.
    """

    def __init__(
        self,
        *,
        name: str,
        device: str,
        dtype: str,
        batch_size: int,
        max_tokens: int,
        chat_settings: Dict[str, Any],
    ) -> None:
        self.concurrency = batch_size
        self._name = name
        self._device = device
        self._dtype = dtype
        self._batch_size = batch_size
        self.reply_limit: int = max_tokens
        self._chat_settings = chat_settings
        self._forget()

    def _forget(self) -> None:
        self._loaded: Optional[Tuple[Any, Any]] = None
        self._letter_tokens: Dict[Tuple[str, ...], Dict[int, str]] = {}
        self._queue: Deque[Job] = deque()
        self._lock = threading.Lock()

    def __getstate__(self) -> Dict[str, Any]:
        alive = ("_loaded", "_letter_tokens", "_queue", "_lock")
        return {name: value for name, value in vars(self).items() if name not in alive}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    @property
    def name(self) -> str:
        return self._name

    def describe(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What tells this model from others, as JSON."""
        # As the ledgers have it that were written so far.
        return {
            "class": "spacy_llmjudge.models.local:Transformers",
            "name": self._name,
            "dtype": self._dtype,
            "max_tokens": self.reply_limit,
            "chat_settings": self._chat_settings,
            "letter_tokens": {},
        }

    @property
    def context_length(self) -> Optional[int]:
        """Tokens that the model can read; known once it is loaded."""
        if self._loaded is None:
            return None
        return getattr(self._loaded[1].config, "max_position_embeddings", None)

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Reply to prompts.

        prompts (Iterable[Iterable[str]]): The prompts of each document.
        YIELDS (Iterable[str]): The replies of each document. For a prompt with options the reply is the
            most likely one, and `logprobs` holds the log-probability of each; for one with `verdicts`
            they stand wherever the reply says a letter.
        """
        groups = iter(prompts)
        while True:
            some = [list(group) for group in islice(groups, self._batch_size * _AHEAD)]
            if not some:
                return
            replies = iter(self._reply_to([prompt for group in some for prompt in group]))
            for group in some:
                yield list(islice(replies, len(group)))

    def _reply_to(self, prompts: List[str]) -> List[Reply]:
        jobs: List[Job] = [(prompt, Future()) for prompt in prompts]
        # Alike in kind and length, so that little is padded.
        self._queue.extend(sorted(jobs, key=lambda job: (_kind(job[0]), len(job[0]))))
        try:
            for _, future in jobs:
                while not future.done():
                    with self._lock:
                        # Whoever has the model takes along what other threads wait for.
                        if not future.done():
                            self._run(self._take_batch())
            return [future.result() for _, future in jobs]
        finally:
            for job in jobs:
                if not job[1].done():
                    # Nobody is waiting for it.
                    with suppress(ValueError):
                        self._queue.remove(job)

    def _take_batch(self) -> List[Job]:
        batch: List[Job] = []
        while self._queue and len(batch) < self._batch_size:
            if batch and _kind(self._queue[0][0]) != _kind(batch[0][0]):
                break
            batch.append(self._queue.popleft())
        return batch

    def _run(self, jobs: List[Job]) -> None:
        try:
            replies = self._compute([prompt for prompt, _ in jobs])
        except LLMJudgeError as error:
            return _fail(jobs, error)
        except Exception as error:
            failure = " ".join(f"{type(error).__name__}: {error}".split())
        except BaseException as error:
            # Ctrl-C: other threads, whose jobs these may be, must not wait for ever.
            _fail(jobs, error)
            raise
        else:
            for (_, future), reply in zip(jobs, replies):
                future.set_result(reply)
            return
        # Only here, as an error that is being handled keeps the memory of the pass that failed.
        if len(jobs) > 1:
            # Too much for the memory, or one bad prompt: find out by halves.
            middle = len(jobs) // 2
            self._run(jobs[:middle])
            self._run(jobs[middle:])
            return
        # Out of memory comes in several classes, one for each kind of device.
        reason = "out_of_memory" if "out of memory" in failure else "model_error"
        jobs[0][1].set_result(Reply("", state="abstained", reason=reason))
        warnings.warn(Warnings.JW315.format(name=self._name, error=failure[:200]), stacklevel=2)

    def _compute(self, prompts: List[str]) -> List[Reply]:
        import torch

        tokenizer, model = self._load()
        options, letters, spelled = _kind(prompts[0])
        ids = [self._encode(tokenizer, prompt) for prompt in prompts]
        variants = [_encode_options(tokenizer, option) for option in options]
        longest = max([len(v) for ways in variants for v in ways], default=self.reply_limit)
        limit = getattr(model.config, "max_position_embeddings", None) or float("inf")
        fits = [len(row) + longest <= limit for row in ids]
        short = [row for row, fit in zip(ids, fits) if fit]
        with torch.inference_mode():
            if not short:
                replies = []
            elif options:
                replies = self._choose(short, options, variants)
            else:
                replies = self._generate(short, letters, spelled)
        found = iter(replies)
        too_long = Reply("", state="abstained", reason="prompt_too_long")
        return [next(found) if fit else too_long for fit in fits]

    def _load(self) -> Tuple[Any, Any]:
        if self._loaded is None:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

            device = self._device
            if device == "auto":
                device = "cuda" if torch.cuda.is_available() else "cpu"
            dtype: Any = self._dtype
            if dtype == "auto" and device == "cpu":
                dtype = "float32"
            try:
                dtype = dtype if dtype == "auto" else getattr(torch, dtype)
                tokenizer = AutoTokenizer.from_pretrained(self._name)
                model = AutoModelForCausalLM.from_pretrained(self._name, torch_dtype=dtype)
                model = model.to(device).eval()
                # Its folder may ask for sampling and penalties. A reply here is what is likeliest.
                ends = getattr(model.generation_config, "eos_token_id", None)
                model.generation_config = GenerationConfig(eos_token_id=ends)
            except Exception as error:
                text = " ".join(str(error).split())[:200]
                raise LLMJudgeError(Errors.J340.format(name=self._name, error=text)) from error
            self._loaded = (tokenizer, model)
        return self._loaded

    def _encode(self, tokenizer: Any, prompt: str) -> List[int]:
        if tokenizer.chat_template:
            return tokenizer.apply_chat_template(
                [{"role": "user", "content": str(prompt)}],
                add_generation_prompt=True,
                tokenize=True,
                **self._chat_settings,
            )
        return tokenizer(str(prompt))["input_ids"]

    def _choose(
        self, ids: List[List[int]], options: Sequence[str], variants: List[List[List[int]]]
    ) -> List[Reply]:
        owners = [i for i, ways in enumerate(variants) for _ in ways]
        scores = self._score(ids, [variant for ways in variants for variant in ways])
        replies = []
        for row, row_scores in zip(ids, scores):
            found = {}
            for i, option in enumerate(options):
                parts = [s for owner, s in zip(owners, row_scores) if owner == i]
                found[option] = _log_sum_exp(parts)
            best = max(options, key=lambda option: found[option])
            usage = {"tokens_in": len(row), "tokens_out": 1}
            replies.append(Reply(best, logprobs=[found], usage=usage))
        return replies

    def _score(self, ids: List[List[int]], variants: List[List[int]]) -> List[List[float]]:
        """Log-probability of each variant after each prompt."""
        if all(len(variant) == 1 for variant in variants):
            # The usual case: all options are read off one distribution.
            logprobs = self._logprobs(ids, 1)[:, -1]
            return [[float(row[v[0]]) for v in variants] for row in logprobs]
        scores = []
        for row in ids:
            longest = max(len(variant) for variant in variants)
            logprobs = self._logprobs([row + variant for variant in variants], longest + 1)
            scores.append(
                [
                    sum(float(logprobs[i, k - len(v) - 1, v[k]]) for k in range(len(v)))
                    for i, v in enumerate(variants)
                ]
            )
        return scores

    def _logprobs(self, ids: List[List[int]], last: int) -> Any:
        """Log-probabilities over the vocabulary at the last positions, (rows, last, vocabulary)."""
        import torch

        _, model = self._load()
        batch = self._pad(ids)
        accepted = inspect.signature(model.forward).parameters
        if "position_ids" in accepted:
            # Padded on the left, so positions have to be counted from where each prompt begins.
            batch["position_ids"] = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        if "logits_to_keep" in accepted:
            # All positions times a large vocabulary would fill the memory.
            batch["logits_to_keep"] = last
        logits = model(**batch, use_cache=False).logits[:, -last:]
        return torch.log_softmax(logits.float(), dim=-1).cpu()

    def _generate(
        self, ids: List[List[int]], letters: Tuple[str, ...], spelled: bool
    ) -> List[Reply]:
        from transformers import GenerationConfig

        tokenizer, model = self._load()
        ends = model.generation_config.eos_token_id
        ends = tokenizer.eos_token_id if ends is None else ends
        ends = [] if ends is None else ends if isinstance(ends, list) else [ends]
        settings = GenerationConfig(
            do_sample=False,
            max_new_tokens=self.reply_limit,
            eos_token_id=ends or None,
            pad_token_id=_pad_id(tokenizer),
        )
        batch = self._pad(ids)
        scores = self._listen(tokenizer, letters) if letters or spelled else []
        output = model.generate(**batch, generation_config=settings, logits_processor=scores)
        replies = []
        for i, generated in enumerate(output[:, batch["input_ids"].shape[1] :].tolist()):
            stops = [k for k, token in enumerate(generated) if token in ends]
            tokens = generated[: stops[0]] if stops else generated
            text = decode(tokenizer, tokens)
            reason = None if stops else "truncated"
            usage = {"tokens_in": len(ids[i]), "tokens_out": len(tokens)}
            if text.strip():
                reply = Reply(text, reason=reason, usage=usage)
                if letters:
                    reply.logprobs = scores[0].describe(tokenizer, i, tokens, text)
                if spelled:
                    reply.tokens = scores[0].spell(tokenizer, i, tokens, text)
                replies.append(reply)
            else:
                reason = reason or "empty_reply"
                replies.append(Reply("", state="abstained", reason=reason, usage=usage))
        return replies

    def _listen(self, tokenizer: Any, letters: Tuple[str, ...]) -> List[LetterScores]:
        if letters not in self._letter_tokens:
            self._letter_tokens[letters] = find_letter_tokens(tokenizer, letters)
        return [LetterScores(self._letter_tokens[letters])]

    def _pad(self, ids: List[List[int]]) -> Dict[str, Any]:
        import torch

        tokenizer, model = self._load()
        width = max(len(row) for row in ids)
        rows = [[_pad_id(tokenizer)] * (width - len(row)) + row for row in ids]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in ids]
        return {
            "input_ids": torch.tensor(rows, device=model.device),
            "attention_mask": torch.tensor(mask, device=model.device),
        }


def _fail(jobs: List[Job], error: BaseException) -> None:
    for _, future in jobs:
        if not future.done():
            future.set_exception(error)


def _kind(prompt: str) -> Kind:
    if not isinstance(prompt, Prompt):
        return (), (), False
    if prompt.options:
        return tuple(prompt.options), (), False
    letters = {letter for meanings in prompt.verdicts for letter in meanings}
    return (), tuple(sorted(letters)), prompt.logprobs


def _encode_options(tokenizer: Any, option: str) -> List[List[int]]:
    """The ways to write an option as the next word: models differ in where they put the space."""
    variants: List[List[int]] = []
    for text in (option, f" {option}"):
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
        # What begins with another variant is counted with it.
        if tokens and not any(tokens[: len(known)] == known for known in variants):
            variants.append(tokens)
    return variants


def _log_sum_exp(values: List[float]) -> float:
    import numpy

    return float(numpy.logaddexp.reduce(values))


def _pad_id(tokenizer: Any) -> int:
    for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if token is not None:
            return token
    return 0
