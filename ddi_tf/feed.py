"""How training images reach the training step: all at once, or as needed.

Both give the step the same images for the same global step, so the two train
the same network.
"""

from concurrent import futures

import numpy as np
import tensorflow as tf

from ddi_tf import distribution as distribution_lib


def make(split, sampler, distribution=distribution_lib.LOCAL):
    """A `Resident` feed if one device has all images in memory, or `Streamed`.

    Args:
        split: `data.Split` to train on.
        sampler: `data.Sampler`.
        distribution: of the `distribution` module.
    """
    if distribution.replicas == 1 and not isinstance(split.images, np.memmap):
        return Resident(split, sampler)
    return Streamed(split, sampler, distribution)


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


class Streamed:
    """Only a step's own images are handed over, read one step ahead.

    A worker reads those that its own replicas train on.
    """

    def __init__(self, split, sampler, distribution=distribution_lib.LOCAL):
        self._split, self._sampler = split, sampler
        self._distribution = distribution
        self._thread = futures.ThreadPoolExecutor(1)
        self._ahead = None, None  # step, and the future of its arguments

    def arguments(self, step):
        """(images, labels, indices, crops, flips) of a global step."""
        known, future = self._ahead
        if known != step:
            future = self._thread.submit(self._read, step)
        result = future.result()
        self._ahead = step + 1, self._thread.submit(self._read, step + 1)
        return self._distribution.join(result)

    def close(self):
        """Waits for what is being read ahead."""
        self._thread.shutdown()

    def _read(self, step):
        draw = self._sampler.draw(step)
        return [self._part(draw.indices[rows], draw.crops[rows],
                           draw.flips[rows])
                for rows in self._distribution.shares(len(draw.indices))]

    def _part(self, indices, crops, flips):
        return (self._split.images[indices], self._split.labels[indices],
                np.arange(len(indices), dtype=np.int32), crops, flips)
