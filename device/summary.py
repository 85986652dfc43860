"""What a run of many images amounts to, as numbers and as a table."""

import collections

from rich.console import Console
from rich.table import Table

from device import budget
from device import histogram

# Added up over all images.
_TOTALS = ("images", "failed", "late", "macs", "energy_pj", "run", "labelled",
           "right")


class Summary:
    """Collects answers, in constant memory.

    Args:
        bundle: `bundle.Bundle` that they come from.

    Attributes:
        failed: images without an answer.
    """

    def __init__(self, bundle):
        self._base_macs = bundle.manifest.base_macs
        self._groups = [step.groups for step in bundle.manifest.plan.steps]
        self._exits = collections.Counter()
        self._latencies = histogram.Histogram()
        self.images = self.failed = self.late = 0
        self.macs = self.energy_pj = self.labelled = self.right = 0
        self.run = 0.0
        self._largest_macs = self._largest_pj = 0

    def add(self, answer, label):
        """One more `answers.Answer`; `label` is the right one, or None."""
        self.images += 1
        self.late += answer.late
        self._exits[answer.exit] += 1
        self._latencies.add(answer.latency_ms)
        self.macs += answer.macs
        self.energy_pj += answer.energy_pj
        self._largest_macs = max(self._largest_macs, answer.macs)
        self._largest_pj = max(self._largest_pj, answer.energy_pj)
        # Blocks behind the exit that answered did not run either, but no gate
        # skipped them: they do not count.
        shares = [len(groups) / total
                  for groups, total in zip(answer.path, self._groups)]
        self.run += sum(shares) / len(shares) if shares else 1
        if label is not None:
            self.labelled += 1
            self.right += bool(answer.label == label)

    def values(self):
        """A dict for JSON; None where nothing was classified or known."""
        mean = lambda total: total / self.images if self.images else None
        rounded = lambda ms: None if ms is None else float(f"{ms:.3g}")
        largest = lambda most: most if self.images else None
        return {
            "images": self.images, "failed": self.failed, "late": self.late,
            "accuracy": self.right / self.labelled if self.labelled else None,
            "mean_macs": mean(self.macs),
            "largest_macs": largest(self._largest_macs),
            "base_macs": self._base_macs,
            "mean_macs_of_base": mean(self.macs / self._base_macs),
            "mean_energy_mj": mean(self.energy_pj / budget.PJ_PER_MJ),
            "largest_energy_mj": largest(self._largest_pj / budget.PJ_PER_MJ),
            "skip_ratio": 1 - mean(self.run) if self.images else None,
            "exits": dict(self._exits),
            "latency_ms_median": rounded(self._latencies.percentile(50)),
            "latency_ms_p95": rounded(self._latencies.percentile(95))}

    def memory(self):
        """What should survive a restart: a dict for JSON."""
        return {**{name: getattr(self, name) for name in _TOTALS},
                "largest_macs": self._largest_macs,
                "largest_pj": self._largest_pj, "exits": dict(self._exits),
                "latencies": self._latencies.memory()}

    def recall(self, memory):
        """Takes up a `memory`; before anything is added.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        self._latencies.recall(memory["latencies"])
        self._exits.update({str(name): int(count)
                            for name, count in memory["exits"].items()})
        for name in _TOTALS:
            setattr(self, name, type(getattr(self, name))(memory[name]))
        self._largest_macs = int(memory["largest_macs"])
        self._largest_pj = int(memory["largest_pj"])

    def print(self, file):
        """A table for people."""
        values = self.values()
        table = Table(title=f"{values['images']:,} images classified, "
                      f"{values['failed']:,} failed")
        if not values["images"]:
            Console(file=file).print(table.title)
            return
        table.add_column("")
        table.add_column("value", justify="right")
        for name, value in self._rows(values):
            table.add_row(name, value)
        Console(file=file).print(table)

    def _rows(self, values):
        if values["accuracy"] is not None:
            yield "accuracy", f"{100 * values['accuracy']:.2f}%"
        yield "mean MACs", f"{values['mean_macs']:,.0f}"
        share = values["mean_macs_of_base"]
        yield "  of the base network", f"{100 * share:.1f}%"
        yield "largest MACs", f"{values['largest_macs']:,}"
        yield "mean energy, modelled", f"{values['mean_energy_mj']:.4g} mJ"
        yield "skip ratio (blocks passed)", f"{100 * values['skip_ratio']:.1f}%"
        yield "latency, median", f"{values['latency_ms_median']} ms"
        yield "latency, 95th percentile", f"{values['latency_ms_p95']} ms"
        if values["late"]:
            yield "after their deadline", f"{values['late']:,}"
        for name, count in self._exits.most_common():
            yield f"answered by {name}", f"{count:,}"
