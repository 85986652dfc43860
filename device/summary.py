"""What a run of many images amounts to, as numbers and as a table."""

import collections

import numpy as np
from rich.console import Console
from rich.table import Table


class Summary:
    """Collects answers.

    Args:
        bundle: `bundle.Bundle` that they come from.
    """

    def __init__(self, bundle):
        self._manifest = bundle.manifest
        self._groups = [step.groups for step in self._manifest.plan.steps]
        self._exits = collections.Counter()
        self._macs, self._latency_ms, self._run, self._hits = [], [], [], []
        self.failed = 0

    def add(self, answer, label):
        """One more `controller.Answer`; `label` is the right one, or None."""
        self._exits[answer.exit] += 1
        self._macs.append(answer.macs)
        self._latency_ms.append(answer.latency_ms)
        # Blocks behind the exit that answered did not run either, but no gate
        # skipped them: they do not count.
        self._run.append(np.mean([
            len(groups) / total
            for groups, total in zip(answer.path, self._groups)] or [1.0]))
        if label is not None:
            self._hits.append(answer.label == label)

    def values(self):
        """A dict for JSON; None where nothing was classified or known."""
        done = len(self._macs)
        percentile = (lambda q: round(float(np.percentile(
            self._latency_ms, q)), 3)) if done else lambda q: None
        mean = lambda values: float(np.mean(values)) if values else None
        return {
            "images": done, "failed": self.failed,
            "accuracy": mean(self._hits),
            "mean_macs": mean(self._macs),
            "largest_macs": max(self._macs, default=None),
            "base_macs": self._manifest.base_macs,
            "mean_macs_of_base": mean(self._macs) and (
                mean(self._macs) / self._manifest.base_macs),
            "skip_ratio": 1 - mean(self._run) if done else None,
            "exits": dict(self._exits),
            "latency_ms_median": percentile(50),
            "latency_ms_p95": percentile(95)}

    def print(self, file):
        """A table for people."""
        values = self.values()
        table = Table(title=f"{values['images']} images classified, "
                      f"{values['failed']} failed")
        table.add_column("")
        table.add_column("value", justify="right")
        if not values["images"]:
            Console(file=file).print(table.title)
            return
        if values["accuracy"] is not None:
            table.add_row("accuracy", f"{100 * values['accuracy']:.2f}%")
        table.add_row("mean MACs", f"{values['mean_macs']:,.0f}")
        table.add_row("  of the base network",
                      f"{100 * values['mean_macs_of_base']:.1f}%")
        table.add_row("largest MACs", f"{values['largest_macs']:,}")
        table.add_row("skip ratio (blocks passed)",
                      f"{100 * values['skip_ratio']:.1f}%")
        table.add_row("latency, median", f"{values['latency_ms_median']} ms")
        table.add_row("latency, 95th percentile",
                      f"{values['latency_ms_p95']} ms")
        for name, count in self._exits.most_common():
            table.add_row(f"answered by {name}", f"{count}")
        Console(file=file).print(table)
