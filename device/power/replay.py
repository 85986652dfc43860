"""Readings of a battery that were recorded, and their recording.

A log is JSON lines, `{"seconds": 0.0, "charge": 0.97, "draw_w": 2.6,
"voltage_v": 4.1, "charging": false}`, or CSV with those columns; what a source
could not tell is null, an empty field or left out.
"""

import bisect
import csv
import dataclasses
import errno
import json
import math
import os
import pathlib
import time

from absl import logging

from device import errors
from device.power import reading

_FIELDS = tuple(field.name for field in dataclasses.fields(reading.Reading))
_TAIL_BYTES = 4096  # of which one line is certainly a part
# What rows raise that are something else.
_NONSENSE = (ValueError, KeyError, TypeError, AttributeError, IndexError,
             csv.Error)
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


class Replay:
    """Tells what a log says of the time since it was opened.

    Args:
        path: of the log; `.csv`, all else is JSON lines.
        clock: seconds; only differences count.
    """

    def __init__(self, path, clock=time.monotonic):
        path = pathlib.Path(path)
        self.name = f"recording {path.name}"
        self._seconds, self._readings = _load(path)
        self._clock, self._began_s = clock, clock()

    def read(self):
        """The `reading.Reading` of now. Raises PowerError past the end."""
        seconds = self._clock() - self._began_s + self._seconds[0]
        if seconds > self._seconds[-1]:
            raise errors.PowerError(
                f"{self.name}: it ends after {self._seconds[-1]:.0f} s.")
        return self._readings[bisect.bisect_right(self._seconds, seconds) - 1]

    def close(self):
        """There is nothing to free."""


class Recorder:
    """Appends readings to a log of JSON lines, which `Replay` reads.

    A line takes some 90 bytes. A log that is there is continued: its seconds go
    on where they ended. A disk that is full, or gone, ends the recording with a
    warning: it must not end what is recorded.

    Args:
        path: of the log.
        clock: seconds; only differences count.

    Raises:
        PowerError: it cannot be written, or is something else.
    """

    def __init__(self, path, clock=time.monotonic):
        self._path, self._clock = pathlib.Path(path), clock
        try:
            self._file = open(self._path, "a+b", buffering=0)
            self._began_s = clock() - _end_s(self._file)
        except (OSError, *_NONSENSE) as error:
            raise errors.PowerError(
                f"{self._path}: no readings can be recorded there: {error!r}. "
                "Name another file.") from error

    def record(self, reading_):
        """Appends a `reading.Reading` of now."""
        if self._file is None:
            return
        row = {"seconds": round(self._clock() - self._began_s, 3),
               **dataclasses.asdict(reading_)}
        line = (json.dumps(row, default=str) + "\n").encode()
        try:
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            logging.warning("%s: readings are no longer recorded: %s",
                            self._path, error)
            self.close()

    def close(self):
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError:
                pass  # what could be written is; `record` told of the rest


def _end_s(file):
    """Seconds at which a log ends; a line torn by a power cut is removed."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _TAIL_BYTES, 0))
    tail = file.read(_TAIL_BYTES)
    whole, newline, torn = tail.rpartition(b"\n")
    # What was not yet on the disk may have become zeros.
    if not b'{"seconds": '.startswith(torn.rstrip(b"\0")[:12]):
        raise ValueError("it is something else")
    seconds = (_parse(json.loads(whole.splitlines()[-1]))[0] if newline
               else 0.0)
    file.truncate(size - len(torn))
    return seconds


def _load(path):
    """(seconds, never falling; `reading.Reading`s) of a log."""
    rows = csv.DictReader if path.suffix == ".csv" else _json_rows
    seconds, readings = [], []
    try:
        with open(path, encoding="utf-8", newline="") as file:
            for row in rows(file):
                second, reading_ = _parse(row)
                if not (math.isfinite(second)
                        and (not seconds or second >= seconds[-1])):
                    raise ValueError("its seconds do not rise")
                seconds.append(second)
                readings.append(reading_)
    except OSError as error:
        raise errors.PowerError(f"{path}: cannot be read: {error}.") from error
    except _NONSENSE as error:
        raise errors.PowerError(
            f"{path}: row {len(seconds) + 1} is not a reading: {error!r:.80}. "
            f"Expected seconds and any of {', '.join(_FIELDS)}.") from error
    if not seconds:
        raise errors.PowerError(f"{path}: holds no readings.")
    return seconds, readings


def _json_rows(file):
    for line in file:
        try:
            yield json.loads(line)
        except ValueError:
            if line.endswith("\n"):
                raise
            # A power cut tore the last line.


def _parse(row):
    """(seconds, `reading.Reading`) of a row: name -> text or value."""
    numbers = {name: _number(row.get(name)) for name in _FIELDS[:-1]}
    charging = row.get("charging")
    if isinstance(charging, str):
        charging = _BOOLEANS[charging.strip().lower()] if charging else None
    return float(row["seconds"]), reading.Reading(**numbers, charging=charging)


def _number(value):
    return None if value in (None, "") else float(value)
