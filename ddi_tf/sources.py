"""The data sets that have a name: digits, those of TFDS, a folder of images."""

import dataclasses
import itertools
import pathlib
from typing import NamedTuple, Optional

import numpy as np
import tensorflow as tf

from ddi_tf import array_store
from ddi_tf import crops
from ddi_tf import data
from ddi_tf import decoding
from ddi_tf import errors
from ddi_tf import image_folder

# Above this, images must be on disk: training copies them once more.
MEMORY_GB = 8.0

_FOLDER_SIZE = 32  # pixels, unless the user says otherwise


@dataclasses.dataclass(frozen=True)
class Options:
    """What a user may choose about a data set.

    Args:
        folder: where TFDS keeps prepared data (None: its own default), or the
            folder of images.
        download: whether TFDS may fetch what is missing.
        image_size: height and width in pixels that the network receives;
            None: the data set's own.
        crop: one of crops.NAMES.
        flip: whether training mirrors images; None: the data set's own.
        memory_gb: most that images may take in memory, in 10^9 bytes.
        cache: folder for decoded images, or None.
    """

    folder: Optional[str] = None
    download: bool = False
    image_size: Optional[int] = None
    crop: str = "auto"
    flip: Optional[bool] = None
    memory_gb: float = MEMORY_GB
    cache: Optional[str] = None


def load(name, options=Options()):
    """The `data.Dataset` called `name`, one of DATASETS.

    Raises:
        DataError: unknown name, or the data is not there, incomplete, or too
            large; says what helps.
    """
    if name not in DATASETS:
        raise errors.DataError(
            f"`data_name` must be one of {', '.join(DATASETS)}. "
            f"Received: {name}")
    dataset = DATASETS[name](name, options)
    details = dict(dataset.details)
    if dataset.crop.name != "shift":
        details["crop"] = dataset.crop.name
    if options.flip is not None:
        details["flip"] = options.flip
        dataset = dataset._replace(flip=options.flip)
    return dataset._replace(details=details)


def _digits(name, options):
    """scikit-learn's 8 x 8 digits, enlarged; they come with the package."""
    from sklearn import datasets  # a second of import that others save
    size = options.image_size or 32
    digits = datasets.load_digits()
    crop = crops.make(options.crop, size)
    images = tf.image.resize(digits.images[..., None] * (255 / 16),
                             [crop.stored_size(size)] * 2)
    images = np.repeat(np.rint(images.numpy()).astype(np.uint8), 3, axis=-1)
    labels = digits.target.astype(np.int32)
    sizes = (1077, 360, 360)
    _require_complete(len(images), sum(sizes))
    ends = np.cumsum(sizes)
    splits = {part: data.Split(images[end - count:end], labels[end - count:end])
              for part, count, end in zip(data.SPLITS, sizes, ends)}
    return _dataset(name, digits.target_names, data.Scaling(
        (78.0,) * 3, (82.5,) * 3), False, splits, crop, size)


class _Prepared(NamedTuple):
    """A data set of TFDS; tune is the last part of its training images."""

    title: str
    train: int      # images
    tune: int
    test: int
    test_name: str  # the TFDS split that is our test
    size: int       # pixels, unless the user says otherwise
    scaling: data.Scaling
    fetch: str      # how to get it


_ADD_FLAG = "fetch it ({}) by adding --data_download to this command."

# Of ImageNet's training images at 224 pixels, as used everywhere.
_IMAGENET_SCALING = data.Scaling(
    (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))

_PREPARED = {
    "cifar10": _Prepared(
        "CIFAR-10", 45_000, 5_000, 10_000, "test", 32,
        data.Scaling((125.3, 123.0, 113.9), (63.0, 62.1, 66.7)),
        _ADD_FLAG.format("160 MB")),
    "cifar100": _Prepared(
        "CIFAR-100", 45_000, 5_000, 10_000, "test", 32,
        data.Scaling((129.3, 124.1, 112.4), (68.2, 65.4, 70.4)),
        _ADD_FLAG.format("160 MB")),
    "imagenette": _Prepared(
        "Imagenette", 8_469, 1_000, 3_925, "validation", 224,
        _IMAGENET_SCALING, _ADD_FLAG.format("1.5 GB")),
    # Its own test images have no labels.
    "imagenet2012": _Prepared(
        "ImageNet", 1_231_167, 50_000, 50_000, "validation", 224,
        _IMAGENET_SCALING,
        "put ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar (150 GB, from "
        "image-net.org) into downloads/manual/ of that folder and add "
        "--data_download to this command."),
}


def _prepared(name, options):
    """A data set of TFDS, decoded by us: images may be of any size."""
    import tensorflow_datasets as tfds  # only where it is needed: slow import
    row = _PREPARED[name]
    builder = tfds.builder(name, data_dir=options.folder)
    if not builder.data_path.exists():
        remedy = f"Give the folder that holds it as --data_dir, or {row.fetch}"
        if not options.download:
            raise errors.DataError(
                f"{row.title} is not in {builder.data_path}. {remedy}")
        try:
            builder.download_and_prepare()
        except Exception as error:  # network, disk, checksums, manual files
            raise errors.DataError(
                f"{row.title} could not be fetched to {builder.data_path} "
                f"({str(error).splitlines()[0]}). {remedy}") from None
    counts = {split: getattr(row, split) for split in data.SPLITS}
    _require_complete(sum(
        builder.info.splits[split].num_examples if split in builder.info.splits
        else 0 for split in ("train", row.test_name)), sum(counts.values()))
    size = options.image_size or row.size
    crop = crops.make(options.crop, size)
    stored = crop.stored_size(size)
    try:
        if builder.info.features["image"].shape == (stored, stored, 3):
            splits = _as_prepared(builder, row, tfds)
        else:
            train = _encoded(builder, "train", tfds)
            splits = array_store.splits(
                {"train": itertools.islice(train, row.train), "tune": train,
                 "test": _encoded(builder, row.test_name, tfds)},
                counts, stored, row.title, [name, str(builder.version)],
                options.memory_gb, options.cache)
    except tf.errors.OpError as error:
        raise errors.DataError(
            f"{row.title} in {builder.data_path} cannot be read "
            f"({error.message}). Delete it and add --data_download.") from None
    return _dataset(name, builder.info.features["label"].names, row.scaling,
                    True, splits, crop, size)


def _as_prepared(builder, row, tfds):
    """{name: `data.Split`} of images that have their size already."""
    (images, labels), test = (
        data.Split(*map(np.concatenate, zip(*(
            (batch["image"], batch["label"].astype(np.int32))
            for batch in _batches(builder, split, tfds)))))
        for split in ("train", row.test_name))
    return {"train": data.Split(images[:row.train], labels[:row.train]),
            "tune": data.Split(images[row.train:], labels[row.train:]),
            "test": test}


def _encoded(builder, split, tfds):
    """Yields `decoding.Encoded`."""
    decoders = {"image": tfds.decode.SkipDecoding()}
    index = itertools.count()
    for batch in _batches(builder, split, tfds, decoders):
        for image, label in zip(batch["image"], batch["label"]):
            yield decoding.Encoded(
                f"{split}[{next(index)}]", image, int(label))


def _batches(builder, split, tfds, decoders=None):
    """Batches of examples, in an order that is always the same."""
    return tfds.as_numpy(builder.as_dataset(
        split=split, shuffle_files=False, decoders=decoders).batch(256))


def _folder(name, options):
    """The user's own images; see `image_folder`."""
    if options.folder is None:
        raise errors.DataError(
            "--data_name=folder needs the folder of your images as --data_dir.")
    classes, encoded = image_folder.listing(options.folder)
    size = options.image_size or _FOLDER_SIZE
    crop = crops.make(options.crop, size)
    fingerprint = image_folder.fingerprint(encoded)
    # Files that were replaced under their names are decoded again.
    identity = [str(pathlib.Path(options.folder).resolve()), fingerprint]
    if options.cache:
        identity.append(image_folder.changes(encoded))
    splits = array_store.splits(
        encoded, {part: len(files) for part, files in encoded.items()},
        crop.stored_size(size), options.folder, identity, options.memory_gb,
        options.cache)
    dataset = _dataset(
        name, classes, data.measured_scaling(splits["train"].images), True,
        splits, crop, size)
    return dataset._replace(details={"files": fingerprint})


def _dataset(name, label_names, scaling, flip, splits, crop, size):
    """The `data.Dataset`, its tune and test cut to what the network sees."""
    splits = {part: split if part == "train" else split._replace(
        images=crops.centre(split.images, size))
        for part, split in splits.items()}
    return data.Dataset(name, tuple(map(str, label_names)), scaling, flip,
                        **splits, crop=crop)


def _require_complete(found, expected):
    if found != expected:
        raise errors.DataError(
            f"expected {expected} images, found {found}: the prepared data set "
            "is incomplete. Delete it and add --data_download.")


DATASETS = {"digits": _digits, **dict.fromkeys(_PREPARED, _prepared),
            "folder": _folder}
