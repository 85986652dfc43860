"""A data set in memory or on disk: its splits, scaling, and order of training.

The tune split is a part of the training images: thresholds, model choice and
calibration come from it; the test split is only read for reported numbers.
`sources` loads data sets.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from ddi_tf import crops
from ddi_tf import errors
from ddi_tf import rand_augment

SPLITS = ("train", "tune", "test")


class Split(NamedTuple):
    """Part of a data set."""

    images: np.ndarray  # [N, H, W, 3] uint8, RGB; a np.memmap if on disk
    labels: np.ndarray  # [N] int32 in [0, C)


class Scaling(NamedTuple):
    """Per-channel statistics of the training images, on their 0..255 scale."""

    mean: tuple
    std: tuple


class Dataset(NamedTuple):
    """A data set, split as every command of this project splits it.

    Training images may be stored larger than what the network receives, as
    room for `crop`; those of tune and test never are.
    """

    name: str
    label_names: tuple
    scaling: Scaling
    flip: bool  # whether a mirrored image is still of its class
    train: Split
    tune: Split
    test: Split
    crop: Any = crops.Shift()  # of `crops` or `rand_augment`
    details: dict = {}  # what else tells it from others of its name; JSON

    @property
    def image_shape(self):
        """(height, width, 3) of what the network receives."""
        return tuple(self.tune.images.shape[1:])

    def part(self, name):
        """The `Split` called `name`, one of SPLITS, as evaluation sees it."""
        split = getattr(self, name)
        return split._replace(
            images=crops.centre(split.images, self.image_shape[0]))

    def augmented(self, distortion, cutout):
        """The same, its training images distorted, then partly hidden.

        Args:
            distortion: strength of `rand_augment.RandAugment`; 0: none.
            cutout: side in pixels of a hidden square; 0: none.
        """
        crop, mean = self.crop, self.scaling.mean
        chosen = {"rand_augment": distortion, "cutout": cutout}
        if distortion:
            crop = rand_augment.RandAugment(crop, distortion, mean)
        if cutout:
            crop = crops.Cutout(crop, cutout, mean)
        return self._replace(crop=crop, details={
            **self.details, **{name: value for name, value in chosen.items()
                               if value}})

    @property
    def settings(self):
        """What a run remembers of its data, as a dict for JSON."""
        return {"name": self.name, "label_names": self.label_names,
                "scaling": self.scaling._asdict(), **self.details}


def normalize(images, scaling):
    """[B, H, W, 3] uint8 or float -> float32 `(x - mean) / std` by channel."""
    images = tf.cast(images, tf.float32)
    return (images - tf.constant(scaling.mean)) / tf.constant(scaling.std)


def training_batch(images, indices, drawn, flips, crop, scaling):
    """[B, H, W, 3] float32: what a training step sees of a `Draw`.

    Args:
        images: [N, H', W', 3] uint8, as stored.
        indices: [B] int32 into them.
        drawn: [B, ...] crops, as `crop` draws them.
        flips: [B] bool.
        crop: of the `crops` module.
        scaling: `Scaling`.
    """
    return normalize(
        crop.cut(tf.gather(images, indices), drawn, flips), scaling)


def measured_scaling(images):
    """The `Scaling` of [N, H, W, 3] uint8; a std of 1 at least."""
    total, squares, count = np.zeros(3), np.zeros(3), 0
    for start in range(0, len(images), 256):
        pixels = images[start:start + 256].reshape(-1, 3).astype(np.float64)
        total += pixels.sum(axis=0)
        squares += np.square(pixels).sum(axis=0)
        count += len(pixels)
    mean = total / count
    # 1 where all pixels are alike.
    std = np.sqrt(np.maximum(squares / count - np.square(mean), 1))
    return Scaling(*(tuple(np.round(v, 3).tolist()) for v in (mean, std)))


class Draw(NamedTuple):
    """What one training step draws at random."""

    indices: np.ndarray  # [B] int32 into the training images
    crops: np.ndarray    # [B, ...], as the data set's crop draws them
    flips: np.ndarray    # [B] bool


class Sampler:
    """Draws for any step, each a function of the seed and the step alone.

    Args:
        size: number of training images.
        batch_size: images per step, <= size; an epoch drops the remainder.
        seed: whole number.
        flip: whether images may be mirrored.
        crop: of the `crops` module; draws the crops.
    """

    def __init__(self, size, batch_size, seed, flip, crop=crops.Shift()):
        if not 0 < batch_size <= size:
            raise errors.ConfigError(
                f"`train_batch_size` must lie in 1..{size} (the training "
                f"images). Received: {batch_size}")
        self.steps_per_epoch = size // batch_size
        self._size, self._batch_size = size, batch_size
        self._seed, self._flip, self._crop = seed, flip, crop
        self._epoch, self._order = None, None

    def draw(self, step):
        """The `Draw` of global step `step`, counted from 0."""
        epoch, index = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            order = np.random.default_rng([self._seed, 0, epoch])
            self._epoch = epoch
            self._order = order.permutation(self._size).astype(np.int32)
        noise = np.random.default_rng([self._seed, 1, step])
        start = index * self._batch_size
        return Draw(
            self._order[start:start + self._batch_size],
            self._crop.draw(noise, self._batch_size),
            (noise.random(self._batch_size) < 0.5) & self._flip)
