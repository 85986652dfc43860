"""Which network gets most right at equal mean cost, exits included?

    python benchmarks/equal_cost.py --runs=RUN,RUN,... --budgets=15e6,20e6

Reads the traces of tune and test (python -m ddi_tf.evaluate). For every run and
mean budget of MACs per image: exit thresholds searched on tune, and what they
come to on both splits. Where more MACs than a run can make use of are offered,
it uses what it can; where fewer than it needs, there is nothing. What each base
network gets right when it runs in full stands beside it.
"""

import pathlib
import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

from absl import app
from absl import flags
from rich.console import Console
from rich.table import Table

import reached
import results
from ddi_tf import run_folder
from ddi_tf import search
from ddi_tf import trace_files

_RUNS = flags.DEFINE_list(
    "runs", None, "Folders of finished runs, of any networks.", required=True)
_BUDGETS = flags.DEFINE_list(
    "budgets", None, "Mean MACs per image.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "File for the JSON, if any.")


def main(argv):
    del argv
    quiet.tensorflow_logs()
    try:
        budgets = [float(budget) for budget in _BUDGETS.value]
    except ValueError as error:
        sys.exit(f"error: --budgets takes numbers separated by commas ({error}).")
    results.report(
        lambda: {"budgets": budgets,
                 "runs": [_measure(path, budgets) for path in _RUNS.value]},
        _show, _OUTPUT.value)


def _measure(path, budgets):
    """What a run reaches at each budget, as a dict for JSON."""
    folder = run_folder.RunFolder(path)
    splits = {split: trace_files.load_of(folder, split)
              for split in ("tune", "test")}
    tune, test = splits["tune"], splits["test"]
    searched = search.Search(tune.traces, tune.costs["macs"])
    return {
        "run": pathlib.Path(path).name, "commit": test.about.commit,
        "seed": test.about.seed, "base_macs": test.costs["macs"].base,
        "base_accuracy": {split: recorded.base_accuracy
                          for split, recorded in splits.items()},
        "reached": [_reached(searched, budget, splits) for budget in budgets]}


def _reached(searched, budget, splits):
    """Thresholds for a budget and what they come to; None if it is too low."""
    if budget < searched.least:
        return None
    chosen = searched.within(min(budget, searched.most)).thresholds
    return reached.at(chosen, splits)


def _show(result):
    table = Table(title="% right (M MACs used)")
    for name in ("run", "split", "in full"):
        table.add_column(name)
    for budget in result["budgets"]:
        table.add_column(f"{budget / 1e6:g} M", justify="right")
    for run in result["runs"]:
        for split in ("tune", "test"):
            table.add_row(
                run["run"], split,
                _cell(run["base_accuracy"][split], run["base_macs"]),
                *("" if point is None else _cell(**point[split])
                  for point in run["reached"]))
    wide = 40 + 17 * len(result["budgets"])  # a narrow terminal wraps lines
    Console(width=max(wide, Console().width)).print(table)


def _cell(accuracy, mean_macs):
    return f"{100 * accuracy:.2f} ({mean_macs / 1e6:.2f})"


if __name__ == "__main__":
    app.run(main)
