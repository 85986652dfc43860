"""Images from a folder, a file or an .npz, one at a time; bad ones reported."""

import contextlib
import itertools
import os
import pathlib
from typing import NamedTuple, Optional, Union

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from device import errors
from device import regular_file

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")

# Of Pillow's formats; for others it starts programs, or reads for long.
FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")

# What an .npz may unpack to; it is held in memory.
_MOST_BYTES = 1 << 30

# Modes of more than 8 bits per channel, which would lose what they hold.
_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


class Item(NamedTuple):
    """One image, or why there is none."""

    name: str
    image: Union[np.ndarray, errors.ImageError]  # [H, W, 3] uint8, RGB
    label: Optional[int] = None                  # where the source knows it


class Source:
    """The images of a folder, one image file, or an .npz; has a length.

    An .npz holds `images` [N, H, W, 3] uint8 and, if known, `labels` [N].

    Args:
        path: of the folder or file.
        shape: (height, width, 3) that images must have; others are not
            decoded, whatever their size.

    Raises:
        ImageError: the path does not exist or holds no images.
    """

    def __init__(self, path, shape=None):
        path = pathlib.Path(path)
        self._shape = shape
        if not path.exists():
            raise errors.ImageError(
                f"{path}: no such folder or file. Give a folder of images "
                f"({', '.join(SUFFIXES)}), one image, or an .npz.")
        if path.suffix == ".npz":
            self._items = _npz_items(path)
        elif path.is_dir():
            files = sorted(p for p in path.iterdir()
                           if p.suffix.lower() in SUFFIXES)
            if not files:
                raise errors.ImageError(
                    f"{path}: expected files ending in {', '.join(SUFFIXES)}, "
                    "found none.")
            self._items = [(file.name, file, None) for file in files]
        else:
            self._items = [(path.name, path, None)]

    def __len__(self):
        return len(self._items)

    def __iter__(self):
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index):
        """The `Item` at a place; only now is its file read."""
        name, image, label = self._items[index]
        if isinstance(image, pathlib.Path):
            image = decode(image, self._shape, image)
        return Item(name, image, label)

    @property
    def names(self):
        """Names of the items, in order."""
        return [name for name, _, _ in self._items]


def first(path, shape, count):
    """The first images to measure or to compare on; noise without a path.

    Args:
        path: as for `Source`, or None.
        shape: (height, width, channels).
        count: images at most; of noise as many.

    Returns:
        [N, H, W, 3] uint8, or a list of its images.

    Raises:
        ImageError: one of them is broken, or of another shape.
    """
    if path is None:
        return np.random.default_rng(0).integers(
            0, 256, [count, *shape], np.uint8)
    found = []
    for item in itertools.islice(Source(path, shape), count):
        if isinstance(item.image, errors.ImageError):
            raise item.image
        if item.image.shape != shape:
            raise _other_shape(item.name, shape, item.image.shape)
        found.append(item.image)
    return found


def decode(file, shape, where):
    """One image.

    Args:
        file: a path, or an open binary file.
        shape: (height, width, 3) that it must have; None: any.
        where: its name, for messages.

    Returns:
        [H, W, 3] uint8, or the ImageError that says what is wrong.
    """
    try:
        with _opened(file) as content, Image.open(
                content, formats=FORMATS) as image:
            if (mode := _deep_mode(image)) is not None:
                return errors.ImageError(
                    f"{where}: expected 8 bits per channel, found mode "
                    f"{mode}. Convert it to 8-bit RGB.")
            # A camera may say that its picture lies on its side.
            if shape and sorted(image.size) != sorted(shape[:2]):
                return _other_shape(where, shape, (*image.size[::-1], 3))
            upright = ImageOps.exif_transpose(image).convert("RGB")
            if shape and upright.size != shape[1::-1]:
                return _other_shape(where, shape, (*upright.size[::-1], 3))
            return np.asarray(upright)
    except Exception as error:  # broken images raise a dozen different types
        reason = ("not an image, or cut short" if isinstance(
            error, UnidentifiedImageError) else error)
        return errors.ImageError(
            f"{where}: cannot be decoded ({reason}). Replace the file.")


def _opened(file):
    """A path's file, or the file itself, which its owner closes."""
    if isinstance(file, (str, os.PathLike)):
        return regular_file.open_(file)
    return contextlib.nullcontext(file)


def _other_shape(where, shape, found):
    return errors.ImageError(
        f"{where}: expected an image of shape {list(shape)}, found "
        f"{list(found)}. Crop or scale it to the size the network was trained "
        "on.")


def _deep_mode(image):
    """Mode of a Pillow image with more than 8 bits per channel, else None."""
    # Pillow opens a 16-bit RGB file as an 8-bit image; only the decoder's
    # arguments still tell what lies in the file.
    stored = [tile[3] for tile in image.tile]
    stored = [args[0] if isinstance(args, tuple) else args for args in stored]
    return next((mode for mode in (image.mode, *stored) if mode in _DEEP_MODES
                 or (isinstance(mode, str) and ";16" in mode)), None)


def _npz_items(path):
    """[(name, image, label or None)] of an .npz."""
    try:
        with regular_file.open_(path) as file, np.load(
                file, allow_pickle=False) as arrays:
            unpacked = sum(info.file_size for info in arrays.zip.infolist())
            if unpacked > _MOST_BYTES:
                raise ValueError(f"it unpacks to {unpacked:,} bytes, more than "
                                 f"{_MOST_BYTES:,}")
            images = _array(arrays, "images")
            labels = _array(arrays, "labels") if "labels" in arrays else None
    except KeyError:
        raise errors.ImageError(
            f"{path}: expected an array called `images` [N, H, W, 3] uint8, "
            "found none. Save it with numpy.savez(path, images=...).") from None
    except Exception as error:  # a broken zip raises a dozen different types
        raise errors.ImageError(
            f"{path}: cannot be read as .npz ({error}). Write it again."
        ) from None
    if images.ndim != 4 or not len(images) or images.dtype != np.uint8:
        raise errors.ImageError(
            f"{path}: expected `images` of shape [N, H, W, 3] and type uint8, "
            f"found {list(images.shape)} of {images.dtype}.")
    if labels is not None and (labels.shape != images.shape[:1]
                               or not np.issubdtype(labels.dtype, np.integer)):
        raise errors.ImageError(
            f"{path}: expected {len(images)} whole numbers in `labels`, found "
            f"{list(labels.shape)} of {labels.dtype}.")
    return [(f"{path.name}[{index}]", image,
             None if labels is None else int(labels[index]))
            for index, image in enumerate(images)]


def _array(arrays, name):
    """An array of an .npz; raises ValueError for another file in it."""
    array = arrays[name]
    if not isinstance(array, np.ndarray):  # numpy returns the file's bytes
        raise ValueError(f"`{name}` is no array")
    return array
