"""Runs as a report reads them: traces of tune and test, operating points."""

import dataclasses
import json
import os
import pathlib
import re

import numpy as np

from ddi_tf import errors
from ddi_tf import network as network_lib
from ddi_tf import operating_points
from ddi_tf import resources
from ddi_tf import run_folder
from ddi_tf import strategies
from ddi_tf import trace_files

_SPLITS = ("tune", "test")


@dataclasses.dataclass(frozen=True)
class Run:
    """One trained network.

    Attributes:
        name: the folder's.
        tune, test: `trace_files.Recorded`.
        opened: (tune, test) with everything run and no gate asked, or None.
        points: operating points, as `thresholds.point` makes them.
    """

    name: str
    tune: trace_files.Recorded
    test: trace_files.Recorded
    opened: tuple | None = None
    points: tuple = ()

    @property
    def about(self):
        """`trace_files.About` of the test traces."""
        return self.test.about

    @property
    def chosen(self):
        """Thresholds of the default operating point; None: no exit taken."""
        for point in self.points:
            if point["name"] == operating_points.DEFAULT:
                return point["thresholds"]
        return [None] * len(self.about.exits)

    def with_gates_open(self):
        """This run, with the traces of its open gates."""
        return dataclasses.replace(
            self, tune=self.opened[0], test=self.opened[1])


def load(folders, best=False, profile=None):
    """`Run`s from run folders, checked to be comparable.

    Args:
        folders: paths.
        best: whether to take the networks of the best epoch.
        profile: what `python -m device.profile` measured, or None; gives costs
            in time to traces without.

    Raises:
        ConfigError: no folders, or runs that cannot be compared.
        TracesError: traces are missing or damaged.
    """
    paths = [pathlib.Path(folder) for folder in folders]
    real = [path.resolve() for path in paths]
    if not paths or len(set(real)) < len(real):
        raise errors.ConfigError(
            "--runs takes run folders separated by commas, each once. "
            f"Received: {','.join(map(str, folders)) or 'nothing'}")
    names = [path.name for path in real]
    runs = [_load(path, name if names.count(name) == 1 else str(path), best,
                  profile) for path, name in zip(paths, names)]
    for run in runs[1:]:
        _check_same_images(runs[0], run)
    return runs


def _load(path, name, best, profile):
    if not path.is_dir():
        raise errors.ConfigError(
            f"--runs: there is no folder {path}. Give folders that `python -m "
            "ddi_tf.train --run=...` wrote.")
    tune, test = (_recorded(trace_files.path(path, split, best), profile)
                  for split in _SPLITS)
    opened = [trace_files.path(path, split, best, gates_open=True)
              for split in _SPLITS]
    opened = (tuple(_recorded(where, profile) for where in opened)
              if all(where.exists() for where in opened) else None)
    if tune.about.settings != test.about.settings:
        raise errors.TracesError(
            f"the traces of tune and test in {path} are of two networks. Write "
            f"them again: python -m ddi_tf.evaluate --run={path} --split=tune, "
            "then --split=test")
    points = run_folder.RunFolder(path, best).operating_points
    if any(len(point["thresholds"]) != len(test.about.exits)
           for point in points):
        raise errors.TracesError(
            f"the operating points of {path} are of a network with other exits "
            f"than its traces. Choose them again: python -m ddi_tf.choose "
            f"--run={path}")
    return Run(name, tune, test, opened, tuple(points))


def _recorded(where, profile):
    recorded = trace_files.load(where)
    if profile and "latency" not in recorded.costs:
        recorded = _timed(recorded, resources.Latency(profile))
    return recorded


def _timed(recorded, resource):
    """`Recorded` with costs in time too; its network is built, not run."""
    network = strategies.make(network_lib.NetworkConfig.from_dict(
        recorded.about.settings["network"]))
    cost = recorded.traces.cost(resource.table(network), resource.unit)
    source = {"unit": cost.unit, "base": cost.base, "source": resource.source}
    return recorded._replace(
        costs={**recorded.costs, resource.name: cost},
        about=dataclasses.replace(recorded.about, resources={
            **recorded.about.resources, resource.name: source}))


def _check_same_images(one, other):
    """Raises ConfigError unless both runs answered the same test images."""
    data = [run.about.settings["data"] for run in (one, other)]
    labels = [run.test.traces.labels for run in (one, other)]
    if (data[0]["name"], list(data[0]["label_names"])) != (
            data[1]["name"], list(data[1]["label_names"])):
        difference = f"{data[0]['name']} and {data[1]['name']}"
        if data[0]["name"] == data[1]["name"]:
            difference = f"{data[0]['name']} with other classes"
    elif not np.array_equal(*labels):
        difference = f"{data[0]['name']} with other test images"
    else:
        return
    raise errors.ConfigError(
        f"{one.name} and {other.name} are of different data sets ({difference})"
        ": their accuracies cannot be compared. Make a report of each.")


def by_settings(runs):
    """{name: tuple of `Run`s that differ by nothing but seed and commit}."""
    alike = {}
    for run in runs:
        key = json.dumps(_without_seeds(run.about.settings), sort_keys=True)
        alike.setdefault(key, []).append(run)
    named = {}
    for found in alike.values():
        name = _common_name(found)
        if name in named:
            name = f"{found[0].name} ({len(found)} seeds)"
        named[name] = tuple(found)
    return named


def _without_seeds(value):
    if not isinstance(value, dict):
        return value
    return {key: _without_seeds(part) for key, part in value.items()
            if key not in ("seed", "commit")}


def _common_name(runs):
    """ "flops (3 seeds)" of flops_s0, flops_s1, flops_s2."""
    if len(runs) == 1:
        return runs[0].name
    common = os.path.commonprefix([run.name for run in runs])
    stem = re.sub(r"([-_. ]+(seed|s)?)?[-_. ]*$", "", common)
    return f"{stem or runs[0].name} ({len(runs)} seeds)"
