"""How good are searched thresholds, and how long does the search take?

    python benchmarks/threshold_search.py --run=RUN

On a run's traces (python -m ddi_tf.evaluate, of tune and of test), at eight
mean budgets: our search, MSDNet's geometric rule, one threshold for all exits,
and our search on other measures of the same logits: entropies of softmaxes with
a temperature for every exit, and the other kind of entropy. Thresholds are
chosen on tune; test is what comes of them.
"""

import json
import time

from ddi_tf import quiet  # first: it loads TensorFlow silently

import numpy as np
from absl import app
from absl import flags
from rich.console import Console
from rich.progress import track
from rich.table import Table

import reached
import results
from ddi_tf import calibration
from ddi_tf import exit_rules
from ddi_tf import exits
from ddi_tf import run_folder
from ddi_tf import search
from ddi_tf import trace_files

_RUN = flags.DEFINE_string("run", None, "Folder of the run.", required=True)
_BUDGETS = flags.DEFINE_integer(
    "budgets", 8, "How many, evenly between the least and the most that make "
    "sense.", lower_bound=1)
_OUTPUT = flags.DEFINE_string("output", None, "File for the JSON, if any.")


def main(argv):
    del argv
    quiet.tensorflow_logs()
    results.report(_searched, _show, _OUTPUT.value)


def _searched():
    folder = run_folder.RunFolder(_RUN.value)
    tune, test = (trace_files.load_of(folder, split)
                  for split in ("tune", "test"))
    temperatures = [
        calibration.temperature(tune.traces.logits[:, n], tune.traces.labels)
        for n in range(tune.traces.logits.shape[1])]
    its_own = folder.network_config.exit_entropy
    measures = {"calibrated": (temperatures, its_own), **{
        f"{kind} entropy": (np.ones(len(temperatures)), kind)
        for kind in exits.ENTROPIES if kind != its_own}}
    measured = {name: [_measured(recorded, *measure)
                       for recorded in (tune, test)]
                for name, measure in measures.items()}
    started = time.process_time()
    ours = search.Search(tune.traces, tune.costs["macs"])
    prepared = time.process_time() - started
    others = {name: search.Search(recorded.traces, tune.costs["macs"])
              for name, (recorded, _) in measured.items()}
    rows, seconds = [], []
    # The ends have one answer each; what lies between is chosen.
    budgets = np.linspace(ours.least, ours.most, _BUDGETS.value + 2)[1:-1]
    by_rule = {name: exit_rules.within(
        tune.traces, tune.costs["macs"], rule(tune.traces), budgets)
        for name, rule in exit_rules.RULES.items()}
    for budget in track(budgets, "searching", console=Console(stderr=True)):
        started = time.process_time()
        found = ours.within(budget)
        seconds.append(time.process_time() - started)
        rows.append({
            "budget": float(budget),
            "search": _reached(found.thresholds, budget, tune, test),
            **{name: _reached(
                other.within(np.clip(budget, other.least, other.most))
                .thresholds, budget, *measured[name])
               for name, other in others.items()},
            **{name: _reached(chosen[len(rows)], budget, tune, test)
               for name, chosen in by_rule.items()}})
    return {
        "run": tune.about.run, "commit": tune.about.commit,
        "seed": tune.about.seed, "images": {
            name: len(recorded.traces.labels)
            for name, recorded in (("tune", tune), ("test", test))},
        "exits": len(tune.about.exits), "temperatures": temperatures,
        "cpu_seconds": {"preparing": prepared, "per_budget": {
            "median": float(np.median(seconds)), "largest": max(seconds)}},
        "budgets": rows}


def _measured(recorded, temperatures, kind):
    return recorded._replace(traces=recorded.traces._replace(
        entropies=calibration.entropies(
            recorded.traces.logits, temperatures, kind)))


def _reached(chosen, budget, tune, test):
    """What thresholds come to on both splits; None if there are none."""
    if chosen is None:
        return None
    found = reached.at(chosen, {"tune": tune, "test": test})
    for split in ("tune", "test"):
        found[split]["miss"] = found[split]["mean_macs"] / budget - 1
    return found


def _show(result):
    ways = [key for key in result["budgets"][0] if key != "budget"]
    table = Table("M MACs", *(f"{way}\n{split}" for way in ways
                              for split in ("tune", "test")), "miss on test",
                  title=f"{result['run']}: % right at mean budgets")
    for row in result["budgets"]:
        table.add_row(
            f"{row['budget'] / 1e6:.2f}",
            *("" if row[way] is None
              else f"{100 * row[way][split]['accuracy']:.2f}"
              for way in ways for split in ("tune", "test")),
            f"{100 * row['search']['test']['miss']:+.2f}%")
    console = Console(width=max(110, Console().width))
    console.print(table)
    console.print(json.dumps(result["cpu_seconds"]))


if __name__ == "__main__":
    app.run(main)
