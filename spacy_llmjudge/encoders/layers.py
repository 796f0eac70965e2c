"""The layers of a pretrained encoder: which of them are read, and loading no more than these.

The last layer of a sentence encoder knows what a text is about, but has washed out which word is
which and how something is said. Spans are read from the middle layer alone, documents from the middle
and the last one, see `span_vectors` and `doc_vectors`.
"""

from pathlib import Path
from typing import Any, Tuple, Union

from ..errors import Errors, LLMJudgeError


def load_layers(name: Union[Path, str], *, lower_half: bool = False) -> Tuple[Any, Any]:
    """Load a transformer and its tokenizer, on the CPU, to be read from.

    name (Union[Path, str]): A folder, or the name of a model on the hub.
    lower_half (bool): Leave out the layers above the middle one.
    RETURNS (Tuple[Any, Any]): The tokenizer and the model of `transformers`.
    RAISES (LLMJudgeError): J302 where there is no model that can be loaded.
    """
    from transformers import AutoConfig, AutoModel, AutoTokenizer
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    try:
        settings = {}
        if lower_half:
            config = AutoConfig.from_pretrained(str(name))
            config.num_hidden_layers = max(config.num_hidden_layers // 2, 1)
            settings["config"] = config
            # it would tell at length that the weights of the upper half were not used
            logging.set_verbosity_error()
        model = AutoModel.from_pretrained(str(name), **settings).eval()
        return AutoTokenizer.from_pretrained(str(name), use_fast=True), model
    except (OSError, ValueError) as error:
        summary = str(error).strip().splitlines()[0]
        raise LLMJudgeError(Errors.J302.format(name=name, error=summary)) from error
    finally:
        logging.set_verbosity(verbosity)


def middle_and_last(n_layers: int) -> Tuple[int, int]:
    """RETURNS (Tuple[int, int]): The middle and the last of some layers, from 1; 0 is the embeddings.

    >>> middle_and_last(6)
    (3, 6)
    """
    return (n_layers + 1) // 2, n_layers
