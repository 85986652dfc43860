"""JSON files that carry their format version and a checksum of their values.

{"format_version": 3, ..., "checksum": sha256 of what else is there}
"""

import dataclasses
import hashlib
import json
import pathlib

from device import errors
from device import regular_file
from device import typed_json


@dataclasses.dataclass(frozen=True)
class Format:
    """What a kind of file holds, and what to tell who gives another one."""

    contents: type              # the dataclass it is read as
    version: int
    most_bytes: int             # a larger one is not read
    error: type[errors.DeviceError]
    name: str                   # of the contents: "the manifest"
    copied: str                 # what to copy again if it is damaged
    again: str                  # what makes another: "export again"


def read(path, file_format):
    """What the file `path` holds.

    Args:
        path: of the file.
        file_format: `Format`.

    Returns:
        (a `Format.contents`, the checksum that the file carries).

    Raises:
        FileNotFoundError: there is none.
        Format.error: damaged, or of another version; says what, where, and
            the remedy.
    """
    try:
        return _checked(path, _object(path, file_format), file_format)
    except RecursionError:  # of reading, of hashing, or of quoting a mistake
        raise file_format.error(
            f"{path}: cannot be read as JSON (nested too deeply). "
            f"{_remedy(file_format)}") from None


def values(contents):
    """A dataclass as the json module reads it back: lists for tuples."""
    return json.loads(json.dumps(dataclasses.asdict(contents)))


def sealed(unsealed):
    """`unsealed`, a dict for JSON, with its checksum."""
    return {**unsealed, "checksum": checksum(unsealed)}


def checksum(unsealed):
    """Hex sha256 of a dict for JSON, whatever its order and white space."""
    text = json.dumps(unsealed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _object(path, file_format):
    try:
        found = json.loads(regular_file.read(
            pathlib.Path(path), file_format.most_bytes).decode())
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise file_format.error(
            f"{path}: cannot be read as JSON ({error}). "
            f"{_remedy(file_format)}") from None
    if not isinstance(found, dict):
        raise file_format.error(
            f"{path}: expected a JSON object, found {type(found).__name__}. "
            f"{_anew(file_format)}.")
    return found


def _checked(path, found, file_format):
    version = found.get("format_version")
    if version != file_format.version:
        raise file_format.error(
            f"{path}: expected format version {file_format.version}, found "
            f"{version!r:.80}. {_anew(file_format)}, or install the version "
            "that wrote it.")
    expected = found.pop("checksum", None)
    if expected != checksum(found):
        raise file_format.error(
            f"{path}: its contents do not match its checksum; it was edited or "
            f"damaged. {_remedy(file_format)}")
    try:
        return typed_json.parse(
            file_format.contents, found, file_format.name), expected
    except typed_json.TypedJsonError as error:
        raise file_format.error(
            f"{path}: {error}. {_anew(file_format)}.") from None


def _remedy(file_format):
    return f"Copy {file_format.copied} again, or {file_format.again}."


def _anew(file_format):
    return f"{file_format.again[0].upper()}{file_format.again[1:]}"
