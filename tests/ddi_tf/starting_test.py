"""Tests of what a run starts from, with folders made by hand."""

import dataclasses
import pathlib
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import errors
from ddi_tf import network
from ddi_tf import run_folder
from ddi_tf import starting
from ddi_tf import steering

_CONFIG = network.NetworkConfig(depth=8, image_shape=(16, 16, 3))


def _backbone(net):
    """Variables of the base network, those of batch norm included."""
    return [variable for part in (net.stem, *net.blocks, net.head)
            for variable in part.variables]


class StartTest(tf.test.TestCase, parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.theirs, cls.base, cls.ours = (
            network.Network(_CONFIG) for _ in range(3))
        cls.initial = [variable.numpy() for variable in cls.ours.variables]

    def setUp(self):
        super().setUp()
        for variable, value in zip(self.ours.variables, self.initial):
            variable.assign(value)
        self.root = pathlib.Path(self.create_tempdir().full_path)
        self.folder = run_folder.RunFolder(self.root / "ours")
        self.source = self._source("theirs")

    def _source(self, name, finished=True, config=_CONFIG):
        source = run_folder.RunFolder(self.root / name)
        source.create({"network": dataclasses.asdict(config)}, "")
        source.save_phase("base", self.base)
        steered = steering.Steering(0.75)
        source.checkpoints.save(tf.train.Checkpoint(
            network=self.theirs, steering=steered), 9)
        if finished:
            source.save_operating_points([{"name": "default",
                                           "thresholds": []}])
        return source

    def _assert_same(self, ours, theirs):
        for a, b in zip(ours, theirs, strict=True):
            self.assertAllEqual(a, b)

    def _begin(self, start):
        run = mock.Mock()
        start.load(self.ours, self.folder)
        self.folder.create({"network": dataclasses.asdict(_CONFIG)}, "")
        start.begin(run, self.ours, self.folder)
        return run

    def test_nothing_given_is_nothing_done(self):
        start = starting.Start()
        run = self._begin(start)
        self.assertEqual(start.behind, set())
        self._assert_same(self.ours.variables, self.initial)
        self.assertFalse(self.folder.has_phase("base"))
        run.go_on_from.assert_not_called()

    def test_a_backbone_comes_without_gates_and_exits(self):
        start = starting.Start(backbone=str(self.source.path))
        self._begin(start)
        self.assertEqual(start.behind, {"base"})
        self._assert_same(self.ours.base_variables, self.base.base_variables)
        initial = {variable.ref(): value for variable, value in zip(
            self.ours.variables, self.initial)}
        for variable in self.ours.gate_variables + self.ours.exit_variables:
            self.assertAllEqual(variable, initial[variable.ref()])
        self._assert_same(_backbone(self.folder.load_network("base")),
                          _backbone(self.base))
        self.assertFalse(self.folder.has_phase(starting.GIVEN))

    def test_a_whole_network_comes_with_everything(self):
        start = starting.Start(whole=str(self.source.path))
        run = self._begin(start)
        self.assertEqual(
            start.behind, {
                "base", "warmup", "skip", "restore", "reinforce", "exits"})
        self._assert_same(self.ours.variables, self.theirs.variables)
        with self.subTest("what it was is kept"):
            self._assert_same(
                self.folder.load_network(starting.GIVEN).variables,
                self.theirs.variables)
        with self.subTest("and the base network, for teachers"):
            self._assert_same(_backbone(self.folder.load_network("base")),
                              _backbone(self.base))
        with self.subTest("and the price of work"):
            (source,), _ = run.go_on_from.call_args
            steered = steering.Steering(0.1)
            source.restore_steering(steered)
            self.assertAllClose(steered.alpha, 0.75)

    def test_a_whole_network_can_go_through_a_phase_again(self):
        start = starting.Start(whole=str(self.source.path), again={"exits"})
        self.assertEqual(
            start.behind, {"base", "warmup", "skip", "restore", "reinforce"})

    def test_a_run_that_has_no_base_network_has_none_to_keep(self):
        for file in self.source.path.glob("phases/base.*"):
            file.unlink()
        self._begin(starting.Start(whole=str(self.source.path)))
        self.assertFalse(self.folder.has_phase("base"))
        self._assert_same(self.ours.variables, self.theirs.variables)

    def test_a_run_that_goes_on_loads_nothing(self):
        self.folder.checkpoints.save(
            tf.train.Checkpoint(network=self.ours), 1)
        for given in ({"whole": "gone"}, {"backbone": "gone"}):
            starting.Start(**given).load(self.ours, self.folder)
            self._assert_same(self.ours.variables, self.initial)

    def test_both_are_an_error(self):
        with self.assertRaisesRegex(
                errors.ConfigError, "--train_base_checkpoint and "
                "--train_checkpoint both.*Received: a and b"):
            starting.Start("a", "b")

    def _assert_refused(self, source, error, pattern):
        start = starting.Start(whole=str(source.path))
        with self.assertRaisesRegex(error, pattern):
            start.load(self.ours, self.folder)
        self._assert_same(self.ours.variables, self.initial)

    def test_no_run_is_an_error(self):
        self._assert_refused(
            run_folder.RunFolder(self.root / "none"), errors.CheckpointError,
            "none is not a training run")

    def test_a_run_that_is_not_finished_is_an_error(self):
        self._assert_refused(
            self._source("begun", finished=False), errors.CheckpointError,
            "begun is not finished.*--flagfile=.*begun/flags.cfg")

    def test_another_network_is_an_error_that_names_what_differs(self):
        self._assert_refused(
            self._source("other", config=dataclasses.replace(
                _CONFIG, depth=14, groups=4)), errors.ConfigError,
            "other holds another network: depth is 14 there, 8 here; groups "
            "is 4 there, 2 here. Give the --model_")

    def test_its_thresholds_may_bound_another_entropy(self):
        source = self._source("other", config=dataclasses.replace(
            _CONFIG, exit_entropy="min"))
        starting.Start(whole=str(source.path)).load(self.ours, self.folder)
        self._assert_same(self.ours.variables, self.theirs.variables)

    def test_exits_of_another_form_begin_anew(self):
        ours = network.Network(
            dataclasses.replace(_CONFIG, exit_head="separable"))
        fresh = [variable.numpy() for variable in ours.exit_variables]
        start = starting.Start(whole=str(self.source.path), again={"exits"})
        start.load(ours, self.folder)
        of_exits = {variable.ref() for exit_ in (
            *ours.exits.values(), *self.theirs.exits.values())
                    for variable in exit_.variables}
        self._assert_same(*([
            variable for variable in net.variables
            if variable.ref() not in of_exits]
                            for net in (ours, self.theirs)))
        self._assert_same(ours.exit_variables, fresh)

    def test_nothing_trains_exits_of_another_form_but_their_phase(self):
        self._assert_refused(
            self._source("other", config=dataclasses.replace(
                _CONFIG, exit_head="separable")), errors.ConfigError,
            "exit_head is separable there, grid here")


if __name__ == "__main__":
    tf.test.main()
