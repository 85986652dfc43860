"""Which epoch of a run is its best, judged on the tune split."""

# Share of the target cost by which the best epoch may pass it.
_BAND = 0.02


def epoch(records, phase, target_cost):
    """The best line of metrics.jsonl, or None if the last phase has none.

    Only epochs of the last phase are compared: phases before it have another
    cost, and exits that are not yet trained. Of epochs that prune, only those
    count that have pruned most. Among those whose cost is at most 2% above the
    target the most accurate one is the best; where none is, the one that is
    nearest to it. Of equals the latest.

    Args:
        records: dicts, lines of metrics.jsonl in order.
        phase: `phases.Phase`, the last one of the run.
        target_cost: fraction of the base network's cost; of no concern to a
            phase that is not priced.
    """
    def rank(record):
        # Without gates all epochs cost the same.
        above = record["tune"].get("cost", target_cost) / target_cost - 1
        excess = max(0.0, above - _BAND) if phase.priced else 0.0
        return (record.get("sparsity", 0.0), -excess,
                record["tune"]["accuracy"], record["step"])

    return max((record for record in records if record["phase"] == phase.name),
               key=rank, default=None)
