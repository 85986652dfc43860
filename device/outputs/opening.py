"""The output that a text on the command line names."""

import math
import pathlib

from absl import logging

from device import errors
from device.outputs import csv_file
from device.outputs import json_lines
from device.outputs import keeping
from device.outputs import line_file
from device.outputs import sqlite_file

FORMS = ("- for JSON lines on standard output, FILE.jsonl or FILE.json for "
         "JSON lines, FILE.csv, or FILE.db, FILE.sqlite or FILE.sqlite3 for an "
         "SQLite database with a table `answers`")

_LINES = {".jsonl": json_lines.FORMAT, ".json": json_lines.FORMAT,
          ".csv": csv_file.FORMAT}
_SQLITE = (".db", ".sqlite", ".sqlite3")


def open_output(text, *, going_on=False, max_mb=None, keep=5,
                warn=logging.warning):
    """Opens an output.

    Args:
        text: one of FORMS.
        going_on: goes on with a file that exists; otherwise that is an error.
        max_mb: megabytes (1,000,000 bytes) after which a file of lines is
            rotated (`line_file.LineFile`); None: never.
        keep: how many old files are kept.
        warn: called with a message when the disk is full, and when it is not
            any more.

    Returns:
        `json_lines.Stdout` or `keeping.Keeping`.

    Raises:
        OutputError: no such form, or the file cannot be used.
    """
    if text == "-":
        return json_lines.Stdout()
    if max_mb is not None and not 0 < max_mb < math.inf:
        raise errors.OutputError(
            f"{text}: expected a largest size above 0, found {max_mb} "
            "megabytes. Give one, or none.")
    if not going_on:
        _refuse_existing(text)
    suffix = pathlib.Path(text).suffix.lower()
    if suffix in _LINES:
        sink = line_file.LineFile(
            text, _LINES[suffix], keep=keep,
            max_bytes=None if max_mb is None else int(1e6 * max_mb))
    elif suffix not in _SQLITE:
        raise errors.OutputError(
            f"{text}: expected a name that ends in "
            f"{', '.join([*_LINES, *_SQLITE])}, or -. Give such a name.")
    elif max_mb is not None:
        raise errors.OutputError(
            f"{text}: expected no largest size, since a database is not "
            "rotated. Use .jsonl or .csv.")
    else:
        sink = sqlite_file.SqliteFile(text)
    return keeping.Keeping(sink, warn=warn)


def _refuse_existing(text):
    """Raises OutputError if there are answers that could be lost."""
    # The second is what a rotation left.
    for path in (pathlib.Path(text), pathlib.Path(f"{text}.1")):
        if path.is_file() and path.stat().st_size:
            raise errors.OutputError(
                f"{path}: exists already. Give another name, move it away, or "
                "go on with it by --state.")
