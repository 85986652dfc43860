"""A text file of one record per line: only ever whole lines, and rotated."""

import contextlib
import fcntl
import os
from typing import Callable, NamedTuple

from device import errors
from device import whole_file

_TAIL = 1 << 20  # bytes in which a file that goes on must have a record


class Format(NamedTuple):
    """How a record becomes a line."""

    header: bytes      # the first line of every file, or b""
    beginning: bytes   # of the first line; tells whose file it is
    encode: Callable   # record -> a line with its end, bytes
    decode: Callable   # line -> a dict, or None if it is no whole record


class LineFile:
    """Appends records; a sink of `keeping.Keeping`.

    Goes on with a file that exists: half a line at its end, which a killed
    process leaves, is cut off.

    Args:
        path: of the file; links are followed.
        format_: `Format`.
        max_bytes: a file that would grow beyond is renamed to PATH.1, that one
            to PATH.2 and so on; None: never.
        keep: how many such old files are kept, at least 1.

    Attributes:
        last: the last record that the file held when it was opened, or None.

    Raises:
        OutputError: there is a file that holds something else; another process
            writes to it; no permission.
    """

    def __init__(self, path, format_, *, max_bytes=None, keep=5):
        self._path = whole_file.target(path, errors.OutputError)
        self._format, self._max_bytes, self._keep = format_, max_bytes, keep
        self._descriptor, self._length, self._torn = None, 0, False
        with self._reported():
            self._open()
            try:
                self.last = self._recover()
            except BaseException:
                self.close()
                raise

    def append(self, record):
        """Writes a record as a whole or not at all. Raises OutputError."""
        line = self._format.encode(record)
        with self._reported():
            if self._descriptor is None:
                self._open()
            if self._torn:
                self._cut(self._length)
            if self._max_bytes is not None and self._length and (
                    self._length + len(line) > self._max_bytes):
                self._rotate()
            self._write(line if self._length else self._format.header + line)

    def sync(self):
        """Makes what was written survive a power cut. Raises OutputError."""
        with self._reported():
            if self._descriptor is not None:
                os.fsync(self._descriptor)

    def close(self):
        """May be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self):
        descriptor = os.open(
            self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            _lock(descriptor, self._path)
            whole_file.sync_folder(self._path.parent)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self._length = os.fstat(descriptor).st_size

    def _recover(self):
        """The last record; cuts off what comes after it."""
        tail = os.pread(self._descriptor, _TAIL, max(0, self._length - _TAIL))
        end, last = _last(tail, self._format.decode)
        if last is None:
            self._check_ours(tail)
            end = len(self._format.header)
            end = end if tail.startswith(self._format.header) else 0
        elif os.pread(self._descriptor, len(self._format.header),
                      0) != self._format.header:
            raise errors.OutputError(
                f"{self._path}: expected the columns of this version. Move it "
                "away.")
        self._cut(self._length - len(tail) + end)
        # Killed right after a rotation.
        if last is None and self._old(1).exists():
            with open(self._old(1), "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
                last = _last(file.read(), self._format.decode)[1]
        return last

    def _check_ours(self, tail):
        beginning = self._format.beginning
        begun = tail.rstrip(b"\0")  # of blocks that were never written
        if self._length > len(tail) or not (
                begun.startswith(beginning) or beginning.startswith(begun)):
            raise errors.OutputError(
                f"{self._path}: expected answers to go on with, found "
                "something else. Move it away, or give another name.")

    def _write(self, line):
        self._torn = True
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest):]
        except OSError:
            with contextlib.suppress(OSError):  # else before the next line
                self._cut(self._length)
            raise
        self._length += len(line)
        self._torn = False

    def _cut(self, length):
        os.ftruncate(self._descriptor, length)
        self._length, self._torn = length, False

    def _rotate(self):
        os.fsync(self._descriptor)
        self.close()
        free = 1
        while free < self._keep and self._old(free).exists():
            free += 1
        for number in range(free, 1, -1):
            os.replace(self._old(number - 1), self._old(number))
        os.replace(self._path, self._old(1))
        self._open()

    def _old(self, number):
        return self._path.with_name(f"{self._path.name}.{number}")

    @contextlib.contextmanager
    def _reported(self):
        """Turns OSError into OutputError."""
        try:
            yield
        except OSError as error:
            raise errors.OutputError(
                f"{self._path}: cannot be written ({error.strerror}). Make "
                "room, or see whether its folder is there and yours."
            ) from None


def _last(content, decode):
    """(where the last whole record ends, the record), or (0, None)."""
    end = len(content)
    while end > 0:
        begin = content.rfind(b"\n", 0, end - 1) + 1
        if content[end - 1:end] == b"\n":
            record = decode(content[begin:end])
            if record is not None:
                return end, record
        end = begin
    return 0, None


def _lock(descriptor, path):
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise errors.OutputError(
            f"{path}: another run writes to it. Stop that one, or give "
            "another name.") from None
    except OSError:
        pass  # a network drive without locks
