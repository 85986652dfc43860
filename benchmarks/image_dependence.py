"""What it is worth that gates decide image by image.

    python benchmarks/image_dependence.py --runs=RUN,RUN,... --split=test

Every run's network answers with its gates' own decisions, with those that it
took for another image of the split (drawn: the same mean cost, nothing of the
image in it), and with the commonest decision of every gate for all images (a
pruned network, of a cost of its own). What the first gets right beyond the
second is what looking at the image gave; exits are off.
"""

import json
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

from ddi_tf import data
from ddi_tf import data_flags
from ddi_tf import deciding
from ddi_tf import errors
from ddi_tf import run_folder
from ddi_tf import traces

_RUNS = flags.DEFINE_list(
    "runs", None, "Folders of finished runs with gates.", required=True)
_SPLIT = flags.DEFINE_enum("split", "test", data.SPLITS, "Images to answer.")
_SEEDS = flags.DEFINE_integer(
    "seeds", 3, "How often other images are drawn.", lower_bound=1)
_OUTPUT = flags.DEFINE_string("output", None, "File for the JSON, if any.")

_BATCH_SIZE = 500


def main(argv):
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; flags begin with --")
    quiet.tensorflow_logs()
    try:
        with Progress(console=Console(stderr=True)) as progress:
            rows = [measure(path, _SPLIT.value, _SEEDS.value, progress)
                    for path in _RUNS.value]
    except errors.DDIError as error:
        sys.exit(f"error: {error}")
    result = {"split": _SPLIT.value, "runs": rows}
    if _OUTPUT.value:
        pathlib.Path(_OUTPUT.value).write_text(
            json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show(result)


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
    count = len(split.labels)
    name = pathlib.Path(path).name
    task = progress.add_task(name, total=count * (seeds + 2))
    seen = lambda images: progress.advance(task, images)
    own = traces.Tracer(network, dataset.scaling).collect(split, seen)
    answer = answering(network, dataset.scaling, split, seen)
    decisions = deciding.Decisions(own.layers, own.masks)
    others = [answer(tf.nest.map_structure(
        lambda said, order=np.random.default_rng(seed).permutation(count):
        said[order], decisions)) for seed in range(seeds)]
    commonest = answer(tf.nest.map_structure(
        lambda said: np.broadcast_to(said.mean(axis=0) >= 0.5, said.shape),
        decisions))
    return {"run": name, "commit": folder.settings["commit"], "images": count,
            "own": {"accuracy": float(own.accuracy[-1]),
                    "cost": share(network, own.spent)},
            "of_another_image": {
                "accuracy": [accuracy for accuracy, _ in others],
                "cost": others[0][1]},
            "commonest": dict(zip(("accuracy", "cost"), commonest)),
            "uncommon_decisions": uncommon(network, decisions)}


def answering(network, scaling, split, on_batch):
    """A function of `deciding.Decisions` [N, ...] -> (accuracy, mean cost).

    Args:
        network: `network.Network`.
        scaling: `data.Scaling`.
        split: `data.Split` of N images.
        on_batch: called with the number of images done in each batch.
    """
    @tf.function(reduce_retracing=True)
    def forward(images, decisions):
        outputs = network(data.normalize(images, scaling), with_exits=False,
                          decisions=decisions)
        return tf.argmax(outputs.logits, axis=1), outputs.spent

    def answer(decisions):
        right, spent = [], []
        for start in range(0, len(split.labels), _BATCH_SIZE):
            part = slice(start, start + _BATCH_SIZE)
            predicted, cost = forward(
                split.images[part], tf.nest.map_structure(
                    lambda said, part=part: tf.constant(
                        said[part], tf.float32), decisions))
            right.append(predicted.numpy() == split.labels[part])
            spent.append(cost.numpy())
            on_batch(len(right[-1]))
        return (float(np.mean(np.concatenate(right))),
                share(network, np.concatenate(spent)))
    return answer


def share(network, spent):
    """Mean cost of the full path as a share of the base network's."""
    table = network.costs
    return float(np.mean(spent[:, -1] + table.head) / table.base)


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
