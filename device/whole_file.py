"""Files that are written whole or not at all, whenever the power fails."""

import errno
import os
import pathlib
import secrets
import stat
import tempfile


def write(path, content, error):
    """Makes `content` that of a file; a reader sees the old one or this.

    After it returns, the content survives a power cut.

    Args:
        path: of the file; links are followed.
        content: bytes, or str, which is written as UTF-8.
        error: class of `errors.DeviceError` to raise.

    Raises:
        error: the file cannot be written; what it held is still there.
    """
    if isinstance(content, str):
        content = content.encode()
    file = target(path, error)
    temporary = file.with_name(f".writing-{secrets.token_hex(4)}")
    try:
        try:
            with open(temporary, "xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(file.parent)
    except OSError as failure:
        raise _unwritable(path, failure, error) from None


def check_writable(path, error):
    """Whether `write` can write there, before what there is to write is known.

    Raises:
        error: no such folder, no permission, or not a plain file.
    """
    try:
        with tempfile.TemporaryFile(dir=target(path, error).parent):
            pass
    except OSError as failure:
        raise _unwritable(path, failure, error) from None


def target(path, error):
    """The plain file behind `path`, links followed; it need not exist.

    Raises:
        error: a folder, a device, or links in a circle.
    """
    try:
        file = pathlib.Path(path).resolve()
        plain = stat.S_ISREG(file.stat().st_mode)
    except FileNotFoundError:
        return file
    except (OSError, RuntimeError, ValueError) as failure:  # links in a circle
        raise _unwritable(path, failure, error) from None
    if not plain:
        raise error(f"{path}: expected a file to write, found a folder or "
                    "device. Give the name of a file.")
    return file


def sync_folder(folder):
    """Makes the names in a folder survive a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as failure:
        if failure.errno != errno.EINVAL:  # network drives cannot do it
            raise
    finally:
        os.close(descriptor)


def _unwritable(path, failure, error):
    reason = getattr(failure, "strerror", None) or failure
    return error(f"{path}: cannot be written ({reason}). Give a file in an "
                 "existing folder that you may write to.")
