"""Tests of what is written for TensorBoard, read back from its files."""

import dataclasses
import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf
from absl import logging
from PIL import Image

from ddi_tf import board
from ddi_tf import data
from ddi_tf import network
from ddi_tf import run_folder
from ddi_tf import traces

_CONFIG = network.NetworkConfig(depth=8, classes=3, image_shape=(16, 16, 3))
_UNGATED = dataclasses.replace(
    _CONFIG, layer_gates=False, channel_gates=False)
_BLOCKS = ["stage1_block1", "stage2_block1", "stage3_block1"]

_BASE = {"phase": "base", "step": 4, "phase_step": 4, "learning_rate": 0.1,
         "seconds": 2.5, "train": {"loss": 1.5, "accuracy": 0.25},
         "tune": {"accuracy": 0.5}}


def _gated(step, share=0.25, phase="skip"):
    """A line of metrics.jsonl whose first block does `share` of its work."""
    return {**_BASE, "phase": phase, "step": step, "tune": {
        "accuracy": 0.75, "exit_accuracy": [0.1, 0.2, 0.3],
        "skip_ratio": 0.5, "cost": 0.6, "blocks": [share, 1.0, 0.5]}}


def _dataset():
    images = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1)
    tune = data.Split(np.broadcast_to(images, [20, 16, 16, 3]).copy(),
                      (np.arange(20) % 3).astype(np.int32))
    return data.Dataset("numbers", ("zero", "one", "two"), None, False, tune,
                        tune, tune)


def _tune():
    """Image i runs the first block if i is even, the others always."""
    even = (np.arange(20) % 2 == 0).astype(float)
    return traces.Traces(
        labels=_dataset().tune.labels, logits=None,
        predictions=np.zeros([20, 4], np.int32), entropies=None, spent=None,
        layers=np.stack([even, np.ones(20), np.ones(20)], axis=1),
        masks=(np.ones([20, 2]),) * 3)


def read(path):
    """{tag: {step: value}} as TensorBoard takes the files of a folder."""
    found = {}
    for file in sorted(path.glob("*tfevents*")):
        for event in _events(file):
            if event.session_log.status == tf.compat.v1.SessionLog.START:
                found = {tag: {step: value for step, value in points.items()
                               if step < event.step}
                         for tag, points in found.items()}
            for value in event.summary.value:
                points = found.setdefault(value.tag, {})
                assert event.step not in points, (value.tag, event.step)
                points[event.step] = (
                    value.image if value.HasField("image")
                    else value.simple_value)
    return found


def _events(file):
    """Events up to the end, or to where writing was cut short."""
    try:
        yield from tf.compat.v1.train.summary_iterator(str(file))
    except tf.errors.DataLossError:
        pass


class BoardTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.networks = {config: network.Network(config)
                        for config in (_CONFIG, _UNGATED)}

    def setUp(self):
        super().setUp()
        path = pathlib.Path(self.create_tempdir().full_path)
        self.folder = run_folder.RunFolder(path)
        self.path = path / "board"

    def _board(self, config=_CONFIG):
        return board.Board(self.folder, self.networks[config], _dataset())

    def _add(self, board_, *records):
        for record in records:
            self.folder.append_metrics(record)
            board_.add(record, _tune())

    def test_curves_of_a_gated_epoch_by_hand(self):
        self._add(self._board(), _gated(8))
        found = {tag: points[8] for tag, points in read(self.path).items()
                 if not tag.startswith("gates/")}
        self.assertAllClose(found, {
            "train/loss": 1.5, "train/accuracy": 0.25, "tune/accuracy": 0.75,
            "tune/skip_ratio": 0.5, "tune/cost": 0.6,
            "exit_accuracy/exit1": 0.1, "exit_accuracy/exit2": 0.2,
            "exit_accuracy/exit3": 0.3, "exit_accuracy/head": 0.75,
            **{f"skip_ratio/{name}": skipped
               for name, skipped in zip(_BLOCKS, (0.75, 0.0, 0.5))},
            "schedule/learning_rate": 0.1, "schedule/seconds": 2.5,
            "schedule/phase": 3})

    def test_a_base_epoch_has_no_pictures_and_nothing_of_gates(self):
        self._add(self._board(), _BASE)
        self.assertEqual(set(read(self.path)), {
            "train/loss", "train/accuracy", "tune/accuracy", "schedule/phase",
            "schedule/learning_rate", "schedule/seconds"})
        self.assertEmpty(list(self.path.glob("*.png")))

    def test_a_network_without_gates_has_curves_of_exits_and_no_pictures(self):
        self._add(self._board(_UNGATED), _gated(4, phase="exits"))
        found = read(self.path)
        self.assertIn("exit_accuracy/exit3", found)
        self.assertEmpty([tag for tag in found if tag.startswith("gates/")])

    def test_the_finish_is_shown_too(self):
        record = {"phase": "finish", "step": 9, "seconds": 1.0,
                  "gate_shift": 0.5, "tune": _gated(9)["tune"]}
        self._add(self._board(), _gated(8), record)
        found = read(self.path)
        self.assertAllClose(found["schedule/gate_shift"], {9: 0.5})
        self.assertAllClose(found["schedule/phase"], {8: 3, 9: 10})

    def test_pictures_are_images_of_tensorboard_and_files(self):
        self._add(self._board(), _BASE, _gated(8), _gated(12))
        found = read(self.path)
        for name in ("heat_map", "images"):
            shown = found[f"gates/{name}"]
            self.assertEqual(list(shown), [8, 12])
            file = self.path / f"{name}.png"
            self.assertEqual(shown[12].encoded_image_string, file.read_bytes())
            with Image.open(file) as picture:
                self.assertEqual(
                    picture.size, (shown[12].width, shown[12].height))

    def test_heat_map_is_of_all_epochs_with_gates(self):
        with mock.patch.object(
                board.pictures, "heat_map", autospec=True,
                side_effect=board.pictures.heat_map) as heat_map:
            self._add(self._board(), _BASE, _gated(8), _gated(12, 0.75))
            # As after an interruption: a new process.
            self._add(self._board(), _gated(13, 0.5, "finish"))
        _, shares, blocks, phases, labels = heat_map.call_args.args
        self.assertEqual([row[0] for row in shares], [0.25, 0.75, 0.5])
        self.assertEqual(blocks, _BLOCKS)
        self.assertEqual(phases, ["skip", "skip", "finish"])
        self.assertEqual(labels, ["2", "3", "end"])

    def test_images_are_those_most_and_least_skipped(self):
        with mock.patch.object(
                board.pictures, "examples", autospec=True,
                side_effect=board.pictures.examples) as examples:
            self._add(self._board(), _gated(8))
        (most, skipped), (least, run) = examples.call_args.args[1]
        self.assertEqual(most, "Most skipped (mean of all images: 17%)")
        self.assertEqual(least, "Least skipped")
        self.assertLen(skipped, 8)
        self.assertTrue(all(image[0, 0, 0] % 2 for image, _ in skipped))
        self.assertFalse(any(image[0, 0, 0] % 2 for image, _ in run))
        self.assertEqual(skipped[0][1], ["one", "33% skipped", "said zero"])
        self.assertEqual(skipped[1][1], ["zero", "33% skipped", "right"])

    def test_a_resumed_run_replaces_what_it_does_again(self):
        self._add(self._board(), _gated(4, 0.1), _gated(8, 0.2),
                  _gated(12, 0.3))
        self.folder.drop_metrics_after(4)  # killed; the checkpoint is of 4
        self._add(self._board(), _gated(8, 0.6), _gated(10, 0.7))
        found = read(self.path)
        self.assertAllClose(found[f"skip_ratio/{_BLOCKS[0]}"],
                            {4: 0.9, 8: 0.4, 10: 0.3})
        self.assertEqual(list(found["gates/heat_map"]), [4, 8, 10])
        self.assertLen(list(self.path.glob("*tfevents*")), 2)

    def test_a_record_that_a_kill_cut_short_is_written_again(self):
        self._add(self._board(), _gated(4), _gated(8))
        file, = self.path.glob("*tfevents*")
        file.write_bytes(file.read_bytes()[:-5])
        self.folder.drop_metrics_after(4)
        self._add(self._board(), _gated(8, 0.6))
        self.assertAllClose(read(self.path)[f"skip_ratio/{_BLOCKS[0]}"],
                            {4: 0.75, 8: 0.4})

    def test_a_run_that_begins_again_from_nothing_forgets_all(self):
        self._add(self._board(), _gated(4))
        self.folder.drop_metrics_after(0)
        self._add(self._board(), _BASE)
        found = read(self.path)
        self.assertEqual(list(found["tune/accuracy"]), [4])
        self.assertAllClose(found["schedule/phase"], {4: 1})
        self.assertEmpty(found["tune/cost"])

    def test_nothing_is_written_before_the_first_epoch(self):
        self._board()
        self.assertFalse(self.path.exists())

    def test_lines_of_an_older_version_are_left_out_of_the_heat_map(self):
        old = _gated(4)
        del old["tune"]["blocks"]
        self._add(self._board(), old, _gated(8))
        found = read(self.path)
        self.assertEqual(list(found["gates/heat_map"]), [8])
        self.assertEqual(list(found["tune/cost"]), [4, 8])

    def test_a_board_that_cannot_be_written_is_one_warning(self):
        self.path.write_text("in the way")
        with mock.patch.object(logging, "warning") as warning:
            self._add(self._board(), _gated(4), _gated(8))
        self.assertLen(warning.call_args_list, 1)
        text, *values = warning.call_args.args
        self.assertRegex(text % tuple(values),
                         f"{self.path} is not written.*FileExistsError.*"
                         "training goes on")

    def test_a_disk_that_fills_up_is_one_warning_and_leaves_the_rest(self):
        full = tf.errors.ResourceExhaustedError(None, None, "disk full")
        board_ = self._board()
        self._add(board_, _gated(4))
        with mock.patch.object(logging, "warning") as warning:
            with mock.patch.object(
                    board_._writer, "flush", side_effect=full):
                self._add(board_, _gated(8))
            self._add(board_, _gated(12))
        self.assertLen(warning.call_args_list, 1)
        self.assertIn(4, read(self.path)["tune/accuracy"])

    def test_ctrl_c_is_not_taken_for_a_failure(self):
        with mock.patch.object(board.pictures, "heat_map",
                               side_effect=KeyboardInterrupt):
            with self.assertRaises(KeyboardInterrupt):
                self._add(self._board(), _gated(4))


if __name__ == "__main__":
    tf.test.main()
