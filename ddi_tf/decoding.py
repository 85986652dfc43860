"""Image files of any size to squares of uint8; broken files are left out."""

import io
import itertools
import warnings
from concurrent import futures
from typing import NamedTuple, Union

import numpy as np
from absl import logging
from PIL import Image, ImageOps, UnidentifiedImageError

from ddi_tf import data
from ddi_tf import errors
from ddi_tf import progress

# Share of the files that may be broken; a set with more is not what it should
# be.
MAX_BROKEN = 0.01

_LISTED = 10  # broken files that an error names
_CHUNK = 256  # files in flight, so that a set is not queued up in memory

# Modes of more than 8 bits per channel, which would lose what they hold.
_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


class Encoded(NamedTuple):
    """One image as it is stored, not yet looked at."""

    name: str    # for messages
    content: Union[bytes, str]  # an image file's bytes, or its path
    label: int


def square(content, size):
    """The middle of an image, resized: [size, size, 3] uint8, RGB.

    Turned as its EXIF orientation says; transparency is dropped. The shortest
    side becomes `size`, averaged over the pixels that fall together; an image
    that is `size` x `size` already keeps every value.

    Args:
        content: an image file's bytes, or its path.
        size: pixels.

    Raises:
        DataError: not an image, damaged, or of more than 8 bits per channel.
    """
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    try:
        with Image.open(file) as image:
            if _is_deep(image):
                raise errors.DataError("more than 8 bits per channel")
            # A JPEG is decoded at 1/2, 1/4 or 1/8 where that is enough.
            image.draft("RGB", (size, size))
            if "transparency" in image.info:
                image = image.convert("RGBA")
            image = ImageOps.exif_transpose(image).convert("RGB")
            return np.asarray(ImageOps.fit(
                image, (size, size), Image.Resampling.BILINEAR))
    except errors.DataError:
        raise
    except UnidentifiedImageError:
        raise errors.DataError("not an image, or cut short") from None
    except Exception as error:  # a damaged file raises a dozen different types
        raise errors.DataError(str(error) or repr(error)) from None


def splits(encoded, counts, size, new_array, where):
    """{name: `data.Split`} of squares, files decoded on all cores.

    Args:
        encoded: {name of split: iterable of Encoded}, read in this order.
        counts: {name of split: how many there are at most}.
        size: pixels, height and width.
        new_array: function of (name, shape) that returns a uint8 array.
        where: the data set, for messages.

    Raises:
        DataError: more than MAX_BROKEN of the files are broken. Fewer are
            listed in a warning, and left out.
    """
    broken, decoded = [], {}
    total = sum(counts.values())
    with futures.ThreadPoolExecutor() as pool, warnings.catch_warnings():
        # Of files that it reads all the same, or that are listed below.
        warnings.filterwarnings("ignore", module="PIL")
        with progress.bar("decoding", total) as advance:
            for name, stream in encoded.items():
                images = new_array(name, (counts[name], size, size, 3))
                labels = []
                for item, image in _decode(pool, stream, size):
                    advance()
                    if isinstance(image, errors.DataError):
                        broken.append(f"{item.name} ({image})")
                        continue
                    images[len(labels)] = image
                    labels.append(item.label)
                decoded[name] = data.Split(
                    images[:len(labels)], np.array(labels, np.int32))
    if len(broken) > MAX_BROKEN * total:
        raise errors.DataError(
            f"{where}: {len(broken)} of {total} images cannot be decoded, more "
            f"than {MAX_BROKEN:.0%}: {errors.listed(broken, _LISTED)}. "
            "Replace or delete them.")
    if broken:
        logging.warning("%s: left out %d of %d images, which cannot be "
                        "decoded: %s", where, len(broken), total,
                        ", ".join(broken))
    return decoded


def _decode(pool, stream, size):
    """(Encoded, array or DataError) of each, in order."""
    stream = iter(stream)
    while chunk := list(itertools.islice(stream, _CHUNK)):
        yield from zip(chunk, pool.map(
            lambda item: _square_or_error(item.content, size), chunk))


def _square_or_error(content, size):
    try:
        return square(content, size)
    except errors.DataError as error:
        return error


def _is_deep(image):
    """Whether a Pillow image holds more than 8 bits per channel."""
    # Pillow opens a 16-bit RGB file as an 8-bit image; only the decoder's
    # arguments still tell what lies in the file.
    stored = [tile[3] for tile in image.tile]
    stored = [args[0] if isinstance(args, tuple) else args for args in stored]
    return any(mode in _DEEP_MODES or (isinstance(mode, str) and ";16" in mode)
               for mode in (image.mode, *stored))
