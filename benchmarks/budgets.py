"""How near runs came to their budgets, and what the energy loss saves.

    python benchmarks/budgets.py --runs=RUN,RUN,... --output=budgets.json

For every run: its target and resource, the accuracy of its base network and of
the gated one, and what that executes, on tune and on test, in MACs and in
modelled energy, as shares of the base network. Gates only: no image leaves
early. If there are runs trained for both resources, also the energy that
networks of equal accuracy execute, interpolated between runs.
"""

import json

from ddi_tf import quiet  # first: it loads TensorFlow silently

import numpy as np
from absl import app
from absl import flags
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ddi_tf import costs
from ddi_tf import data_flags
from ddi_tf import energy
from ddi_tf import network as network_lib
from ddi_tf import run_folder
from ddi_tf import traces

_RUNS = flags.DEFINE_list(
    "runs", None, "Folders of finished runs with the same base network.",
    required=True)
_MODEL = flags.DEFINE_string(
    "energy_model", "horowitz_dram", "Energy to count, of `ddi_tf.energy`.")
_WIDTH = flags.DEFINE_string("energy_width", "int8", "Of its numbers.")
_OUTPUT = flags.DEFINE_string("output", None, "File for the JSON, if any.")


def main(argv):
    del argv
    quiet.tensorflow_logs()
    model = energy.model(_MODEL.value, _WIDTH.value)
    rows = [measure(run_folder.RunFolder(path), model)
            for path in track(_RUNS.value, "evaluating",
                              console=Console(stderr=True))]
    result = {"energy": f"{_MODEL.value} {_WIDTH.value}", "runs": rows,
              "at_equal_accuracy": saved(rows)}
    if _OUTPUT.value:
        with open(_OUTPUT.value, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
    show(result)


def measure(folder, model):
    """Accuracies and shares of one run, as a dict for JSON."""
    settings = folder.settings
    dataset = data_flags.load_of(settings)
    network, base = folder.load_network(), folder.load_network("base")
    tables = {"macs": network.costs,
              "energy": network.work.priced(model.energy)}
    gated = traces.Tracer(network, dataset.scaling)
    full = traces.Tracer(base, dataset.scaling, all_open=True)
    row = {"run": folder.path.name, "commit": settings["commit"],
           "seed": settings["schedule"]["seed"],
           "resource": settings["resource"]["name"],
           "target": settings["schedule"]["target_cost"]}
    for name in ("tune", "test"):
        split = dataset.part(name)
        seen = gated.collect(split)
        row[name] = {
            "base_accuracy": float(full.collect(split).accuracy[-1]),
            "accuracy": float(seen.accuracy[-1]),
            "skip_ratio": float(seen.skip_ratio),
            **{unit: executed(table, seen) for unit, table in tables.items()}}
    return row


def executed(table, seen):
    """Mean share of the base network's cost that `traces.Traces` executed."""
    spent = costs.spent(
        table, network_lib.Decisions(seen.layers, seen.masks))
    return float(costs.full_path(table, spent).numpy().mean() / table.base)


def saved(rows):
    """Energy at equal test accuracy of runs trained for either resource.

    Each run trained for energy is compared with the straight line between the
    two runs trained for FLOPs whose accuracies enclose its own; none if it
    lies outside them.
    """
    flops = sorted((row["test"]["accuracy"], row["test"]["energy"])
                   for row in rows if row["resource"] == "flops")
    found = []
    for row in rows:
        accuracy, used = row["test"]["accuracy"], row["test"]["energy"]
        if row["resource"] != "energy" or len(flops) < 2 or not (
                flops[0][0] <= accuracy <= flops[-1][0]):
            continue
        other = float(np.interp(accuracy, *zip(*flops)))
        found.append({"run": row["run"], "accuracy": accuracy, "energy": used,
                      "energy_of_flops_runs": other, "saved": other - used})
    return found


def show(result):
    """Prints the tables."""
    table = Table("run", "loss", "target", "split", "base", "gated", "skipped",
                  "MACs", "energy", title="% right, % of the base network; "
                  f"energy: {result['energy']}")
    for row in result["runs"]:
        for name in ("tune", "test"):
            cells = [row[name][key] for key in (
                "base_accuracy", "accuracy", "skip_ratio", "macs", "energy")]
            table.add_row(row["run"], row["resource"], str(row["target"]),
                          name, *(f"{100 * cell:.1f}" for cell in cells))
    console = Console()
    console.print(table)
    for point in result["at_equal_accuracy"]:
        console.print(
            f"{point['run']}: at {100 * point['accuracy']:.2f}% test accuracy "
            f"it executes {100 * point['energy']:.1f}% of the base network's "
            "energy, networks trained for FLOPs "
            f"{100 * point['energy_of_flops_runs']:.1f}%")


if __name__ == "__main__":
    app.run(main)
