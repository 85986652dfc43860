"""Damaged .npz files: arrays of other types, other files in them, bombs.

A kind is a function of (random, folder) that returns the file's path.
"""

import io
import struct
import zipfile

import numpy as np

import damage
import pictures

SHAPE = (8, 12, 3)  # of the images

_NAME = "a.npz"


def _bytes(random, folder):
    arrays = {"images": np.stack([pictures.noise(*SHAPE[:2])] * 3),
              "labels": np.arange(3)}
    file = io.BytesIO()
    random.choice((np.savez, np.savez_compressed))(file, **arrays)
    path = folder / _NAME
    path.write_bytes(damage.any_bytes(random, file.getvalue()))
    return path


def _arrays(random, folder):
    """Arrays of other types and shapes, in any combination."""
    arrays = {name: random.choice(_ARRAYS) for name in random.sample(
        ("images", "labels", "file", "images.npy"), random.randint(0, 3))}
    path = folder / _NAME
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array)
    return path


_ARRAYS = [
    np.zeros(shape, dtype) for shape in (
        (), (0,), (2,), (2, 2), (2, *SHAPE), (0, *SHAPE), (2, 8, 12),
        (2, 8, 12, 0), (2, 8, 12, 4), (1,) * 20)
    for dtype in ("u1", "i1", ">i8", "u8", "f4", "?", "U3", "M8[s]", "V9",
                  [("a", "u1")], object, "c16")]
_ARRAYS += [np.asfortranarray(np.zeros((2, *SHAPE), np.uint8)),
            np.array([2**63, 1], np.uint64), np.array([-1, 10**6])] * 10


def _member(random, folder):
    """An array whose header or length says something else than is there."""
    header = random.choice(_HEADERS)
    content = random.choice((
        _npy(header, bytes(2 * 8 * 12 * 3)), _npy(header, b""),
        _npy(header, bytes(9), version=random.randint(0, 255)), header, b"",
        b"\x93NUMPY", b"\x93NUMPY\1\0\xff\xff", b"\x80\4K\1."))
    path = folder / _NAME
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(random.choice(("images.npy", "images")), content)
        if random.random() < 0.5:
            archive.writestr("labels.npy", random.choice((
                content, _npy(header, bytes(16)))))
    return path


def _npy(header, content, version=1):
    return (b"\x93NUMPY" + bytes((version, 0)) + struct.pack("<H", len(header))
            + header + content)


_HEADERS = [
    ("{'descr': %s, 'fortran_order': %s, 'shape': %s}\n" % fields).encode()
    for fields in [
        ("'|u1'", "False", "(2, 8, 12, 3)"), ("'|u1'", "True", "(2, 8, 12, 3)"),
        ("'|u1'", "False", "(2, 8, 12, 3, )"), ("'|u1'", "3", "(2, 8, 12, 3)"),
        ("'|u1'", "False", "(1000000000, 8, 12, 3)"),
        ("'|u1'", "False", "(1000000000000000000, 8, 12, 3)"),
        ("'|u1'", "False", "(-1, 8, 12, 3)"), ("'|u1'", "False", "(0, -5)"),
        ("'|u1'", "False", "(True, 8, 12, 3)"), ("'|u1'", "False", "2"),
        ("'|u1'", "False", "(1.0, 8, 12, 3)"), ("'|O'", "False", "(2,)"),
        ("'<i8'", "False", "(2,)"), ("'|V0'", "False", "(2,)"),
        ("[('a', '|u1')]", "False", "(2,)"), ("'nonsense'", "False", "(2,)"),
        ("'|u1'", "False", "(" * 90), ("'|u1'", "False", "9" * 5000),
        ("None", "None", "None")]]
_HEADERS += [b"", b"{", b"[]", b"{}", b"\xff" * 50, b"{'a': " * 3000]


def _bomb(random, folder):
    """A member that says it is far smaller or larger than it is."""
    path = folder / _NAME
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("images.npy", "labels.npy"):
            archive.writestr(name, _npy(_HEADERS[0], bytes(1 << 16)))
            # Of the directory at the end, which is written on closing.
            archive.getinfo(name).file_size = random.choice(
                (0, 80, 1 << 16, (1 << 32) - 2, 1 << 40))
    return path


def _odd_file(random, folder):
    path = folder / _NAME
    path.touch()
    damage.place_odd_file(random, path)
    return path


KINDS = {"npz_bytes": _bytes, "npz_arrays": _arrays,
         "npz_member": _member, "npz_bomb": _bomb,
         "npz_odd_file": _odd_file}
