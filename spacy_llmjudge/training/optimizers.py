"""An Adam whose head learns faster than its encoder."""

from typing import Any, Sequence, Tuple

from thinc.optimizers import FloatOrSeq, Optimizer


class HeadScaledOptimizer(Optimizer):
    """An optimizer that multiplies the learning rate of everything but PyTorch parameters.

    thinc's schedules know no parameter groups, but its optimizers are called with the key of each
    parameter: those of a wrapped PyTorch module have the dotted names that PyTorch gives them
    ("encoder.layer.5.output.dense.weight"), thinc's own are plain ("W", "b").
    """

    def __init__(
        self, *args: Any, head_scale: float, frozen: Sequence[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.head_scale = head_scale
        self.frozen = tuple(frozen)

    def __call__(self, key: Tuple[int, str], weights, gradient, *, lr_scale: float = 1.0):
        name = str(key[1])
        if "." in name and any(part in name for part in self.frozen):
            gradient *= 0
            return weights, gradient
        scale = 1.0 if "." in name else self.head_scale
        return super().__call__(key, weights, gradient, lr_scale=lr_scale * scale)


def make_adam(
    learn_rate: FloatOrSeq = 1e-4,
    *,
    head_scale: float = 10.0,
    frozen: Sequence[str] = (),
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    L2: float = 0.01,
    L2_is_weight_decay: bool = True,
    grad_clip: float = 1.0,
    use_averages: bool = False,
) -> Optimizer:
    """Make the Adam `llmjudge.Adam.v1`.

    learn_rate (FloatOrSeq): The learning rate of the encoder, a number or a schedule.
    head_scale (float): The head learns at this times the rate of the encoder. A head that starts
        at random needs far bigger steps than weights that were pretrained.
    frozen (Sequence[str]): Parameters of the encoder whose names hold one of these stay as they are.
        Adam moves the embedding of a rare word far for each time that it is seen; few-shot training
        is steadier, and faster, with "word_embeddings" frozen.
    beta1, beta2, eps, L2, L2_is_weight_decay, grad_clip, use_averages (Any): As in thinc's own Adam.
    RETURNS (Optimizer): The optimizer.
    """
    return HeadScaledOptimizer(
        learn_rate,
        head_scale=head_scale,
        frozen=frozen,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        L2=L2,
        L2_is_weight_decay=L2_is_weight_decay,
        grad_clip=grad_clip,
        use_averages=use_averages,
    )
