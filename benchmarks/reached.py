"""What exit thresholds come to on the splits of a run's traces."""

from ddi_tf import thresholds


def at(chosen, splits):
    """Thresholds and what they come to, as a dict for JSON.

    Args:
        chosen: a threshold per exit, in nats, or None.
        splits: name -> `trace_files.Recorded`.
    """
    return {"thresholds": chosen, **{
        name: of(thresholds.apply(
            recorded.traces, recorded.costs["macs"], chosen))
        for name, recorded in splits.items()}}


def of(outcome):
    """Accuracy and mean MACs of a `thresholds.Outcome` in MACs."""
    return {"accuracy": float(outcome.correct.mean()),
            "mean_macs": float(outcome.cost.mean())}
