"""Runs that differ by nothing but their seed, with all that is drawn."""

import dataclasses
from typing import NamedTuple

import numpy as np

from ddi_tf import exit_rules
from ddi_tf import network as network_lib
from ddi_tf.report import curves as curves_lib
from ddi_tf.report import source
from ddi_tf.report import wording

# How a `NetworkConfig.title` begins in figures and tables.
_FAMILIES = {"resnet": "ResNet", "imagenet_resnet": "ResNet",
             "densenet": "DenseNet", "imagenet_densenet": "DenseNet",
             "mobilenetv2": "MobileNetV2"}


class Point(NamedTuple):
    """What S networks do, one number of each."""

    accuracy: np.ndarray  # [S] in [0, 1]
    cost: np.ndarray      # [S] mean per image


@dataclasses.dataclass(frozen=True)
class Group:
    """S networks.

    Attributes:
        name: in legends.
        key: in file names, no other group's.
        runs: S `source.Run`s.
        curves: resource -> `curves.Curve`; {} for a network without exits.
        opened: `curves.Curve` in MACs with everything run and no gate
            asked, or None.
        rules: `exit_rules.RULES` -> `curves.Curve` in MACs, at the budgets of
            the tables.
    """

    name: str
    key: str
    runs: tuple
    curves: dict = dataclasses.field(default_factory=dict)
    opened: curves_lib.Curve | None = None
    rules: dict = dataclasses.field(default_factory=dict)

    @property
    def first(self):
        """The run that pictures of single images are made of."""
        return self.runs[0]

    @property
    def about(self):
        return self.first.about

    @property
    def has_exits(self):
        return bool(self.about.exits)

    @property
    def has_gates(self):
        network = self.about.settings["network"]
        return network["layer_gates"] or network["channel_gates"]

    @property
    def network(self):
        """ "ResNet38", "MobileNetV2 x0.5"."""
        config = network_lib.NetworkConfig.from_dict(
            self.about.settings["network"])
        family = _FAMILIES.get(config.backbone, config.backbone)
        return config.title.replace(config.backbone, family, 1)

    @property
    def answers(self):
        """E + 1 names: of the exits, then the head."""
        return [*self.about.exits, "head"]

    @property
    def table_curve(self):
        """`curves.Curve` in MACs at the budgets of the tables."""
        return self.curves["macs"].at(slice(None, None, 2))

    def base(self, resource="macs"):
        """`Point` of the base network in full."""
        return Point(
            np.array([run.test.base_accuracy for run in self.runs]),
            np.array([run.test.costs[resource].base for run in self.runs]))

    def without_exits(self, resource="macs"):
        """`Point` of gates alone: no exit is taken or paid."""
        return self._point(
            resource, [[None] * len(self.about.exits)] * len(self.runs))

    def default(self, resource="macs"):
        """`Point` of the default operating point, each network's own."""
        return self._point(resource, [run.chosen for run in self.runs])

    def all_at(self, answer, resource="macs"):
        """`Point` if all images leave at one answer, none asked before."""
        costs = [run.test.costs[resource] for run in self.runs]
        return Point(
            np.array([run.test.traces.accuracy[answer] for run in self.runs]),
            np.array([cost.spent[:, answer].mean() + cost.answers[answer]
                      for cost in costs]))

    def has(self, resource):
        """Whether the traces of all runs, tune and test, know a resource."""
        return all(resource in recorded.costs for run in self.runs
                   for recorded in (run.tune, run.test))

    def _point(self, resource, chosen):
        found = np.array([curves_lib.outcome(run.test, resource, one)
                          for run, one in zip(self.runs, chosen)])
        return Point(found[:, 0], found[:, 1])


def searches(runs):
    """How many searches `measure` makes at most."""
    total = 0
    for run in runs:
        if run.about.exits:
            others = len(set(run.test.costs) - {"macs"}) + (
                run.opened is not None)
            total += (curves_lib.CURVE_BUDGETS
                      + others * curves_lib.TABLE_BUDGETS)
    return total


def measure(runs, on_search=lambda: None):
    """`Group`s of `source.Run`s, everything searched that is drawn.

    Args:
        runs: `source.Run`s.
        on_search: called after each search.
    """
    alike = source.by_settings(runs)
    keys = _keys(alike)
    return [_measure(Group(name, key, found), on_search)
            for key, (name, found) in zip(keys, alike.items())]


def _keys(names):
    """File names of names, all different."""
    keys = []
    for name in names:
        key = wording.key(name)
        keys.append(f"{key}_{len(keys)}" if key in keys else key)
    return keys


def _measure(group, on_search):
    if not group.has_exits:
        return group
    found = {}
    for resource in group.about.resources:
        if group.has(resource):
            found[resource] = curves_lib.searched(
                group.runs, resource,
                curves_lib.CURVE_BUDGETS if resource == "macs"
                else curves_lib.TABLE_BUDGETS, on_search)
    group = dataclasses.replace(group, curves=found)
    rules = {name: curves_lib.by_rule(
        group.runs, "macs", group.table_curve.budgets, name)
        for name in exit_rules.RULES}
    opened = None
    if all(run.opened for run in group.runs):
        opened = curves_lib.searched(
            [run.with_gates_open() for run in group.runs], "macs",
            curves_lib.TABLE_BUDGETS, on_search)
    return dataclasses.replace(group, rules=rules, opened=opened)
