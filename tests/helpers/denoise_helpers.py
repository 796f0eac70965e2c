"""Labels with noise that features can undo."""

import numpy as np


def make_noisy(n=900, n_classes=4, width=8, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_classes, n)
    centres = rng.normal(size=(n_classes, width)) * 2
    x = centres[truth] + rng.normal(size=(n, width))
    wrong = (truth + rng.integers(1, n_classes, n)) % n_classes
    noisy = np.where(rng.random(n) < noise, wrong, truth)
    return x.astype("float32"), truth, noisy
