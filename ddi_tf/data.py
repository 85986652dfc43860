"""Images and labels: data sets, their splits, and augmentation in the graph.

Whole data sets are decoded once and held as uint8. The tune split is the last
part of the training images: thresholds, model choice and calibration come from
it; the test split is only read for reported numbers.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ddi_tf import errors

SPLITS = ("train", "tune", "test")

CROP_PADDING = 4  # pixels on each side, He et al. 2016, Section 4.2


class Split(NamedTuple):
    """Part of a data set."""

    images: np.ndarray  # [N, H, W, 3] uint8, RGB
    labels: np.ndarray  # [N] int32 in [0, C)


class Scaling(NamedTuple):
    """Per-channel statistics of the training images, on their 0..255 scale."""

    mean: tuple
    std: tuple


class Dataset(NamedTuple):
    """A data set, split as every command of this project splits it."""

    name: str
    label_names: tuple
    scaling: Scaling
    flip: bool  # whether a mirrored image is still of its class
    train: Split
    tune: Split
    test: Split


def load(name, data_dir=None, download=False):
    """The `Dataset` called `name`, one of DATASETS.

    Args:
        name: key of DATASETS.
        data_dir: where TFDS keeps prepared data; None is its own default.
        download: whether TFDS may fetch what is missing.

    Raises:
        DataError: unknown name, or the data is not there; says what gets it.
    """
    if name not in DATASETS:
        raise errors.DataError(
            f"`data_name` must be one of {', '.join(DATASETS)}. "
            f"Received: {name}")
    return DATASETS[name](data_dir, download)


def normalize(images, scaling):
    """[B, H, W, 3] uint8 -> float32 `(x - mean) / std`, per channel."""
    images = tf.cast(images, tf.float32)
    return (images - tf.constant(scaling.mean)) / tf.constant(scaling.std)


def augment(images, offsets, flips):
    """Random crops of the padded images, and mirror images, one batch at once.

    The randomness is an argument, so that a training step is a function of its
    inputs (and can be replayed, resumed, or run on another host).

    Args:
        images: [B, H, W, 3] any dtype; padded with zeros (black).
        offsets: [B, 2] int32 in [0, 2 * CROP_PADDING]: top and left
            of the crop.
        flips: [B] bool: which images are mirrored.

    Returns:
        [B, H, W, 3], the dtype of `images`.
    """
    height, width = images.shape[1:3]
    pad = [CROP_PADDING, CROP_PADDING]
    padded = tf.pad(images, [[0, 0], pad, pad, [0, 0]])
    columns = tf.range(width)
    columns = tf.where(flips[:, None], columns[::-1], columns[None])
    rows = tf.range(height) + offsets[:, :1]      # [B, H]
    columns = columns + offsets[:, 1:]            # [B, W]
    cropped = tf.gather(padded, rows, axis=1, batch_dims=1)
    return tf.gather(cropped, columns, axis=2, batch_dims=1)


class Draw(NamedTuple):
    """What one training step draws at random."""

    indices: np.ndarray  # [B] int32 into the training images
    offsets: np.ndarray  # [B, 2] int32
    flips: np.ndarray    # [B] bool


class Sampler:
    """Draws for any step, each a function of the seed and the step alone.

    Args:
        size: number of training images.
        batch_size: images per step, <= size; an epoch drops the remainder.
        seed: whole number.
        flip: whether images may be mirrored.
    """

    def __init__(self, size, batch_size, seed, flip):
        if not 0 < batch_size <= size:
            raise errors.ConfigError(
                f"`train_batch_size` must lie in 1..{size} (the training "
                f"images). Received: {batch_size}")
        self.steps_per_epoch = size // batch_size
        self._size, self._batch_size = size, batch_size
        self._seed, self._flip = seed, flip
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
            noise.integers(0, 2 * CROP_PADDING + 1, [self._batch_size, 2],
                           dtype=np.int32),
            (noise.random(self._batch_size) < 0.5) & self._flip)


def _digits(data_dir, download):
    """scikit-learn's 8 x 8 digits, enlarged; they come with the package."""
    del data_dir, download
    from sklearn import datasets  # a second of import that CIFAR users save
    digits = datasets.load_digits()
    images = tf.image.resize(digits.images[..., None] * (255 / 16), [32, 32])
    images = np.repeat(np.rint(images.numpy()).astype(np.uint8), 3, axis=-1)
    everything = Split(images, digits.target.astype(np.int32))
    return Dataset(
        "digits", tuple(str(name) for name in digits.target_names),
        Scaling((78.0,) * 3, (82.5,) * 3), False,
        *_cut(everything, sizes=(1077, 360, 360)))


def _cifar10(data_dir, download):
    """CIFAR-10 through TFDS: 45,000 train, 5,000 tune, 10,000 test."""
    import tensorflow_datasets as tfds  # only where it is needed: slow import
    builder = tfds.builder("cifar10", data_dir=data_dir)
    if download:
        builder.download_and_prepare()
    elif not builder.data_path.exists():
        raise errors.DataError(
            f"CIFAR-10 is not in {builder.data_path}. Give the folder that "
            "holds it as --data_dir, or fetch it (160 MB) by adding "
            "--data_download to this command.")
    train, test = (
        _arrays(builder.as_dataset(split=split, shuffle_files=False), tfds)
        for split in ("train", "test"))
    both = Split(*(np.concatenate(parts) for parts in zip(train, test)))
    return Dataset(
        "cifar10", tuple(builder.info.features["label"].names),
        Scaling((125.3, 123.0, 113.9), (63.0, 62.1, 66.7)), True,
        *_cut(both, sizes=(45_000, 5_000, 10_000)))


def _arrays(dataset, tfds):
    batches = list(tfds.as_numpy(dataset.batch(1000)))
    return Split(np.concatenate([b["image"] for b in batches]),
                 np.concatenate([b["label"] for b in batches]).astype(np.int32))


def _cut(split, sizes):
    """[train, tune, test] of the given sizes, in order."""
    if sum(sizes) != len(split.images):
        raise errors.DataError(
            f"expected {sum(sizes)} images, found {len(split.images)}: the "
            "prepared data set is incomplete. Delete it and add "
            "--data_download.")
    ends = np.cumsum(sizes)
    return [Split(split.images[end - size:end], split.labels[end - size:end])
            for size, end in zip(sizes, ends)]


DATASETS = {"digits": _digits, "cifar10": _cifar10}
