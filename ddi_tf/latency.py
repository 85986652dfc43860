"""Latency of a network's subgraphs, as measured on a device.

    python -m device.profile --bundle=BUNDLE --output=profile.json
"""

import json
import math
import pathlib

import numpy as np

from ddi_tf import costs
from ddi_tf import errors
from ddi_tf import subgraphs


def read(path):
    """Graph name -> median milliseconds, from a device's profile.

    Raises:
        ConfigError: the file is missing or is no profile.
    """
    try:
        # Every number as a float: what is none (true, "1") then stands out.
        profile = json.loads(pathlib.Path(path).read_text(encoding="utf-8"),
                             parse_int=float)
        medians = {graph["name"]: graph["median_ms"]
                   for graph in profile["graphs"]}
    except OSError as error:
        raise errors.ConfigError(
            f"the latency profile {path} cannot be read ({error.strerror}). "
            "Measure one on the device: python -m device.profile") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise errors.ConfigError(
            f"{path} is not a latency profile ({error!r}). Measure again: "
            "python -m device.profile") from None
    if bad := [name for name, value in medians.items()
               if not (isinstance(value, float) and 0 < value < math.inf)]:
        raise errors.ConfigError(
            f"{path}: the latency of {bad[0]} is {medians[bad[0]]} ms; measure "
            "again: python -m device.profile")
    return medians


def profile(medians):
    """What `read` makes `medians` of, as a dict for JSON."""
    return {"graphs": [{"name": name, "median_ms": median}
                       for name, median in medians.items()]}


def source(path):
    """What a profile was measured on, in words; `read` has checked the file."""
    profile = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    try:
        machine, interpreter = profile["machine"], profile["interpreter"]
        return (f"{machine['model']} ({machine['architecture']}), "
                f"{interpreter['name']} {interpreter['version']}, "
                f"{profile['threads']} thread, {profile['date']}")
    except (KeyError, TypeError):
        return f"measured, {pathlib.Path(path).name}"


def table(network, medians):
    """The `costs.CostTable` of a network in milliseconds.

    A block's time for a share m of its channels is a straight line through what
    its variants took; one graph for all masks takes the same time for every m.

    Args:
        network: `network.Network`.
        medians: graph name -> milliseconds, of a bundle of the same network.

    Raises:
        ConfigError: a graph of the network is not in the profile.
    """
    cut = subgraphs.cut(network, subgraphs.ways_in(network, medians))
    if missing := [graph.name for graph in cut.graphs
                   if graph.name not in medians]:
        raise errors.ConfigError(
            f"the latency profile has no {missing[0]} ({len(missing)} graphs "
            "are missing): it was measured on another network. Export this one "
            "and measure again: python -m device.profile")

    def time(graph):
        return medians[graph.name] if graph is not None else 0.0

    return costs.CostTable(
        stem=time(cut.stem),
        layer_gates=tuple(time(step.layer_gate) for step in cut.steps),
        channel_gates=tuple(time(step.channel_gate) for step in cut.steps),
        skips=tuple(time(step.skip) for step in cut.steps),
        runs=tuple(_run(step, time) for step in cut.steps),
        exits=tuple(time(step.exit) for step in cut.steps if step.exit),
        exit_after=network.costs.exit_after, head=time(cut.head))


def _run(step, time):
    """`costs.Run` of a `subgraphs.Step`, on top of its skip."""
    if not step.variants:
        return costs.Run(0.0, 0.0, 0.0)
    shares = np.array([len(variant.groups) / step.groups
                       for variant in step.variants])
    times = np.array([time(variant.graph) for variant in step.variants])
    times -= time(step.skip)
    if len(set(shares)) == 1:
        return costs.Run(float(times.mean()), 0.0, 0.0)
    linear, opened = np.polyfit(shares, times, 1)
    return costs.Run(float(opened), float(linear), 0.0)
