"""What it is worth that gates decide image by image.

    python benchmarks/image_dependence.py --runs=RUN,RUN,... --split=test

Every run's network answers with its gates' own decisions, with those that it
took for another image of the split (drawn: the same mean cost, nothing of the
image in it), and with the commonest decision of every gate for all images (a
pruned network, which needs no gates: theirs is not in its cost). What the first
gets right beyond the second is what looking at the image gave; exits are off.
"""

import pathlib
import sys

from ddi_tf import quiet  # first: it loads TensorFlow silently

import numpy as np
import tensorflow as tf
from absl import app
from absl import flags
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import results
from ddi_tf import costs
from ddi_tf import data
from ddi_tf import data_flags
from ddi_tf import deciding
from ddi_tf import errors
from ddi_tf import run_folder
from ddi_tf import thresholds
from ddi_tf import traces

_RUNS = flags.DEFINE_list(
    "runs", None, "Folders of finished runs with gates.", required=True)
_SPLIT = flags.DEFINE_enum("split", "test", data.SPLITS, "Images to answer.")
_SEEDS = flags.DEFINE_integer(
    "seeds", 3, "How often other images are drawn.", lower_bound=1)
_OUTPUT = flags.DEFINE_string("output", None, "File for the JSON, if any.")


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    quiet.tensorflow_logs()
    results.report(_measured, show, _OUTPUT.value)


def _measured():
    with Progress(console=Console(stderr=True)) as progress:
        return {"split": _SPLIT.value, "runs": [
            measure(path, _SPLIT.value, _SEEDS.value, progress)
            for path in _RUNS.value]}


def measure(path, split_name, seeds, progress):
    """Accuracies and mean costs of one run, as a dict for JSON.

    Args:
        path: the run's folder.
        split_name: one of `data.SPLITS`.
        seeds: how often other images are drawn.
        progress: `rich.progress.Progress`.

    Raises:
        CheckpointError: the run has no trained network.
        ConfigError: it has no gates, or is a peer: those decide in other ways.
    """
    folder = run_folder.RunFolder(path)
    dataset = data_flags.load_of(folder.settings)
    split, network = dataset.part(split_name), folder.load_network()
    if network.config.strategy != "gates" or not network.gates:
        raise errors.ConfigError(
            f"{path} decides nothing by gates; give --runs of networks with "
            "--model_strategy=gates and gates for layers, channels or both.")
    name = pathlib.Path(path).name
    task = progress.add_task(name, total=len(split.labels) * (seeds + 2))
    tracer = traces.Tracer(network, dataset.scaling)

    def answered(decisions=None, table=network.costs):
        found = tracer.collect(
            split, lambda images: progress.advance(task, images), decisions)
        return found, outcome(found, found.cost(table, "MACs"))

    own, own_outcome = answered()
    decisions = deciding.Decisions(own.layers, own.masks)
    others = [answered(of_others(decisions, seed))[1] for seed in range(seeds)]
    return {"run": name, "commit": folder.settings["commit"],
            "images": len(split.labels), "own": own_outcome,
            "of_another_image": {
                "accuracy": [other["accuracy"] for other in others],
                "cost": others[0]["cost"]},
            "commonest": answered(
                commonest(decisions), costs.without_gates(network.costs))[1],
            "uncommon_decisions": uncommon(network, decisions)}


def outcome(found, cost):
    """Accuracy, and mean share of the base network's MACs, with exits off."""
    taken = thresholds.apply(found, cost, [None] * (len(cost.answers) - 1))
    return {"accuracy": float(taken.correct.mean()),
            "cost": float(taken.cost.mean() / cost.base)}


def of_others(decisions, seed):
    """Every image's decisions given to the next one on a drawn round."""
    ring = np.random.default_rng(seed).permutation(len(decisions.layers))
    giver = np.empty_like(ring)
    giver[ring] = np.roll(ring, 1)
    return tf.nest.map_structure(lambda said: said[giver], decisions)


def commonest(decisions):
    """What each gate says for most images that ask it, for all of them."""
    def most(said, asked):
        said_when_asked = said[asked] if asked.any() else said
        return np.broadcast_to(said_when_asked.mean(axis=0) >= 0.5, said.shape)

    layers = decisions.layers
    return deciding.Decisions(
        most(layers, np.full(len(layers), True)),
        tuple(most(mask, layers[:, index] > 0)
              for index, mask in enumerate(decisions.masks)))


def uncommon(network, decisions):
    """Share of the decisions that are not their gate's commonest."""
    said = [decisions.layers[:, index] for index, block in enumerate(
        network.blocks) if network.layer_gating.decides(block)]
    for index, block in enumerate(network.blocks):
        if network.channel_gating.decides(block):
            asked = decisions.masks[index][decisions.layers[:, index] > 0]
            said += list(asked.T)
    rates = np.array([one.mean() for one in said if len(one)])
    return float(np.minimum(rates, 1 - rates).mean())


def show(result):
    """Prints a table of the runs."""
    made = Table("run", "own", "of another image", "commonest", "uncommon",
                 title=f"% right on {result['split']} (% of the base network's "
                 "MACs)")
    for row in result["runs"]:
        cell = lambda part: (f"{100 * np.mean(part['accuracy']):.2f} "
                             f"({100 * part['cost']:.1f})")
        made.add_row(row["run"], cell(row["own"]),
                     cell(row["of_another_image"]), cell(row["commonest"]),
                     f"{100 * row['uncommon_decisions']:.1f}%")
    Console().print(made)


if __name__ == "__main__":
    app.run(main)
