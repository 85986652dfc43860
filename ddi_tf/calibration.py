"""Whether an answer is as sure as it is right, and a temperature that mends it.

Guo et al. 2017 (arXiv:1706.04599).
"""

from typing import NamedTuple

import numpy as np
from scipy import optimize
from scipy import special

BINS = 15  # of equal width, as in Section 2 there

# Temperatures that are looked at: from ten times surer to ten times less sure.
_LOG_RANGE = (-np.log(10), np.log(10))

# Of log-probabilities, as in `exits`: `converters.micro` asks for them without
# TensorFlow.
_ENTROPIES = {
    "shannon": lambda log_p: -np.sum(np.exp(log_p) * log_p, axis=2),
    "min": lambda log_p: -log_p.max(axis=2)}


class Reliability(NamedTuple):
    """Answers by their confidence, BINS bins of equal width over [0, 1]."""

    confidence: np.ndarray  # [BINS] mean in each bin; nan where it is empty
    accuracy: np.ndarray    # [BINS] share of right answers, nan likewise
    images: np.ndarray      # [BINS] int


def reliability(logits, labels):
    """`Reliability` of one answer.

    Args:
        logits: [N, C] float.
        labels: [N] int.
    """
    probabilities = special.softmax(logits.astype(np.float64), axis=1)
    sure = probabilities.max(axis=1)
    right = logits.argmax(axis=1) == labels
    # The bin's upper end belongs to it.
    bins = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    images = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        return Reliability(np.bincount(bins, sure, BINS) / images,
                           np.bincount(bins, right, BINS) / images, images)


def error(logits, labels):
    """Expected calibration error, in [0, 1]: `sum_b n_b/N |acc_b - conf_b|`.

    Args and source as for `reliability`; Equation 3 there.
    """
    found = reliability(logits, labels)
    gaps = np.nan_to_num(np.abs(found.accuracy - found.confidence))
    return float(np.sum(found.images * gaps) / len(labels))


def temperature(logits, labels):
    """T > 0 that makes `softmax(logits / T)` likeliest (Section 4.2 there).

    Args:
        logits: [N, C] float.
        labels: [N] int.
    """
    logits = logits.astype(np.float64)
    rows = np.arange(len(labels))

    def surprise(log_t):
        return -special.log_softmax(
            logits / np.exp(log_t), axis=1)[rows, labels].mean()

    return float(np.exp(optimize.minimize_scalar(
        surprise, bounds=_LOG_RANGE, method="bounded").x))


def entropies(logits, temperatures, kind="shannon"):
    """[N, A] entropy in nats of each answer's softmax at its temperature.

    Args:
        logits: [N, A, C] float.
        temperatures: [A] > 0.
        kind: a key of `exits.ENTROPIES`.
    """
    log_p = special.log_softmax(
        logits / np.asarray(temperatures, np.float64)[:, None], axis=2)
    return _ENTROPIES[kind](log_p).astype(np.float32)
