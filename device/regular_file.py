"""Opens files that are files: a pipe is not waited for, a device not read."""

import os
import stat


def open_(path):
    """A regular file, open for reading bytes.

    Raises:
        OSError: it cannot be opened, or is a pipe, a socket or a device.
    """
    return open(path, "rb", opener=_descriptor)


def read(path, most_bytes):
    """The bytes of a regular file.

    Raises:
        OSError: as `open_`, or it holds more than `most_bytes`.
    """
    with open_(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(f"larger than {most_bytes:,} bytes")
    return content


def _descriptor(path, flags):
    # Without O_NONBLOCK a pipe would be opened when somebody writes to it.
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
    mode = os.fstat(descriptor).st_mode
    # Of a folder, open says better what is wrong.
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        os.close(descriptor)
        raise OSError("neither a file nor a link to one")
    return descriptor
