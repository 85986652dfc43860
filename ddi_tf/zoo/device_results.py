"""What the device's command makes of a bundle, at every operating point.

`device` is no part of this package: its command runs in a process of its own,
as a user runs it.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from ddi_tf import errors

_ROOT = pathlib.Path(__file__).parents[2]

# Of the command's summary, what does not depend on how fast a machine is.
_KEPT = ("images", "accuracy", "mean_macs", "mean_energy_mj", "exits")


def ways(points):
    """Name, as in `evaluation.report` -> the device's flags for it.

    Args:
        points: operating points, as `thresholds.point` makes them.
    """
    return {"gated": "--thresholds=off", **{
        f"gated, exits at {point['name']}": f"--operating_point={point['name']}"
        for point in points}}


def measure(bundle, points, split, on_way=lambda: None):
    """Runs the device's command on images, once per operating point.

    Args:
        bundle: its folder.
        points: as for `ways`.
        split: `data.Split`.
        on_way: called after each of `ways`.

    Returns:
        {name of the way: {"images", "accuracy", "mean_macs",
        "mean_energy_mj", "exits": {name: images}}}.

    Raises:
        ZooError: the command failed; quotes its last line.
    """
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        images = pathlib.Path(folder) / "images.npz"
        np.savez(images, images=split.images, labels=split.labels)
        for name, flag in ways(points).items():
            found[name] = _run(bundle, images, flag, folder)
            on_way()
    return found


def answers_at_all(bundle, image_shape):
    """Runs one image of noise; checks every hash on the way.

    Raises:
        ZooError: as `measure`.
    """
    image = np.random.default_rng(0).integers(
        0, 256, (1, *image_shape), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        images = pathlib.Path(folder) / "images.npz"
        np.savez(images, images=image)
        _run(bundle, images, "--thresholds=off", folder)


def _run(bundle, images, flag, folder):
    summary = pathlib.Path(folder) / "summary.json"
    command = [sys.executable, "-m", "device.run", f"--bundle={bundle}",
               f"--input={images}", f"--summary={summary}", flag]
    path = os.pathsep.join(
        filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise errors.ZooError(
            f"device.run --bundle={bundle} {flag} ended with status "
            f"{done.returncode}: {said[-1]}")
    values = json.loads(summary.read_text(encoding="utf-8"))
    return {name: values[name] for name in _KEPT}
