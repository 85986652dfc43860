"""What traces amount to: accuracies, costs and calibration, as numbers."""

import numpy as np

from ddi_tf import calibration
from ddi_tf import thresholds


def report(recorded, operating_points):
    """Accuracies and costs, as a dict for JSON.

    Args:
        recorded: `trace_files.Recorded`.
        operating_points: of the run, as `thresholds.point` makes them.
    """
    about, traces, macs = recorded.about, recorded.traces, recorded.costs["macs"]
    off = [None] * len(about.exits)
    kind = "gates open" if about.gates_open else "gated"
    points = [(kind, off), *(
        (f"{kind}, exits at {point['name']}", point["thresholds"])
        for point in operating_points)]
    base = {f"mean_{name}": cost.base for name, cost in recorded.costs.items()}
    return {
        "run": about.run, "commit": about.commit, "seed": about.seed,
        "split": about.split, "best": about.best, "gates_open": about.gates_open,
        "images": len(traces.labels), "base_macs": macs.base,
        "resources": about.resources,
        "skip_ratio": float(traces.skip_ratio),
        "skip_ratio_of_blocks": dict(zip(
            about.blocks, (1 - traces.executed.mean(axis=0)).tolist())),
        "accuracy_if_all_left_at_exit": traces.accuracy[:-1].tolist(),
        "calibration_error": dict(zip(
            [*about.exits, "head"],
            [calibration.error(traces.logits[:, answer], traces.labels)
             for answer in range(traces.logits.shape[1])])),
        "operating_points": {
            "in full": {"accuracy": recorded.base_accuracy, **base},
            **{name: _row(recorded, chosen) for name, chosen in points}}}


def _row(recorded, chosen):
    """Accuracy, mean costs and exits taken at thresholds."""
    outcomes = {name: thresholds.apply(recorded.traces, cost, chosen)
                for name, cost in recorded.costs.items()}
    macs = outcomes["macs"]
    return {
        "accuracy": float(macs.correct.mean()),
        **{f"mean_{name}": float(outcome.cost.mean())
           for name, outcome in outcomes.items()},
        "mean_macs_of_base": float(
            macs.cost.mean() / recorded.costs["macs"].base),
        "exits": np.bincount(
            macs.exits, minlength=len(chosen) + 1).tolist()}
