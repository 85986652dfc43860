"""Answers as JSON lines, one object per line; also on standard output."""

import json
import os
import sys

from device import errors
from device.outputs import line_file


def _encode(record):
    """The line of a record, bytes in ASCII."""
    return json.dumps(record).encode() + b"\n"


def _decode(line):
    """The record in a line, or None."""
    try:
        record = json.loads(line)
        return record if isinstance(record["number"], int) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


FORMAT = line_file.Format(b"", b'{"number": ', _encode, _decode)


class Stdout:
    """Writes to standard output: whoever reads it keeps the answers.

    Attributes:
        last: None, since what was written cannot be read again.
        pending: 0, since nothing is kept.

    Raises:
        OutputError: the process was started without it.
    """

    last = None
    pending = 0

    def __init__(self, file=None):
        self._file = sys.stdout if file is None else file
        if self._file is None:
            raise errors.OutputError(
                "standard output: is closed. Leave it open, or use "
                "--output=FILE.jsonl.")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def write(self, record):
        """Writes one line at once. Raises OutputError."""
        try:
            print(json.dumps(record), file=self._file, flush=True)
        except OSError as error:
            # Python flushes it once more at the end, which would fail again.
            with open(os.devnull, "wb") as nothing:
                os.dup2(nothing.fileno(), self._file.fileno())
            raise errors.OutputError(
                f"standard output: cannot be written ({error.strerror}). "
                "Keep its reader running, or use --output=FILE.jsonl."
            ) from None

    def sync(self):
        """There is nothing to do."""

    def close(self):
        """Standard output stays open."""
