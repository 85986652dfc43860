"""An entry of the zoo: a slim run folder, its bundles, and what they do.

    zoo/NAME/flags.cfg, run.json, metrics.jsonl, summary.json,
             operating_points.json    as in any run (`run_folder`)
    zoo/NAME/checkpoints/  the network, without what an optimizer keeps
    zoo/NAME/phases/       its base network, in float16 (`base_checkpoint`)
    zoo/NAME/traces/       of tune and test, without images
    zoo/NAME/float32/      a bundle; others are called by their numbers too
    zoo/NAME/latency.json  what subgraphs took, if the loss counted time
    zoo/NAME/notes.md      written by hand: what it is for, and its limits
    zoo/NAME/entry.json    what no other file says (`Entry.facts`)
    zoo/NAME/card.json, card.md  every number, made of the files above
    zoo/NAME/SHA256SUMS    of all other files, for `sha256sum -c`
"""

import json
import pathlib
import re

from ddi_tf import errors
from ddi_tf import run_folder

FORMAT_VERSION = 1

# Of all entries together, so that a repository can hold them.
MOST_BYTES = 60_000_000

# A latency profile, of medians alone: what a run with --loss_resource=latency
# keeps of it.
PROFILE = "latency.json"

# What `device.bundle` calls numbers -> the bundle's folder.
BUNDLES = {"none": "float32", "float16": "float16", "dynamic": "dynamic",
           "int8": "int8"}


class Entry:
    """The files of one entry.

    Args:
        path: its folder, zoo/NAME.

    Attributes:
        run: `run_folder.RunFolder` of the same folder.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.run = run_folder.RunFolder(path)

    @property
    def facts(self):
        """entry.json, as a dict.

        `format_version`, `name`; `hardware`, that trained it; `machine`, that
        ran the bundles; `bundles`: folder -> `device_results.measure`.

        Raises:
            ZooError: it is missing, damaged or of another version.
        """
        found = self.json("entry.json")
        if found.get("format_version") != FORMAT_VERSION:
            raise errors.ZooError(
                f"{self.path / 'entry.json'}: expected format version "
                f"{FORMAT_VERSION}, found {found.get('format_version')!r:.80}. "
                "Use the commit that packed it, or pack it again.")
        return found

    def json(self, name):
        """A JSON file as a dict. Raises ZooError."""
        try:
            found = json.loads(self.text(name))
        except ValueError as error:
            raise self.unreadable(name, error) from None
        if not isinstance(found, dict):
            raise self.unreadable(
                name, f"expected an object, found {type(found).__name__}")
        return found

    def text(self, name):
        """A text file. Raises ZooError."""
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise self.unreadable(
                name, getattr(error, "strerror", None) or error) from None

    def unreadable(self, name, reason):
        """The ZooError for a file that does not hold what it should."""
        return errors.ZooError(
            f"{self.path / name}: cannot be read ({reason}). Restore it (`git "
            "checkout`), or pack the entry again.")


def path(zoo, name):
    """The folder of an entry. Raises ConfigError for an impossible name."""
    if not re.fullmatch(r"[A-Za-z0-9][-.\w]*", name):
        raise errors.ConfigError(
            "an entry's name is made of letters, digits, '.', '_' and '-'. "
            f"Received: {name!r}")
    return pathlib.Path(zoo) / name


def size(folder):
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in pathlib.Path(folder).rglob("*")
               if file.is_file())
