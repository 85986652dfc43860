"""Chooses a run's operating points on the tune split."""

from ddi_tf import run_folder
from ddi_tf import search
from ddi_tf import thresholds

# Accuracy that the point called DEFAULT may give up by leaving early.
TOLERANCE = 0.005
DEFAULT = "default"

# Points between the smallest and the largest mean budget that make sense.
COUNT = 8


def save(folder, network, monitor):
    """Chooses thresholds for the last network and for the best; keeps them.

    Args:
        folder: `run_folder.RunFolder`.
        network: `network.Network`, the last; it is so again afterwards.
        monitor: `monitor.Monitor` that looks at it.
    """
    folder.save_operating_points(_chosen(network, monitor))
    best = run_folder.RunFolder(folder.path, best=True)
    if not best.has_network:  # begun before a best one was kept
        return
    last = [variable.numpy() for variable in network.variables]
    best.restore_network(network)
    best.save_operating_points(_chosen(network, monitor))
    for variable, value in zip(network.variables, last):
        variable.assign(value)


def _chosen(network, monitor):
    traces = monitor.look()
    return choose(traces, {"macs": traces.macs(network.costs)})


def choose(traces, costs, resource="macs", budgets=()):
    """Operating points, the one called DEFAULT first; dicts for JSON.

    The others are called by their mean cost in percent of the base network's,
    "macs_35". Each is dearer and more accurate than the one before.

    Args:
        traces: `traces.Traces` of the tune split.
        costs: resource -> `traces.Cost`; "macs" always.
        resource: whose mean cost is the budget, a key of `costs`.
        budgets: mean costs, in its unit; empty: COUNT of them are spread over
            those that make sense.

    Raises:
        ConfigError: a budget makes no sense.
    """
    cost = costs[resource]
    found = search.Search(traces, cost)
    points = ([found.within(budget) for budget in sorted(budgets)]
              or found.frontier(COUNT))
    named = {f"{resource}_{100 * point.cost / cost.base:.0f}": point.thresholds
             for point in points}
    named = {DEFAULT: found.cheapest(
        float(traces.accuracy[-1]) - TOLERANCE).thresholds, **named}
    return [thresholds.point(name, chosen, {
        key: thresholds.apply(traces, other, chosen)
        for key, other in costs.items()}) for name, chosen in named.items()]
