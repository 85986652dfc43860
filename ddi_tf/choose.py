"""Chooses exit thresholds for mean budgets, from traces of the tune split.

    python -m ddi_tf.choose --run=RUN --resource=macs --budgets=6e6,9e6

Writes RUN/operating_points.json, which `converters.export` puts into bundles,
and says so in the RUN/summary.json of a run that has one.
"""

import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

from absl import app
from absl import flags
from rich import box
from rich.console import Console
from rich.table import Table

from ddi_tf import errors
from ddi_tf import operating_points
from ddi_tf import run_folder
from ddi_tf import run_summary
from ddi_tf import strategies
from ddi_tf import trace_files
from ddi_tf import units

_RUN = flags.DEFINE_string("run", None, "Folder of the run.", required=True)
_BEST = flags.DEFINE_bool(
    "best", False, "Choose for the network of the best epoch on tune.")
_RESOURCE = flags.DEFINE_string(
    "resource", "macs", "Whose mean cost is the budget: macs, or energy or "
    "latency if evaluate wrote it into the traces.")
_BUDGETS = flags.DEFINE_list(
    "budgets", [], "Mean costs per image, in the resource's unit; unset: "
    f"{operating_points.COUNT} between the least and the most that make sense.")


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    quiet.tensorflow_logs()
    try:
        _choose()
    except errors.DDIError as error:
        sys.exit(f"error: {error}")


def _choose():
    folder = run_folder.RunFolder(_RUN.value, _BEST.value)
    folder.settings  # that there is a run comes before its traces
    recorded = trace_files.load_of(folder, "tune")
    if _RESOURCE.value not in recorded.costs:
        raise errors.ConfigError(
            f"the traces know {', '.join(recorded.costs)}, not "
            f"{_RESOURCE.value}. For time, write them again: python -m "
            "ddi_tf.evaluate --split=tune --latency_profile=profile.json")
    points = operating_points.choose(
        recorded.traces, recorded.costs, _RESOURCE.value, _budgets())
    folder.save_operating_points(points)
    _show(points, recorded)
    # A summary is of the last network, whatever is chosen for the best.
    if not folder.is_best and run_summary.path(folder).exists():
        run_summary.save(folder, strategies.make(folder.network_config))
    print(f"Next: python -m converters.export --checkpoint={_RUN.value} "
          "--output=BUNDLE")


def _budgets():
    try:
        return [float(budget) for budget in _BUDGETS.value]
    except ValueError as error:
        raise errors.ConfigError(
            f"--budgets takes numbers separated by commas ({error}).") from None


def _show(points, recorded):
    table = Table(
        box=box.SIMPLE_HEAD, title="On the tune split: accuracy, mean cost per "
        "image, where images leave")
    table.add_column("operating point", no_wrap=True)
    for name in ("accuracy", *recorded.costs, "of base", *recorded.about.exits,
                 "head"):
        table.add_column(name, justify="right", no_wrap=True)
    base = recorded.costs[_RESOURCE.value].base
    for point in points:
        table.add_row(
            point["name"], f"{100 * point['tune_accuracy']:.2f}%",
            *(units.in_words(point[f"tune_mean_{name}"], cost.unit)
              for name, cost in recorded.costs.items()),
            f"{100 * point[f'tune_mean_{_RESOURCE.value}'] / base:.1f}%",
            *(f"{100 * share:.0f}%" for share in point["tune_left"]))
    Console(width=max(120, Console().width)).print(table)


if __name__ == "__main__":
    app.run(main)
