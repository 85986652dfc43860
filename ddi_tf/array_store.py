"""Where decoded images are kept: in memory, or in files read as needed.

    CACHE/KEY/train.npy   [N, H, W, 3] uint8; tune.npy and test.npy likewise
    CACHE/KEY/labels.npz  [N] int32 of each split; written last
"""

import hashlib
import json
import pathlib
import shutil

import numpy as np

from ddi_tf import data
from ddi_tf import decoding
from ddi_tf import errors


def splits(encoded, counts, size, where, identity, memory_gb, cache=None):
    """{name: `data.Split`} of decoded squares, as `decoding.splits` makes them.

    They are held in memory up to `memory_gb`; above it they stay in `cache`,
    as np.memmap. A cache that holds them already is not decoded again.

    Args:
        encoded: {name of split: iterable of decoding.Encoded}.
        counts: {name of split: how many there are at most}.
        size: pixels, height and width.
        where: the data set, for messages.
        identity: what tells this data from any other, as a list for JSON.
        memory_gb: most that may be held in memory, in 10^9 bytes.
        cache: folder, or None for none.

    Raises:
        DataError: it fits neither memory nor disk; too many broken files.
    """
    needed = sum(counts.values()) * size * size * 3
    fits = needed <= memory_gb * 1e9
    what = (f"{where}: {sum(counts.values())} images of {size} x {size} pixels "
            f"take {_size(needed)}")
    if cache is None:
        if not fits:
            raise errors.DataError(
                f"{what}, more than --data_memory_gb={memory_gb:g}. Lower "
                "--data_image_size, raise --data_memory_gb if the machine has "
                "twice that, or give a fast disk as --data_cache=FOLDER to "
                "read them from there.")
        return decoding.splits(
            encoded, counts, size,
            lambda name, shape: np.empty(shape, np.uint8), where)
    key = hashlib.sha256(json.dumps([identity, size]).encode()).hexdigest()
    folder = pathlib.Path(cache) / key[:16]
    try:
        if not (folder / "labels.npz").exists():
            folder.mkdir(parents=True, exist_ok=True)
            if needed > (free := shutil.disk_usage(folder).free):
                raise errors.DataError(
                    f"{what}, and --data_cache={cache} has {_size(free)} left. "
                    "Give another disk or a lower --data_image_size.")
            _write(folder, encoded, counts, size, where)
        return _read(folder, fits)
    except OSError as error:
        raise errors.DataError(
            f"--data_cache={cache} cannot be used ({error.strerror or error}). "
            "Give a folder that can be written.") from None


def _write(folder, encoded, counts, size, where):
    decoded = decoding.splits(
        encoded, counts, size, lambda name, shape:
            np.lib.format.open_memmap(
                folder / f"{name}.npy", "w+", np.uint8, shape), where)
    for split in decoded.values():
        split.images.flush()
    temporary = folder / "labels.tmp.npz"
    np.savez(temporary, **{n: split.labels for n, split in decoded.items()})
    temporary.replace(folder / "labels.npz")


def _read(folder, into_memory):
    try:
        with np.load(folder / "labels.npz") as file:
            labels = {name: file[name] for name in data.SPLITS}
        images = {name: np.load(folder / f"{name}.npy", mmap_mode="r")
                  for name in data.SPLITS}
    except Exception as error:  # a damaged file raises a dozen different types
        raise errors.DataError(
            f"{folder}: damaged ({error}). Delete the folder; it is made "
            "again.") from None
    # Places for broken files were made too; they are at the end.
    images = {name: array[:len(labels[name])] for name, array in images.items()}
    if into_memory:
        images = {name: np.array(array) for name, array in images.items()}
    return {name: data.Split(images[name], labels[name])
            for name in data.SPLITS}


def _size(count):
    return (f"{count / 1e9:,.1f} GB" if count >= 1e8
            else f"{count / 1e6:,.1f} MB")
