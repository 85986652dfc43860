"""Image files for the tests of `device.images` and `device.run`."""

import struct
import zlib

import numpy as np
from PIL import Image

# PNG's colour types, with their channels.
GREY, RGB, GREY_ALPHA, RGB_ALPHA = (0, 1), (2, 3), (4, 2), (6, 4)


def noise(height, width, seed=0):
    """[H, W, 3] uint8."""
    return np.random.default_rng(seed).integers(
        0, 256, (height, width, 3), np.uint8)


def save(path, image):
    """Writes [H, W, 3] uint8; the path's suffix decides the format."""
    Image.fromarray(image).save(path)


def deep_png(colour_type, size):
    """Bytes of a black PNG of 16 bits per channel, size x size."""
    kind, channels = colour_type
    header = struct.pack(">IIBBBBB", size, size, 16, kind, 0, 0, 0)
    rows = size * (b"\0" + bytes(2 * channels * size))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(
        b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def chunk(name, content):
    """Bytes of one chunk of a PNG, with its checksum."""
    return (struct.pack(">I", len(content)) + name + content
            + struct.pack(">I", zlib.crc32(name + content)))
