"""What a bundle's manifest says, as far as an entry needs it.

`device.bundle` checks the rest whenever a bundle is loaded.
"""

import json
import pathlib
from typing import NamedTuple

from ddi_tf import errors
from ddi_tf import run_settings
from ddi_tf.zoo import entry as entry_lib


class Manifest(NamedTuple):
    """Of one bundle."""

    folder: str         # its name in an entry
    bytes: int          # of all graphs
    commit: str         # that exported it
    energy_model: str
    calibration: dict | None  # of int8: `images`, and the share `saturated`
    settings: dict      # run.json of its run
    points: list        # operating points: `name`, `thresholds`


def read(bundle):
    """The `Manifest` of the bundle in a folder. Raises ZooError."""
    path = pathlib.Path(bundle) / "manifest.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Manifest(
            entry_lib.BUNDLES[found["numbers"]["kind"]],
            sum(graph["bytes"] for graph in found["graphs"]),
            found["provenance"]["commit"], found["energy_model"],
            found["numbers"]["calibration"], found["provenance"]["settings"],
            _thresholds(found["operating_points"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or repr(error)
        raise errors.ZooError(
            f"{path}: cannot be read as a bundle's ({reason}). Give the folder "
            "that `python -m converters.export --output=...` wrote.") from None


def check_same_run(bundle, manifest, folder):
    """Raises ZooError unless a bundle is of a run, as the run is now.

    Args:
        bundle: its folder, for messages.
        manifest: its `Manifest`.
        folder: `run_folder.RunFolder`.
    """
    points = _thresholds(folder.operating_points)
    changes = list(run_settings.changes(
        {"settings": folder.settings, "operating points": points},
        {"settings": manifest.settings, "operating points": manifest.points}))
    if changes:
        # Lists of thresholds are long.
        raise errors.ZooError(
            f"{bundle} is not of the run in {folder.path} ({changes[0]:.300}). "
            "Export it again from there.")


def _thresholds(points):
    """Of operating points what bundles and runs must have alike."""
    return [{key: point[key] for key in ("name", "thresholds")}
            for point in points]
