"""Images from a folder, a file or an .npz, one at a time; bad ones reported."""

import itertools
import pathlib
from typing import NamedTuple, Optional, Union

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from device import errors

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")

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
        for name, image, label in self._items:
            if isinstance(image, pathlib.Path):
                image = _decode(image, self._shape)
            yield Item(name, image, label)


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
            raise errors.ImageError(
                f"{item.name}: expected an image of shape {list(shape)}, found "
                f"{list(item.image.shape)}. Crop or scale it to the size the "
                "network was trained on.")
        found.append(item.image)
    return found


def _decode(path, shape):
    """[H, W, 3] uint8, or the ImageError that says what is wrong."""
    try:
        with Image.open(path) as image:
            if (mode := _deep_mode(image)) is not None:
                return errors.ImageError(
                    f"{path}: expected 8 bits per channel, found mode "
                    f"{mode}. Convert it to 8-bit RGB.")
            # A camera may say that its picture lies on its side.
            if shape and sorted(image.size) != sorted(shape[:2]):
                return errors.ImageError(
                    f"{path}: expected an image of shape {list(shape)}, found "
                    f"[{image.size[1]}, {image.size[0]}, 3]. Crop or scale it "
                    "to the size the network was trained on.")
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError,
            Image.DecompressionBombError) as error:
        reason = ("not an image, or cut short" if isinstance(
            error, UnidentifiedImageError) else error)
        return errors.ImageError(
            f"{path}: cannot be decoded ({reason}). Replace the file.")


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
        with np.load(path, allow_pickle=False) as arrays:
            images = arrays["images"]
            labels = arrays["labels"] if "labels" in arrays else None
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
