"""What a run remembers across restarts: one small file, checked when read.

{"format_version": 1, "state": {...}, "checksum": sha256 of the two}
"""

import json
import os
import pathlib
import time

from absl import logging

from device import errors
from device import sealed_json
from device import whole_file

FORMAT_VERSION = 1


def load(path, *, warn=logging.warning):
    """What was saved last.

    A device in a field has to start again whatever a power cut left: a file
    that is damaged, or of another version, is kept aside as PATH.damaged.

    Args:
        path: of the file.
        warn: called with a message.

    Returns:
        A dict, or None if there is none that can be used.

    Raises:
        StateError: not a file, no such folder, or no permission.
    """
    file = whole_file.target(path, errors.StateError)
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        if not file.parent.is_dir():
            raise errors.StateError(
                f"{path}: expected its folder to exist, found none. Make "
                f"{file.parent}.") from None
        return None
    except PermissionError:
        raise errors.StateError(
            f"{path}: may not be read. Run as its owner, or give another "
            "file.") from None
    except OSError as error:  # a worn card
        content, reason = b"", error.strerror
    else:
        reason = "it was damaged, or written by another version"
    state = _parse(content)
    if state is None:
        warn(f"{path}: cannot be used ({reason}). Begins anew; what it held "
             f"is kept as {path}.damaged.")
        _keep_aside(file)
    return state


def save(path, state):
    """Writes `state`, a dict for JSON: all of it, or nothing.

    Raises:
        StateError: it cannot be written; what was saved before still is.
    """
    values = sealed_json.sealed(
        {"format_version": FORMAT_VERSION, "state": state})
    whole_file.write(path, json.dumps(values) + "\n", errors.StateError)


class Saver:
    """Saves now and then, and at the end; a full disk is only a warning.

    A power cut costs what was learned in the last `every_s` seconds.

    Args:
        path: of the file.
        collect: callable that returns the state, a dict for JSON.
        every_s: seconds between two times of saving.
        clock: seconds, of a clock that is never set.
        warn: called with a message when saving begins to fail.
    """

    def __init__(self, path, collect, *, every_s=60.0, clock=time.monotonic,
                 warn=logging.warning):
        self._path, self._collect, self._every_s = path, collect, every_s
        self._clock, self._warn = clock, warn
        self._due_s = clock() + every_s
        self._failing = False

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def tick(self):
        """Saves if it is time; to be called after every image."""
        if self._clock() >= self._due_s:
            self._save()

    def close(self):
        """Saves; may be called twice."""
        self._save()

    def _save(self):
        self._due_s = self._clock() + self._every_s
        try:
            save(self._path, self._collect())
            self._failing = False
        except errors.StateError as error:
            if not self._failing:
                self._warn(f"{error} Goes on, and tries again.")
            self._failing = True


def _parse(content):
    """The state in the bytes of a file, or None if they are not whole."""
    try:
        values = json.loads(content)
        expected = values.pop("checksum")
        if (values["format_version"] == FORMAT_VERSION
                and expected == sealed_json.checksum(values)
                and isinstance(values["state"], dict)):
            return values["state"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return None


def _keep_aside(file):
    try:
        os.replace(file, pathlib.Path(f"{file}.damaged"))
    except OSError:
        pass  # a card that went read-only; saving will warn about it
