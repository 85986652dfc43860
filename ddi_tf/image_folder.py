"""The user's own images: a folder of class folders, and how it is split.

    FOLDER/CLASS/image.jpg                     split by file name: 70 / 10 / 20%
    FOLDER/{train,test}/CLASS/image.jpg        tune: 10% of train, by file name
    FOLDER/{train,val}/CLASS/image.jpg         the same, with val for test
    FOLDER/{train,val,test}/CLASS/image.jpg    val is tune

A file's split follows from its name alone, so adding, deleting or relabelling
files does not move the others. Names that begin with a dot are not looked at.
"""

import hashlib
import pathlib
import unicodedata

from absl import logging

from ddi_tf import data
from ddi_tf import decoding
from ddi_tf import errors

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")

TUNE_SHARE = 0.1  # of the files that are not in a folder of their own split
TEST_SHARE = 0.2

_LAYOUT = ("Expected FOLDER/CLASS/*.jpg, or FOLDER/train/CLASS/*.jpg beside "
           "test/ or val/.")


def listing(path):
    """(class names, {split: [decoding.Encoded]}), not yet decoded.

    Classes are in the order of their names; files in that of class and name.

    Args:
        path: the folder.

    Raises:
        DataError: no such folder, fewer than two classes, a class without
            training images, a split without images, or a layout that is none
            of the above.
    """
    path = pathlib.Path(path)
    if not path.is_dir():
        raise errors.DataError(
            f"{path}: no such folder. Give the folder of your images as "
            "--data_dir.")
    if (path / "train").is_dir() and any(
            (path / name).is_dir() for name in ("val", "test")):
        classes, splits = _split_by_folders(path)
    else:
        classes = _class_folders(path)
        splits = _split_by_names(
            _files(path, classes), {"tune": TUNE_SHARE, "test": TEST_SHARE})
    _check(path, classes, splits)
    return classes, splits


def _split_by_folders(path):
    """The same as `listing`, for a folder that holds train/ and others."""
    names = [n for n in ("train", "val", "test") if (path / n).is_dir()]
    if others := [f.name for f in _folders(path) if f.name not in names]:
        logging.warning("%s: train/ is split already, so %s is not read", path,
                        ", ".join(others))
    classes = _class_folders(path / "train")
    files = {name: _files(path / name, classes) for name in names}
    for name in names[1:]:
        found = {folder.name for folder in _folders(path / name)}
        if unknown := sorted(found - set(classes)):
            raise errors.DataError(
                f"{path / name}: {unknown[0]}/ is no class of "
                f"{path / 'train'} ({', '.join(classes)}). Rename or remove "
                "it.")
    if len(names) == 3:
        return classes, {"train": files["train"], "tune": files["val"],
                         "test": files["test"]}
    splits = _split_by_names(files["train"], {"tune": TUNE_SHARE})
    return classes, {**splits, "test": files[names[1]]}


def _split_by_names(files, shares):
    """Files to {split}: `shares` by a hash of each file's name, rest train."""
    splits = {"train": [], **{name: [] for name in shares}}
    for file in files:
        place = _place(pathlib.Path(file.content).name)
        for name, share in shares.items():
            if place < share:
                break
            place -= share
        else:
            name = "train"
        splits[name].append(file)
    return splits


def _place(file_name):
    """A number in [0, 1) that the name decides, on every system the same."""
    name = unicodedata.normalize("NFC", file_name)  # macOS decomposes accents
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _class_folders(path):
    """Names of the folders in `path`, two at least, in order."""
    classes = tuple(folder.name for folder in _folders(path))
    if len(classes) < 2:
        found = f"only {classes[0]}/" if classes else "none"
        raise errors.DataError(
            f"{path}: expected a folder of images for each of two classes or "
            f"more, found {found}. {_LAYOUT}")
    return classes


def _files(path, classes):
    """[decoding.Encoded] of the image files of every class."""
    files = []
    for label, name in enumerate(classes):
        folder = path / name
        for file in _visible(folder) if folder.is_dir() else ():
            if file.is_dir():
                raise errors.DataError(
                    f"{folder}: expected images, found the folder "
                    f"{file.name}/. {_LAYOUT}")
            if file.suffix.lower() in SUFFIXES:
                files.append(decoding.Encoded(str(file), str(file), label))
    return files


def _folders(path):
    return [entry for entry in _visible(path) if entry.is_dir()]


def _visible(path):
    """Entries of a folder, by name, without those that begin with a dot."""
    try:
        return sorted(entry for entry in path.iterdir()
                      if not entry.name.startswith("."))
    except OSError as error:
        raise errors.DataError(
            f"{path}: cannot be read ({error.strerror}). Make it readable."
        ) from None


def _check(path, classes, splits):
    trained = {file.label for file in splits["train"]}
    for label, name in enumerate(classes):
        if label not in trained:
            raise errors.DataError(
                f"{path}: expected training images of every class, found none "
                f"of {name} (files ending in {', '.join(SUFFIXES)}). Add some "
                "or remove the folder.")
    for split in data.SPLITS:
        if not splits[split]:
            count = sum(map(len, splits.values()))
            raise errors.DataError(
                f"{path}: none of the {count} images falls to the {split} "
                "split. Add images, 50 or more in all, or give it a folder of "
                "its own (val/, test/).")


def fingerprint(splits):
    """Hash of which files are in which split and class, for run.json."""
    digest = hashlib.sha256()
    for name, files in splits.items():
        for file in files:
            line = "\0".join((name, str(file.label),
                              pathlib.Path(file.content).name))
            digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()[:16]


def changes(splits):
    """Hash of the files' sizes and times of change; opens none of them."""
    digest = hashlib.sha256()
    for file in sum(splits.values(), []):
        try:
            status = pathlib.Path(file.content).stat()
            digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
        except OSError:  # a link to nowhere; decoding will say so
            digest.update(b"?\n")
    return digest.hexdigest()[:16]
