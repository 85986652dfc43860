"""Chooses a run's operating points on the tune split."""

from ddi_tf import run_folder
from ddi_tf import thresholds

# Accuracy that the default operating point may give up by leaving early.
TOLERANCE = 0.005


def save(folder, network, monitor):
    """Chooses thresholds for the last network and for the best; keeps them.

    Args:
        folder: `run_folder.RunFolder`.
        network: `network.Network`, the last; it is so again afterwards.
        monitor: `monitor.Monitor` that looks at it.
    """
    folder.save_operating_points([_choose(network, monitor)])
    best = run_folder.RunFolder(folder.path, best=True)
    if not best.has_network:  # begun before a best one was kept
        return
    last = [variable.numpy() for variable in network.variables]
    best.restore_network(network)
    best.save_operating_points([_choose(network, monitor)])
    for variable, value in zip(network.variables, last):
        variable.assign(value)


def _choose(network, monitor):
    return thresholds.operating_point(
        monitor.look(), network.costs.answers, TOLERANCE)
