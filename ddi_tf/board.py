"""What TensorBoard shows of a run: RUN/board, a little more at each epoch.

    tensorboard --logdir=runs

Event files are records of `Event` messages, written here as such, because
`tf.summary` needs the tensorboard package and writing does not. The last
pictures also lie beside them, as heat_map.png and images.png.
"""

import io
import time

import numpy as np
import tensorflow as tf
from absl import logging

from ddi_tf import phases
from ddi_tf import pictures

# A phase's number on the board: base is 1.
_PHASES = (*(phase.name for phase in phases.PHASES), "finish")
_EXAMPLES = 8


class Board:
    """Writes a run's curves and pictures.

    Whatever goes wrong here is a warning: the run goes on without.

    Args:
        folder: `run_folder.RunFolder`.
        network: `network.Network` that is trained.
        dataset: `data.Dataset`.
    """

    def __init__(self, folder, network, dataset):
        self._folder, self._path = folder, folder.path / "board"
        self._config, self._dataset = network.config, dataset
        self._blocks = [block.name for block in network.blocks]
        self._exits = [exit_.name for exit_ in network.exits.values()]
        self._writer, self._broken = None, False

    def add(self, record, tune):
        """Takes in a line of metrics.jsonl that was just written.

        Args:
            record: the line, as a dict.
            tune: `traces.Traces` of the tune split.
        """
        if self._broken:
            return
        try:
            self._add(record, tune)
        except Exception as error:  # no picture is worth a training run
            self._broken = True
            logging.warning(
                "%s is not written any more (%s: %s); training goes on. Start "
                "the same command again to go on with it.", self._path,
                type(error).__name__, str(error).partition("\n")[0])

    def _add(self, record, tune):
        history = self._folder.metrics
        if self._writer is None:
            self._open(history[:-1])
        values = [
            tf.compat.v1.Summary.Value(tag=tag, simple_value=number)
            for tag, number in
            scalars(record, self._blocks, self._exits).items()]
        if self._config.layer_gates or self._config.channel_gates:
            values += [
                self._picture(name, picture)
                for name, picture in self._pictures(history, record, tune)]
        self._write(record["step"], summary=tf.compat.v1.Summary(value=values))
        self._writer.flush()

    def _open(self, before):
        """Begins an event file that goes on after the lines `before`."""
        self._path.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads files in the order of their names.
        numbers = [int(path.name.split(".")[3])
                   for path in self._path.glob("events.out.tfevents.*.ddi")]
        number = max([*numbers, 0]) + 1
        self._writer = tf.io.TFRecordWriter(
            str(self._path / f"events.out.tfevents.{number:010d}.ddi"))
        self._write(0, file_version="brain.Event:2")
        # A start at a step makes TensorBoard forget what an interrupted run
        # wrote from that step on.
        self._write(before[-1]["step"] + 1 if before else 0,
                    session_log=tf.compat.v1.SessionLog(
                        status=tf.compat.v1.SessionLog.START))

    def _write(self, step, **what):
        event = tf.compat.v1.Event(wall_time=time.time(), step=step, **what)
        self._writer.write(event.SerializeToString())

    def _pictures(self, history, record, tune):
        """(name, picture), those that there are."""
        gated = [(number, line) for number, line in enumerate(history, start=1)
                 if "blocks" in line["tune"]]
        if "blocks" not in record["tune"]:
            return
        yield "heat_map", pictures.heat_map(
            "Executed share of every block's work, mean over the tune split",
            [line["tune"]["blocks"] for _, line in gated], self._blocks,
            [line["phase"] for _, line in gated],
            ["end" if line["phase"] == "finish" else str(number)
             for number, line in gated])
        yield "images", pictures.examples(
            f"What gates skip most and least: tune images, {record['phase']} "
            f"phase, step {record['step']:,}",
            _rows(self._dataset.tune, self._dataset.label_names, tune))

    def _picture(self, name, picture):
        """An image for TensorBoard, also left as a file."""
        png = io.BytesIO()
        picture.save(png, "PNG")
        (self._path / f"{name}.png").write_bytes(png.getvalue())
        return tf.compat.v1.Summary.Value(
            tag=f"gates/{name}", image=tf.compat.v1.Summary.Image(
                height=picture.height, width=picture.width, colorspace=3,
                encoded_image_string=png.getvalue()))


def scalars(record, blocks, exits):
    """Curves' names and values at one line of metrics.jsonl.

    Args:
        record: the line, as a dict.
        blocks: K names.
        exits: E names.
    """
    tune = dict(record["tune"])
    found = {f"train/{name}": value
             for name, value in record.get("train", {}).items()}
    if shares := tune.pop("blocks", []):
        found |= {f"skip_ratio/{name}": 1 - share
                  for name, share in zip(blocks, shares)}
    if accuracy := tune.pop("exit_accuracy", []):
        found |= {f"exit_accuracy/{name}": value for name, value in
                  zip([*exits, "head"], [*accuracy, tune["accuracy"]])}
    found |= {f"tune/{name}": value for name, value in tune.items()}
    found |= {f"schedule/{name}": value for name, value in record.items()
              if isinstance(value, float)}
    if record["phase"] in _PHASES:
        found["schedule/phase"] = 1 + _PHASES.index(record["phase"])
    return found


def _rows(split, names, tune):
    """What `pictures.examples` draws: most skipped, then least."""
    skipped = 1 - tune.executed.mean(axis=1)
    order = np.argsort(-skipped, kind="stable")
    said = tune.predictions[:, -1]

    def row(indices):
        return [(split.images[i], [
            names[split.labels[i]], f"{100 * skipped[i]:.0f}% skipped",
            "right" if said[i] == split.labels[i] else f"said {names[said[i]]}"
        ]) for i in indices]

    least = order[-_EXAMPLES:][::-1]
    return [(f"Most skipped (mean of all images: {100 * skipped.mean():.0f}%)",
             row(order[:_EXAMPLES])), ("Least skipped", row(least))]
