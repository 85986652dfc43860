"""Files written in full or not at all, and one error where that fails."""

import contextlib
import os
import pathlib
import re

import tensorflow as tf

from ddi_tf import errors


@contextlib.contextmanager
def writing(path):
    """Names the file that cannot be written, and the remedy.

    Raises:
        StorageError: whatever the system or TensorFlow raised inside.
    """
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        raise errors.StorageError(
            f"{path} cannot be written ({reason(error)}). What was saved "
            "before is intact: make room or allow writing there, then give the "
            "same command again.") from None


def reason(error):
    """What an error of the system or of TensorFlow says, on one line."""
    text = getattr(error, "strerror", None) or str(error) or "unreadable"
    # TensorFlow adds the operation's names around it.
    return re.sub(r"^\{\{.*?\}\} | \[Op:\w+\]$", "", text.splitlines()[0])


def write_atomically(path, content):
    """Writes a text or bytes to `path` in full or not at all.

    Even on power loss.

    Raises:
        StorageError: the disk is full or `path` not writable.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(path.name + ".tmp")
    data = content.encode() if isinstance(content, str) else content
    with writing(path):
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        sync(path.parent)


def append(path, line):
    """Adds a line to a file, on the disk when this returns.

    Raises:
        StorageError: the disk is full or `path` not writable; part of the
            line may be there.
    """
    with writing(path):
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())


def sync(path):
    """Forces a file's bytes, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
