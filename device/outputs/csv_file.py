"""Answers as CSV: `records.COLUMNS` with a header, what is nested as JSON."""

import csv
import io

from device.outputs import line_file
from device.outputs import records


def _line(values):
    """One line, bytes in UTF-8, whatever is in the values."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(
        value.replace("\r", "\\r").replace("\n", "\\n")
        if isinstance(value, str) else value for value in values)
    return text.getvalue().encode()


def _encode(record):
    """The line of a record; a line break in a name is written as \\n."""
    return _line(records.row(record))


def _decode(line):
    """{"number": int, "image": str} of a line, or None."""
    try:
        values, = csv.reader([line.decode()], strict=True)
        if len(values) != len(records.COLUMNS):
            return None
        values = dict(zip(records.COLUMNS, values))
        return {"number": int(values["number"]), "image": values["image"]}
    except (ValueError, csv.Error):
        return None


_HEADER = _line(records.COLUMNS)
FORMAT = line_file.Format(_HEADER, _HEADER, _encode, _decode)
