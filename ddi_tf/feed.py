"""How training images reach the training step: all at once, or as needed.

Both give the step the same images for the same global step, so the two train
the same network.
"""

from concurrent import futures

import numpy as np
import tensorflow as tf


def make(split, sampler):
    """A `Resident` feed, or a `FromDisk` one if the split is on disk.

    Args:
        split: `data.Split` to train on.
        sampler: `data.Sampler`.
    """
    return (FromDisk if isinstance(split.images, np.memmap) else Resident)(
        split, sampler)


class Resident:
    """All images are handed over, held by TensorFlow; the step picks its."""

    def __init__(self, split, sampler):
        self._images = tf.constant(split.images)
        self._labels = tf.constant(split.labels)
        self._sampler = sampler

    def arguments(self, step):
        """(images, labels, indices, crops, flips) of a global step."""
        return (self._images, self._labels,
                *map(tf.constant, self._sampler.draw(step)))

    def close(self):
        """Nothing to wait for."""


class FromDisk:
    """Only a step's own images are handed over, read one step ahead."""

    def __init__(self, split, sampler):
        self._split, self._sampler = split, sampler
        self._thread = futures.ThreadPoolExecutor(1)
        self._ahead = None, None  # step, and the future of its arguments

    def arguments(self, step):
        """(images, labels, indices, crops, flips) of a global step."""
        known, future = self._ahead
        if known != step:
            future = self._thread.submit(self._read, step)
        result = future.result()
        self._ahead = step + 1, self._thread.submit(self._read, step + 1)
        return tuple(map(tf.constant, result))

    def close(self):
        """Waits for what is being read ahead."""
        self._thread.shutdown()

    def _read(self, step):
        draw = self._sampler.draw(step)
        return (self._split.images[draw.indices],
                self._split.labels[draw.indices],
                np.arange(len(draw.indices), dtype=np.int32),
                draw.crops, draw.flips)
