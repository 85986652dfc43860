"""At equal mean MACs: gates and exits together, exits alone, gates alone.

    python benchmarks/dynamic_parts.py --run=RUN --data_dir=TFDS

All three are the same trained network. Together: its gates as trained, exits at
searched thresholds. Exits alone: all gates open and not paid, batch norm
measured that way, thresholds searched. Gates alone: no exit; the scores of all
gates shifted until the tune split costs what is asked (`finish.hold_target`),
batch norm measured that way. Needs the traces of tune and test, with and
without --gates_open. Chosen on tune; shown are both splits.
"""

from ddi_tf import quiet  # first: it loads TensorFlow silently

from absl import app
from absl import flags
from rich.console import Console
from rich.progress import track
from rich.table import Table

import reached
import results
from ddi_tf import costs
from ddi_tf import data
from ddi_tf import data_flags
from ddi_tf import finish
from ddi_tf import monitor as monitor_lib
from ddi_tf import run_folder
from ddi_tf import search
from ddi_tf import thresholds
from ddi_tf import trace_files
from ddi_tf import traces

_RUN = flags.DEFINE_string("run", None, "Folder of the run.", required=True)
_SHARES = flags.DEFINE_list(
    "shares", ["0.25", "0.35", "0.45", "0.6", "0.8"],
    "Mean MACs, as shares of the base network's.")
_OUTPUT = flags.DEFINE_string("output", None, "File for the JSON, if any.")


def main(argv):
    del argv
    quiet.tensorflow_logs()
    results.report(_measured, _show, _OUTPUT.value)


def _measured():
    folder = run_folder.RunFolder(_RUN.value)
    recorded = {
        gates_open: {split: trace_files.load(trace_files.path(
            folder.path, split, gates_open=gates_open))
            for split in ("tune", "test")} for gates_open in (False, True)}
    searches = {gates_open: search.Search(
        splits["tune"].traces, splits["tune"].costs["macs"])
        for gates_open, splits in recorded.items()}
    gates = Gates(folder)
    rows = []
    for share in track(list(map(float, _SHARES.value)), "measuring",
                       console=Console(stderr=True)):
        rows.append({
            "share": share, "gates alone": gates.at(share),
            **{name: _exits(searches[gates_open], recorded[gates_open],
                            share * gates.base)
               for name, gates_open in (("gates and exits", False),
                                        ("exits alone", True))}})
    about = recorded[False]["test"].about
    return {"run": about.run, "commit": about.commit, "seed": about.seed,
            "base_accuracy": recorded[False]["test"].base_accuracy,
            "rows": rows}


class Gates:
    """A run's network without exits, its gates shifted to any cost."""

    def __init__(self, folder):
        self._folder = folder
        self._dataset = data_flags.load_of(folder.settings)
        self._network = folder.load_network()
        self.base = self._network.costs.base
        schedule = folder.settings["schedule"]
        self._sampler = data.Sampler(
            len(self._dataset.train.images), schedule["batch_size"],
            schedule["seed"], self._dataset.flip, self._dataset.crop)
        self._batches = schedule["norm_batches"]
        # Without exits, of which none is paid.
        prices = self._network.costs
        prices = prices._replace(exits=tuple(0 for _ in prices.exits))
        self._prices = prices
        self._monitor = monitor_lib.Monitor(
            self._network, prices, self._dataset)
        self._tracer = traces.Tracer(self._network, self._dataset.scaling)

    def at(self, share):
        """Accuracy and mean MACs, or None where gates do not reach a share."""
        self._folder.restore_network(self._network)
        limits = [table / self.base for table in (
            costs.least(self._prices, self._network.all_closed(1)),
            self._prices.everything)]
        if not limits[0] < share < limits[1]:
            return None
        self._hold(share)
        # What then moves the gates a little again.
        finish.Norms(self._network).measure_at(
            range(self._batches), self._dataset, self._sampler)
        found = {"shift": self._hold(share).shift}
        for name in ("tune", "test"):
            seen = self._tracer.collect(self._dataset.part(name))
            outcome = thresholds.apply(
                seen, seen.macs(self._prices),
                [None] * len(self._network.exits))
            found[name] = reached.of(outcome)
        return found

    def _hold(self, share):
        return finish.hold_target(
            self._network.gates, self._monitor.cost, share, finish.NEAR)


def _exits(searched, splits, budget):
    """What searched thresholds come to; None where they make no sense."""
    if not searched.least <= budget <= searched.most:
        return None
    return reached.at(searched.within(budget).thresholds, splits)


def _show(result):
    ways = ("gates and exits", "exits alone", "gates alone")
    table = Table("share of base", *(f"{way}\n{split}" for way in ways
                                     for split in ("tune", "test")),
                  title=f"{result['run']}: % right at equal mean MACs; base "
                  f"network {100 * result['base_accuracy']:.2f}% on test")
    for row in result["rows"]:
        table.add_row(f"{row['share']:.2f}", *(
            "" if row[way] is None
            else f"{100 * row[way][split]['accuracy']:.2f}"
            for way in ways for split in ("tune", "test")))
    Console(width=max(110, Console().width)).print(table)


if __name__ == "__main__":
    app.run(main)
