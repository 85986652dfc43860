"""Damaged images: one of the wanted shape, or an ImageError."""

import functools
import io
import os
import pathlib
import struct
import tempfile
import zlib

import numpy as np
from PIL import Image
from PIL import PngImagePlugin

from device import errors
from device import images
import damage
import fuzz_npz
import fuzzing
import pictures


class Target:
    """Reads images that somebody spoilt.

    Args:
        root: an empty folder.
    """

    def __init__(self, root):
        self._root = pathlib.Path(root)

    def run(self, kind, random):
        """How a case ended; raises what the code raises, or Finding."""
        with tempfile.TemporaryDirectory(dir=self._root) as folder:
            path = KINDS[kind](random, pathlib.Path(folder))
            try:
                items = list(images.Source(path, fuzz_npz.SHAPE))
            except errors.ImageError as error:
                return fuzzing.refused(error)
        outcomes = {_outcome(item, path.suffix == ".npz") for item in items}
        return ", ".join(sorted(outcomes))


def _outcome(item, any_shape):
    """How it went; raises Finding if a controller could stumble over it."""
    if isinstance(item.image, errors.ImageError):
        return fuzzing.refused(item.image)
    if not isinstance(item.image, np.ndarray) or (
            item.image.dtype != np.uint8 or item.image.ndim != 3):
        raise fuzzing.Finding(f"no image: {item.image!r:.300}")
    if not any_shape and item.image.shape != fuzz_npz.SHAPE:
        raise fuzzing.Finding(f"an image of shape {item.image.shape}")
    if item.label is not None and type(item.label) is not int:
        raise fuzzing.Finding(f"a label that is no int: {item.label!r:.300}")
    return "image"


@functools.cache
def _whole():
    """{name: bytes} of every kind that a camera or a person may leave."""
    rgb = Image.fromarray(pictures.noise(*fuzz_npz.SHAPE[:2]))
    sideways = Image.fromarray(pictures.noise(*fuzz_npz.SHAPE[1::-1]))
    exif = sideways.getexif()
    exif.update({0x0112: 6, 0x010F: "a camera", 0x011A: 72.0})
    frames = {"save_all": True, "append_images": [sideways.resize(rgb.size)]}
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "x" * 200, zip=True)
    text.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    return {
        "rgb.png": _saved(rgb, "PNG", pnginfo=text, dpi=(72, 72),
                          icc_profile=bytes(200)),
        "sideways.png": _saved(sideways, "PNG", exif=exif),
        "palette.png": _saved(rgb.quantize(7), "PNG", transparency=3),
        "bits.png": _saved(rgb.convert("1"), "PNG"),
        "alpha.png": _saved(rgb.convert("LA"), "PNG"),
        "deep.png": pictures.deep_png(pictures.RGB, 8),
        "frames.png": _saved(rgb, "PNG", **frames),
        "rgb.jpg": _saved(rgb, "JPEG", quality=90, comment=b"a comment"),
        "sideways.jpg": _saved(sideways, "JPEG", exif=exif,
                               icc_profile=bytes(200)),
        "steps.jpg": _saved(rgb, "JPEG", progressive=True),
        "cmyk.jpg": _saved(rgb.convert("CMYK"), "JPEG"),
        "grey.jpg": _saved(rgb.convert("L"), "JPEG"),
        "frames.jpg": _saved(rgb, "MPO", **frames),
        "rgb.bmp": _saved(rgb, "BMP"),
        "palette.bmp": _saved(rgb.quantize(7), "BMP"),
        "lossy.webp": _saved(sideways, "WEBP", exif=exif),
        "exact.webp": _saved(rgb.convert("RGBA"), "WEBP", lossless=True),
        "frames.webp": _saved(rgb, "WEBP", **frames),
    }


def _saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _image_bytes(change):
    def damage_(random, folder):
        name, content = random.choice(sorted(_whole().items()))
        return _written(folder / name, change(random, content))
    return damage_


def _png_chunk(random, folder):
    """A chunk replaced, doubled or put in, its checksum right."""
    name, content = random.choice(
        [item for item in sorted(_whole().items()) if "png" in item[0]])
    chunks = _chunks(content)
    place = random.randrange(len(chunks))
    kind, content = chunks[place]
    kind = random.choice((kind, kind, *_CHUNKS))
    content = random.choice((
        damage.any_bytes(random, content or b"\0"), b"", random.randbytes(26),
        random.choice(_CHUNKS.get(kind, [b"\0"])), content))
    chunks[place:place + random.randint(0, 1)] = [(kind, content)]
    return _written(folder / name, b"\x89PNG\r\n\x1a\n" + b"".join(
        pictures.chunk(*chunk) for chunk in chunks))


def _chunks(content):
    """[(kind, content)] of a PNG file."""
    chunks, start = [], 8
    while start < len(content):
        length, = struct.unpack_from(">I", content, start)
        chunks.append((content[start + 4:start + 8],
                       content[start + 8:start + 8 + length]))
        start += 12 + length
    return chunks


def _header(width, height, depth=8, colour=2, rest=b"\0\0\0"):
    return struct.pack(">IIBB", width, height, depth, colour) + rest


_BOMB = zlib.compress(bytes(1 << 24), 9)

# What a reader of PNG may stumble over; most are too short, or bombs.
_CHUNKS = {
    b"IHDR": [_header(w, h, depth, colour) for w, h in (
        (0, 0), (12, 8), (8, 12), (2**31 - 1, 2**31 - 1), (2**32 - 1, 1),
        (50_000, 50_000)) for depth in (1, 8, 16, 3)
        for colour in (0, 2, 3, 6, 9)],
    b"PLTE": [b"\0", bytes(3), bytes(5000)],
    b"IDAT": [_BOMB, zlib.compress(bytes(8 * 37))],
    b"tRNS": [b"\0", bytes(300)],
    b"iCCP": [b"a\0\0" + _BOMB, b"a", b"a\0\7x"],
    b"zTXt": [b"a\0\0" + _BOMB, b"a", b"a\0\7x"],
    b"iTXt": [b"a\0\1\0a\0a\0" + _BOMB, b"a\0", b"a\0\1\1\0\0\xff"],
    b"tEXt": [b"a\0" + b"b" * 100_000, b"\xff\xff"],
    b"eXIf": [b"MM\0*\0\0\0\x08" + bytes(2), b"II*\0\xff\xff\xff\xff",
              b"MM\0*\0\0\0\x08\0\1\1\x12\0\5\0\0\0\1\0\0\0\0", b"x"],
    b"gAMA": [b"", b"\0"], b"pHYs": [b"", bytes(9)], b"sRGB": [b""],
    b"cHRM": [b"", bytes(32), b"\0"],
    b"acTL": [b"", struct.pack(">II", 0, 0), struct.pack(">II", 2**31, 1)],
    b"fcTL": [b"", struct.pack(">IIIIIHHBB", 9, 2**31, 9, 9, 9, 0, 0, 9, 9)],
    b"fdAT": [b"", b"\0\0\0\1"], b"IEND": [b""], b"\0\0\0\0": [b""],
}


def _other_format(random, folder):
    """An image that is another than its name says, or none at all."""
    content = random.choice(_foreign())
    if random.random() < 0.5:
        content = damage.any_bytes(random, content)
    return _written(folder / random.choice(("a.png", "a.jpg")), content)


@functools.cache
def _foreign():
    """Files of formats that no camera leaves; EPS is even a program."""
    image = Image.fromarray(pictures.noise(*fuzz_npz.SHAPE[:2]))
    return [
        *(_saved(image, kind) for kind in (
            "GIF", "TIFF", "ICO", "PPM", "TGA", "PCX", "SGI", "IM", "DDS",
            "PDF", "ICNS", "EPS")),
        _saved(image.convert("F"), "TIFF"), b"text", b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe1\0\x08Exif\0\0", b"#!/bin/sh\nsleep 100\n"]


def _odd_image(random, folder):
    """Something else than a file, or a file of an odd name."""
    if random.random() < 0.2:
        name = os.fsdecode(random.choice((
            b"two\nlines", b"\xff\xfe", b"\x1b[2J", b"a" * 200, b"%s{0}")))
        name += random.choice((".png", ".jpg"))
        content = _whole()["rgb.png"]
        if random.random() < 0.5:
            content = damage.any_bytes(random, content)
        return _written(folder / name, content)
    path = _written(folder / f"a{random.choice(images.SUFFIXES)}", b"")
    damage.place_odd_file(random, path)
    return random.choice((path, folder))


def _written(path, content):
    path.write_bytes(content)
    return path


KINDS = {
    "image_flip": _image_bytes(damage.flip),
    "image_cut": _image_bytes(damage.cut),
    "image_splice": _image_bytes(damage.splice),
    "image_chunk": _png_chunk,
    "image_format": _other_format,
    "image_odd_file": _odd_image,
    **fuzz_npz.KINDS,
}
