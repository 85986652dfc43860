"""SHA256SUMS: the hash of every file of a folder, as `sha256sum` writes it."""

import hashlib
import pathlib

from ddi_tf import storage
from ddi_tf.zoo import entry as entry_lib

NAME = "SHA256SUMS"


def write(folder):
    """Writes SHA256SUMS of all files below `folder`. Raises StorageError."""
    storage.write_atomically(pathlib.Path(folder) / NAME, "".join(
        f"{digest}  {name}\n" for name, digest in _found(folder).items()))


def failures(folder):
    """Says of every file that is missing, changed or not listed that it is.

    Raises:
        ZooError: there is no SHA256SUMS, or it is damaged.
    """
    listed, found = _listed(folder), _found(folder)
    for name in sorted({**listed, **found}):
        path = pathlib.Path(folder) / name
        if name not in found:
            yield f"{path} is missing"
        elif name not in listed:
            yield f"{path} is not listed in {NAME}"
        elif listed[name] != found[name]:
            yield (f"{path} was changed: expected sha256 {listed[name][:12]}"
                   f"..., found {found[name][:12]}...")


def _listed(folder):
    """{name: hex digest} of SHA256SUMS."""
    entry = entry_lib.Entry(folder)
    try:
        return {name: digest for digest, name in (
            line.split("  ", 1) for line in entry.text(NAME).splitlines())}
    except ValueError as error:
        raise entry.unreadable(NAME, error) from None


def _found(folder):
    """{name: hex digest} of all files, in order, but SHA256SUMS itself."""
    folder = pathlib.Path(folder)
    names = sorted(file.relative_to(folder).as_posix()
                   for file in folder.rglob("*") if file.is_file())
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in names if name != NAME}
