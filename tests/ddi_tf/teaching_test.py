"""Tests of who teaches in which phase."""

import dataclasses
import pathlib

import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import data
from ddi_tf import errors
from ddi_tf import network
from ddi_tf import phases
from ddi_tf import run_folder
from ddi_tf import teaching

_OURS = network.NetworkConfig(depth=8, image_shape=(16, 16, 3))
_THEIRS = dataclasses.replace(_OURS, depth=14)
_SCALING = data.Scaling((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
_PHASES = {phase.name: phase for phase in phases.PHASES}


class TeachingTest(tf.test.TestCase, parameterized.TestCase):

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.create_tempdir().full_path)
        self.folder, self.base = self._run("ours", _OURS)
        self.other, self.better = self._run("theirs", _THEIRS)

    def _run(self, name, config):
        """(folder, base network) of a run whose base phase has ended."""
        folder, trained = run_folder.RunFolder(
            self.root / name), network.Network(config)
        folder.create({
            "network": dataclasses.asdict(config),
            "data": {"scaling": _SCALING._asdict()}}, "")
        folder.save_phase("base", trained)
        return folder, trained

    def _teacher(self, phase, share=0.7, **settings):
        return teaching.Teaching(
            self.folder, _OURS, share, **settings).teacher(_PHASES[phase])

    def _assert_answers_as(self, teacher, expected, **tolerance):
        images = tf.random.stateless_normal([2, 16, 16, 3], [0, 1])
        self.assertAllClose(teacher.base(images), expected.base(images),
                            **tolerance)

    def test_its_own_base_network_teaches_once_it_is_trained(self):
        self.assertIsNone(self._teacher("base"))
        self._assert_answers_as(self._teacher("skip"), self.base)

    def test_another_run_s_teaches_from_the_base_phase_on(self):
        for phase in ("base", "exits"):
            self._assert_answers_as(
                self._teacher(phase, path=self.other.path), self.better)

    def test_it_computes_as_the_network_it_teaches(self):
        teacher = self._teacher("skip", precision="mixed_bfloat16")
        self.assertEqual(teacher.blocks[0].conv1.conv.compute_dtype, "bfloat16")
        self._assert_answers_as(teacher, self.base, rtol=0.1, atol=0.05)

    def test_nobody_teaches_without_a_share_or_weights_that_learn(self):
        self.assertIsNone(self._teacher("skip", share=0.0))
        self.assertIsNone(self._teacher("warmup", path=self.other.path))

    @parameterized.parameters(
        ({"classes": 3}, _SCALING, "classes 3, this run is for 10"),
        ({"image_shape": (32, 32, 3)}, _SCALING,
         r"images of shape \(32, 32, 3\), this run"),
        ({}, data.Scaling((0.0,) * 3, (1.0,) * 3), "a scaling of Scaling"))
    def test_other_data_is_refused(self, changes, scaling, message):
        other, _ = self._run("odd", dataclasses.replace(_THEIRS, **changes))
        with self.assertRaisesRegex(
                errors.ConfigError, f"{other.path} was trained for {message}"):
            self._teacher("base", path=other.path, scaling=scaling)

    def test_a_teacher_of_nothing_is_refused(self):
        with self.assertRaisesRegex(errors.ConfigError, "--train_distill=0"):
            self._teacher("base", share=0.0, path=self.other.path)


if __name__ == "__main__":
    tf.test.main()
