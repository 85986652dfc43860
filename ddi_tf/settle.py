"""Settles gates of a trained run that say the same about every image.

    python -m ddi_tf.settle --run=RUN --output=NEW_RUN --data_dir=...

Writes a run that answers as RUN does and asks fewer gates. Training with
--train_settle asks fewer still.
"""

import shutil
import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

from absl import app
from absl import flags
from rich.console import Console

from ddi_tf import data_flags
from ddi_tf import errors
from ddi_tf import monitor
from ddi_tf import new_folder
from ddi_tf import operating_points
from ddi_tf import run_folder
from ddi_tf import run_summary
from ddi_tf import settling
from ddi_tf import traces

_RUN = flags.DEFINE_string("run", None, "Folder of the run.", required=True)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder of the new run; must not exist.", required=True)

# What the new run has of the old one; others say what that one costs.
_KEPT = ("checkpoints", "phases", "flags.cfg", "metrics.jsonl", "run.json")


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    quiet.tensorflow_logs()
    try:
        print(_settle(run_folder.RunFolder(_RUN.value), _OUTPUT.value))
    except (errors.DDIError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"\nstopped; {_OUTPUT.value} was not written.")


def _settle(folder, output):
    """Writes the new run; returns what it has and what comes next."""
    new_folder.check_absent(output)
    dataset = data_flags.load_of(folder.settings)
    network = folder.load_network()
    if network.config.settled:
        raise errors.ConfigError(
            f"{folder.path} has settled gates already "
            f"({settling.in_words(network, network.config.settled)}).")
    with Console(stderr=True).status("looking at the tune images"):
        found = settling.find(network, traces.Tracer(
            network, dataset.scaling).collect(dataset.tune), is_trained=True)
    if not found:
        raise errors.ConfigError(
            f"{folder.path} has no gate that can be settled: each says now "
            "this and now that, or one behind it needs to know what it saw. "
            "Train with --train_settle.")
    with new_folder.written(output) as written:
        for name in _KEPT:
            source = folder.path / name
            if source.is_dir():
                shutil.copytree(source, written / name)
            elif source.exists():
                shutil.copy(source, written / name)
        settled = run_folder.RunFolder(written)
        settled.settle(found)
        with Console(stderr=True).status("choosing operating points"):
            network = settled.load_network()
            operating_points.save(settled, network, monitor.Monitor(
                network, network.costs, dataset))
    run_summary.save(run_folder.RunFolder(output), network)
    return (f"Settled in {output}: {settling.in_words(network, found)}.\n"
            f"Next: python -m ddi_tf.evaluate --run={output} --split=test\n"
            f"      python -m converters.export --checkpoint={output} "
            "--output=BUNDLE")


if __name__ == "__main__":
    app.run(main)
