"""What a training run came to, read from its files: RUN/summary.json."""

import itertools
import json

from ddi_tf import errors
from ddi_tf import kernels
from ddi_tf import phases
from ddi_tf import run_folder
from ddi_tf import starting
from ddi_tf import storage

_DEFAULT_POINT = "default"

# Flags that name the run that another one started from.
_GIVEN = ("--train_base_checkpoint=", "--train_checkpoint=",
          "--train_exits_checkpoint=")


def values(folder, network):
    """A dict for JSON, read from a run's files; None where nothing is known.

    Args:
        folder: `run_folder.RunFolder` of a run, finished or not.
        network: `network.Network` of its configuration, whatever its weights.
    """
    settings, records = folder.settings, folder.metrics
    points = folder.operating_points
    return {
        "run": str(folder.path), "finished": bool(points),
        "commit": settings.get("commit"),
        "seed": settings["schedule"].get("seed"), "flags": folder.flags,
        "network": _network(network),
        "data": {"name": settings["data"]["name"],
                 "classes": len(settings["data"]["label_names"])},
        "phases": _phases(records),
        "seconds": round(sum(line["seconds"] for line in records), 2),
        "target": target(settings, records),
        "tune": {"base_accuracy": _base_accuracy(folder),
                 "gated": _gated(records)},
        "operating_points": [
            {"name": point["name"], "accuracy": point["tune_accuracy"],
             "mean_macs": point["tune_mean_macs"],
             "mean_macs_of_base":
                 point["tune_mean_macs"] / network.costs.base}
            for point in points],
        "compression": _compression(folder, network),
        "answers": _answers(network, records, points)}


def save(folder, network):
    """Writes summary.json into the run; returns what it holds."""
    found = values(folder, network)
    storage.write_atomically(path(folder), json.dumps(found, indent=1) + "\n")
    return found


def path(folder):
    """Where `save` writes it."""
    return folder.path / "summary.json"


def _network(network):
    config = network.config
    return {
        "name": config.title,
        "backbone": config.backbone, "depth": config.depth,
        "width": config.width,
        "image_shape": list(config.image_shape),
        "parameters": network.count_params(),
        "base_macs": network.costs.base,
        "macs_with_gates_and_exits": network.costs.everything,
        "blocks": len(network.blocks), "exits": len(network.exits),
        "layer_gates": config.layer_gates,
        "channel_gates": config.channel_gates,
        "mask_site": config.mask_site if config.channel_gates else None,
        "groups": config.groups if config.channel_gates else None}


def _phases(records):
    """One dict per phase: its epochs, seconds and last tune record."""
    found, in_epoch = {}, _steps_per_epoch(records)
    for line in records:
        phase = found.setdefault(
            line["phase"],
            {"name": line["phase"], "epochs": 0, "seconds": 0.0})
        # What follows the last phase takes time, but is no epoch.
        if "phase_step" in line:
            phase["epochs"] = (
                round(line["phase_step"] / in_epoch, 2) if in_epoch
                else phase["epochs"] + 1)
        phase["seconds"] = round(phase["seconds"] + line["seconds"], 2)
        phase |= _of(line["tune"])
    return list(found.values())


def _steps_per_epoch(records):
    """Those of the first epoch that did not end its phase; None without one."""
    return next((
        line["phase_step"] for line, after in itertools.pairwise(records)
        if line["phase"] == after["phase"] and "phase_step" in line), None)


def _of(tune):
    return {name: tune.get(name) for name in ("accuracy", "skip_ratio", "cost")}


def target(settings, records):
    """What was asked of the executed cost and what came; None if nothing.

    Args:
        settings, records: `settings` and `metrics` of a `run_folder.RunFolder`.
    """
    if not any("resource_loss" in line.get("train", {}) for line in records):
        return None
    asked = settings["schedule"]["target_cost"]
    cost = records[-1]["tune"]["cost"]
    return {"resource": settings.get("resource", {"name": "flops"})["name"],
            "cost": asked, "reached": cost, "miss": round(cost / asked - 1, 5)}


def _base_accuracy(folder):
    """Tune accuracy after the base phase, of the run it was taken from."""
    seen = set()
    while (source := _source(folder)) and source not in seen:
        seen.add(source)
        folder = run_folder.RunFolder(source)
    base = [line["tune"]["accuracy"] for line in folder.metrics
            if line["phase"] == "base"]
    return base[-1] if base else None


def _source(folder):
    """The folder of the run that this one started from, or None."""
    return next((line.removeprefix(given) for line in folder.flags
                 for given in _GIVEN if line.startswith(given)
                 and line != given), None)


def _compression(folder, network):
    """`kernels.figures` before and after its phases; None without one."""
    base, *names = [phase.name for phase in phases.PHASES]
    done = [phase.name for phase in phases.PHASES
            if phase.compression and folder.has_phase(phase.name)]
    if not done or not folder.has_network:
        return None
    before = next((name for name in (
        *reversed(names[:names.index(done[0])]), starting.GIVEN, base)
        if folder.has_phase(name)), None)
    return {"phases": done,
            "before": before and _figures(network, folder.phase_prefix(before)),
            "after": _figures(network, folder.latest_prefix)}


def _figures(network, prefix):
    """`kernels.figures` of a checkpoint; None if it cannot be read."""
    try:
        return kernels.figures(kernels.stored(network, prefix))
    except errors.CheckpointError:
        return None


def _gated(records):
    """The last look at the gated network, all images to the head."""
    gated = [_of(line["tune"]) for line in records if "cost" in line["tune"]]
    return gated[-1] if gated else None


def _answers(network, records, points):
    """One dict per exit and the head, at the default operating point."""
    point = next((p for p in points if p["name"] == _DEFAULT_POINT), {})
    tune = records[-1]["tune"] if records else {}
    names = [exit_.name for exit_ in network.exits.values()]
    unknown = [None] * (len(names) + 1)
    columns = zip(
        [*names, "head"],
        [*point.get("thresholds", unknown[1:]), None],
        point.get("tune_left", unknown),
        point.get("tune_left_accuracy", unknown),
        [*tune.get("exit_accuracy", unknown[1:]), tune.get("accuracy")])
    keys = ("name", "threshold", "left", "left_accuracy", "accuracy_if_all")
    return [dict(zip(keys, column)) for column in columns]
