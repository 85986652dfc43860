"""What runs of different strategies and budgets execute and get right.

    python benchmarks/budgets.py --runs=RUN,RUN,... --output=budgets.json

Reads the traces of tune and test (python -m ddi_tf.evaluate --energy_model=...,
the same for all). For every run: who decides what runs, its target and
resource, the accuracy of the base network and of the gated one, and what that
executes, in MACs and in modelled energy, as shares of the base network. Gates
only: no image leaves early. The base network is each run's own, or that of
--base: what a pruned network is compared with is not itself. If there are runs
trained for both resources, also the energy that networks of equal accuracy
execute, interpolated between runs.
"""

import pathlib

from ddi_tf import quiet  # first: it loads TensorFlow silently

import numpy as np
from absl import app
from absl import flags
from rich.console import Console
from rich.table import Table

import results
from ddi_tf import costs
from ddi_tf import errors
from ddi_tf import run_folder
from ddi_tf import run_summary
from ddi_tf import trace_files

_RUNS = flags.DEFINE_list(
    "runs", None, "Folders of finished runs with the same base network.",
    required=True)
_BASE = flags.DEFINE_string(
    "base", None, "Folder of the run whose base network all are compared with; "
    "unset: each with its own.")
_OUTPUT = flags.DEFINE_string("output", None, "File for the JSON, if any.")


def main(argv):
    del argv
    quiet.tensorflow_logs()
    results.report(lambda: compared(_RUNS.value, _BASE.value), show,
                   _OUTPUT.value)


def compared(runs, base):
    """What is written as JSON, of folders of runs and of their base, if any."""
    recorded = [load(path) for path in runs]
    base = load(base) if base else None
    rows = [measure(path, splits, base or splits)
            for path, splits in zip(runs, recorded)]
    return {"energy": energy_model(recorded + ([base] if base else [])),
            "runs": rows, "at_equal_accuracy": saved(rows)}


def load(path):
    """Split -> `trace_files.Recorded` of a run's folder."""
    return {split: trace_files.load(trace_files.path(path, split))
            for split in ("tune", "test")}


def energy_model(recorded):
    """The one that all of `recorded`, each from `load`, were evaluated with."""
    sources = sorted({one.about.resources["energy"]["source"]
                      for splits in recorded for one in splits.values()})
    if len(sources) > 1:
        raise errors.ConfigError(
            "energies of different models say nothing beside each other. "
            f"Found: {'; '.join(sources)}. Evaluate all --runs, and --base, "
            "with the same --energy_model.")
    return sources[0]


def measure(path, splits, bases):
    """Accuracies and shares of one run, as a dict for JSON.

    Args:
        path: the run's folder.
        splits: its `load`.
        bases: `load` of the run whose base network it is compared with.
    """
    about, folder = splits["test"].about, run_folder.RunFolder(path)
    asked = run_summary.target(folder.settings, folder.metrics)
    return {
        "run": pathlib.Path(path).name,
        "commit": about.commit, "seed": about.seed,
        "strategy": strategy(about.settings["network"]),
        "resource": about.settings["resource"]["name"],
        "target": asked and asked["cost"],
        **{split: {
            "base_accuracy": bases[split].base_accuracy,
            "accuracy": float(recorded.traces.accuracy[-1]),
            "skip_ratio": float(recorded.traces.skip_ratio),
            **{resource: executed(cost, bases[split].costs[resource].base)
               for resource, cost in recorded.costs.items()}}
           for split, recorded in splits.items()}}


def strategy(network):
    """Who decides what runs, in words, by the settings of a network."""
    if network["strategy"] != "gates":
        return network["strategy"]
    who = [f"{what}, {network[f'{one}_gate']}" for what, one in (
        ("layers", "layer"), ("channels", "channel"))
           if network[f"{one}_gates"]]
    return "; ".join(who) or "none"


def executed(cost, base):
    """Mean share of `base`, the cost of a base network; all exits evaluated."""
    return float(costs.full_path(cost, cost.spent).mean() / base)


def saved(rows):
    """Energy at equal test accuracy of runs trained for either resource.

    Each run trained for energy is compared with the straight line between the
    two runs of its strategy, trained for FLOPs, whose accuracies enclose its
    own; none if it lies outside them.
    """
    found = []
    for row in rows:
        accuracy, used = row["test"]["accuracy"], row["test"]["energy"]
        flops = sorted((other["test"]["accuracy"], other["test"]["energy"])
                       for other in rows if other["resource"] == "flops"
                       and other["strategy"] == row["strategy"])
        if row["resource"] != "energy" or len(flops) < 2 or not (
                flops[0][0] <= accuracy <= flops[-1][0]):
            continue
        other = float(np.interp(accuracy, *zip(*flops)))
        found.append({"run": row["run"], "accuracy": accuracy, "energy": used,
                      "energy_of_flops_runs": other, "saved": other - used})
    return found


def show(result):
    """Prints a table for each strategy, and what energy runs save."""
    console = Console()
    console.print(
        f"% right, % of the base network's costs; energy: {result['energy']}")
    for name in dict.fromkeys(row["strategy"] for row in result["runs"]):
        console.print(table(name, [
            row for row in result["runs"] if row["strategy"] == name]))
    for point in result["at_equal_accuracy"]:
        console.print(
            f"{point['run']}: at {100 * point['accuracy']:.2f}% test accuracy "
            f"it executes {100 * point['energy']:.1f}% of the base network's "
            "energy, networks trained for FLOPs "
            f"{100 * point['energy_of_flops_runs']:.1f}%")


def table(title, rows):
    """`rich` table of `measure`d rows."""
    made = Table("run", "loss", "target", "split", "base", "gated", "skipped",
                 "MACs", "energy", title=title)
    for row in rows:
        for name in ("tune", "test"):
            cells = [row[name][key] for key in (
                "base_accuracy", "accuracy", "skip_ratio", "macs", "energy")]
            made.add_row(row["run"], row["resource"],
                         str(row["target"] or "none"), name,
                         *(f"{100 * cell:.1f}" for cell in cells))
    return made


if __name__ == "__main__":
    app.run(main)
