"""Traces made up for tests, in which nothing has to be trained."""

import numpy as np

from ddi_tf import trace_files
from ddi_tf import traces as traces_lib


def traces(predictions, entropies, spent, labels):
    """`traces.Traces` of N images, E exits, 2 classes, one block."""
    predictions = np.array(predictions, np.int32)
    count = len(predictions)
    return traces_lib.Traces(
        labels=np.array(labels, np.int32),
        logits=np.zeros([*predictions.shape, 2], np.float32),
        predictions=predictions, entropies=np.array(entropies, np.float32),
        spent=np.array(spent, np.int64), layers=np.ones([count, 1]),
        masks=(np.ones([count, 1]),))


def random(seed, images=60, exits=3, classes=3, levels=20):
    """Traces with ties, and exits that are right more often the later."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, images)
    known = generator.random([images, exits + 1]) < np.linspace(
        0.4, 0.9, exits + 1)
    guesses = generator.integers(0, classes, [images, exits + 1])
    return traces(
        np.where(known, labels[:, None], guesses),
        generator.integers(0, levels, [images, exits + 1]) / levels,
        generator.integers(1, 100, [images, exits + 1]).cumsum(axis=1), labels)


def hard_and_easy(seed, images, exits, levels=None):
    """Traces as a network leaves them: sure answers are mostly right.

    Args:
        levels: entropies are rounded to so many values; None: they are not.
    """
    generator = np.random.default_rng(seed)
    depth = np.arange(exits + 1)
    labels = generator.integers(0, 10, images)
    margin = (0.5 * depth - 0.5 - generator.normal(size=[images, 1])
              + 0.7 * generator.normal(size=[images, exits + 1]))
    entropies = np.log(10) / (1 + np.exp(margin))
    if levels:
        entropies = np.round(entropies * levels) / levels
    right = margin + 0.4 * generator.normal(size=margin.shape) > -0.6
    return traces(
        np.where(right, labels[:, None], (labels[:, None] + 1) % 10), entropies,
        generator.integers(50, 150, [images, exits + 1]).cumsum(axis=1), labels)


def macs(trace, answers):
    """`traces.Cost` of traces, of answers that cost so much by themselves."""
    return traces_lib.Cost("MACs", 1000.0, np.array(answers), trace.spent)


def recorded(trace):
    """`trace_files.Recorded` round `traces.Traces`."""
    exits = trace.entropies.shape[1] - 1
    counted = macs(trace, range(exits + 1))
    energy = traces_lib.Cost("pJ", 7.5, counted.answers / 3, counted.spent / 3)
    return trace_files.Recorded(
        trace_files.About(
            format_version=trace_files.FORMAT_VERSION, fingerprint="f",
            run="run", commit="abc", seed=3, split="tune", best=False, gates_open=False,
            settings={"data": {"name": "digits", "label_names": ["a", "b"]}},
            blocks=("stage1_block1",),
            exits=tuple(f"exit{e + 1}" for e in range(exits)),
            exit_after=(0,) * exits, resources={
                "macs": {"unit": "MACs", "base": 1000.0, "source": "counted"},
                "energy": {"unit": "pJ", "base": 7.5, "source": "modelled"}}),
        trace, {"macs": counted, "energy": energy},
        np.eye(2, dtype=np.float32)[trace.labels % 2],
        np.zeros([2, 4, 4, 3], np.uint8), np.array([5, 1]))
