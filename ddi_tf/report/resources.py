"""Accuracy against energy and time; what the energy loss saves (Figure 9)."""

import json

import numpy as np

from ddi_tf.report import items
from ddi_tf.report import lines
from ddi_tf.report import style
from ddi_tf.report import tradeoff
from ddi_tf.report import wording

_ACCURACY = "test accuracy [%]"
_SHARE = "mean energy per image [% of the base network's]"
_LEVELS = 6  # accuracies that savings are given at

# Unit of costs -> (factor, what the axis says).
_UNITS = {"pJ": (1e-6, "µJ"), "MACs": (1e-6, "million MACs' worth"),
          "ms": (1.0, "ms")}
_NAMES = {"energy": "energy", "latency": "latency"}
_HOW = {
    "energy": "`python -m ddi_tf.evaluate --run=RUN --split=tune`, then "
              "`--split=test`",
    "latency": "`python -m ddi_tf.evaluate --run=RUN --split=tune "
               "--latency_profile=profile.json`, then `--split=test`; or give "
               "`--profile=profile.json` here. `python -m device.profile` "
               "measures it on the device"}


def against_flops_loss(groups):
    """`items.Section`: networks trained for energy beside those for FLOPs."""
    title = "Energy loss against FLOPs loss"
    key = "energy_loss"
    kinds = sorted({_kind(group) for group in groups})
    for missing in ("energy", "flops"):
        if missing not in kinds:
            trained = wording.listed([_LOSSES[kind] for kind in kinds])
            return items.Section(key, title, (
                f"All runs here were trained with the {trained}, so there is "
                "nothing to compare (Figure 9 of the paper). Train one with "
                f"`--loss_resource={missing}` and give both.",))
    found = []
    for alike in _alike(_of_one_source(groups, "energy")):
        found += _compared(alike)
    if not found:
        return items.Section(key, title, (
            "No network here was trained for both resources and has its energy "
            "in its traces, by one model: nothing to compare (Figure 9 of the "
            "paper).",))
    return items.Section(key, title, (
        "As in Figure 9 of the paper: does counting energy while training give "
        "networks that need less energy?",), tuple(found))


def _kind(group):
    return group.about.settings["resource"]["name"]


def _alike(groups):
    """Lists of groups with one network, trained for both resources."""
    found = {}
    for group in groups:
        key = json.dumps(group.about.settings["network"], sort_keys=True)
        found.setdefault(key, []).append(group)
    return [alike for alike in found.values()
            if {"energy", "flops"} <= set(map(_kind, alike))]


def _compared(groups):
    """Figure and table for groups of one network."""
    base = groups[0].base("energy").cost.mean()
    series = []
    for index, group in enumerate(groups):
        look = style.look(index)
        series += [one._replace(
            label=f"{one.label} ({_LOSSES[_kind(group)]})")
            for one in tradeoff.series_of(
                group, look, "energy", lambda cost: 100 * cost / base)]
    rows = savings(*(_frontier(groups, kind) for kind in ("flops", "energy")))
    origin = wording.origin(groups)
    caption = "Further left is less energy for the same accuracy."
    if rows:
        mean = 100 * np.mean([row[3] for row in rows])
        caption += (" Over the accuracies that both reach, networks trained "
                    f"with the energy loss need {abs(mean):.1f}% "
                    f"{'less' if mean >= 0 else 'more'} energy on average.")
    key = groups[0].key
    drawn = lines.figure(
        f"energy_loss_{key}", f"{groups[0].network}: accuracy against energy",
        f"{caption} {_source(groups[0], 'energy')}", origin,
        "Line chart: test accuracy against modelled energy, networks trained "
        "with the energy loss and with the FLOPs loss.", series, _SHARE,
        _ACCURACY)
    table = items.Table(
        f"energy_saved_{key}", f"{groups[0].network}: energy at equal accuracy",
        "Interpolated between the points of the figure, on the line that no "
        "point of the same loss lies above.", origin,
        ("accuracy", "energy, FLOPs loss", "energy, energy loss", "saved"),
        (("", [tuple(wording.percent(value) for value in row)
               for row in rows]),))
    return [drawn, table] if rows else [drawn]


_LOSSES = {"flops": "FLOPs loss", "energy": "energy loss",
           "latency": "latency loss"}


def _frontier(groups, kind):
    """(energy [P], accuracy [P]), both rising, of all groups of a kind."""
    found = []
    for group in groups:
        if _kind(group) != kind:
            continue
        base = group.base("energy").cost.mean()
        alone = group.without_exits("energy")
        found.append((alone.cost.mean() / base, alone.accuracy.mean()))
        if "energy" in group.curves:
            curve = group.curves["energy"]
            found += zip(curve.test_cost.mean(axis=0) / base,
                         curve.test_accuracy.mean(axis=0))
    found = sorted(found)
    best = [one for n, one in enumerate(found) if not n or (
        one[1] > max(other[1] for other in found[:n]))]
    return np.array(best).T


def savings(one, other):
    """Rows (accuracy, cost of one, cost of the other, saved share).

    Args:
        one, other: (cost [P], accuracy [P]), both rising.

    Returns:
        _LEVELS rows between the accuracies that both reach; [] if none.
    """
    low = max(one[1][0], other[1][0])
    high = min(one[1][-1], other[1][-1])
    if low > high:
        return []
    rows = []
    for accuracy in np.unique(np.linspace(low, high, _LEVELS)):
        costs = [float(np.interp(accuracy, accuracies, cost))
                 for cost, accuracies in (one, other)]
        rows.append((float(accuracy), *costs, 1 - costs[1] / costs[0]))
    return rows


def section(groups):
    """`items.Section`: accuracy against energy and against time."""
    found, texts = [], []
    for resource, name in _NAMES.items():
        there = _of_one_source(groups, resource)
        if there:
            found.append(_figure(there, resource, name))
        left = [group.name for group in groups if group not in there]
        if left and there:
            texts.append(f"The {name} of {wording.listed(left)} is not known, "
                         "or by another model.")
        elif left:
            texts.append(f"The traces hold no {name}. Write it into them: "
                         f"{_HOW[resource]}.")
    return items.Section("resources", "Accuracy against energy and time",
                         tuple(texts), tuple(found))


def _of_one_source(groups, resource):
    """Groups that know a resource, from where the first of them has it."""
    there = [group for group in groups if group.has(resource)]
    return [group for group in there
            if group.about.resources[resource]["source"]
            == there[0].about.resources[resource]["source"]]


def _figure(groups, resource, name):
    unit = groups[0].about.resources[resource]["unit"]
    factor, called = _UNITS.get(unit, (1.0, unit))

    def scale(cost):
        return factor * cost

    series = [one for index, group in enumerate(groups) for one in
              tradeoff.series_of(group, style.look(index), resource, scale,
                                 together=len(groups) > 1)]
    series += tradeoff.base_series(groups, resource, scale)
    return lines.figure(
        f"accuracy_{resource}", f"Accuracy against {name}",
        f"Higher and further left is better; thresholds were chosen for mean "
        f"budgets of {name}. {_source(groups[0], resource)}",
        wording.origin(groups),
        f"Line chart: test accuracy against mean {name} per image of "
        f"{wording.listed([group.name for group in groups])}.", series,
        f"mean {name} per image [{called}]", _ACCURACY)


def _source(group, resource):
    source = group.about.resources[resource]["source"]
    return f"{_NAMES[resource].capitalize()}: {source}."
