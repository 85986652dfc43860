"""Tests of the training phases' table and of their schedule."""

import dataclasses
import math

import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import errors
from ddi_tf import network
from ddi_tf import phases

(_BASE, _WARMUP, _SKIP, _RESTORE, _REINFORCE, _EXITS, _PRUNE, _CLUSTER,
 _QUANTIZE) = phases.PHASES
_ALL = {phase.name: 1.0 for phase in phases.PHASES}


def _planned(epochs=None, exits_alone=False, **config):
    return phases.planned(network.NetworkConfig(**config), phases.Schedule(
        epochs=epochs or _ALL, exits_alone=exits_alone))


class ScheduleTest(tf.test.TestCase, parameterized.TestCase):

    def test_it_cannot_be_changed(self):
        with self.assertRaises(dataclasses.FrozenInstanceError):
            phases.Schedule().alpha = 2.0

    def test_unknown_phase_is_an_error(self):
        with self.assertRaisesRegex(
                errors.ConfigError, r"there is no phase \['skipp'\]"):
            phases.Schedule(epochs={"base": 1, "skipp": 2})

    @parameterized.parameters(0, -0.5, 2.01)
    def test_target_is_a_fraction(self, target):
        with self.assertRaisesRegex(
                errors.ConfigError,
                rf"`target_cost` is a fraction .*\(0, 2\].*Received: {target}"):
            phases.Schedule(target_cost=target)

    @parameterized.parameters(-0.1, 1.0, math.nan)
    def test_sparsity_is_a_share_below_1(self, sparsity):
        with self.assertRaisesRegex(
                errors.ConfigError,
                rf"`train_sparsity` .*\[0, 1\).*Received: {sparsity}"):
            phases.Schedule(sparsity=sparsity)

    def test_one_value_is_too_few(self):
        with self.assertRaisesRegex(
                errors.ConfigError, "`train_clusters` .*least 2. Received: 1"):
            phases.Schedule(clusters=1)

    @parameterized.parameters(
        ("gate_noise", {"gate_noise": math.nan}),
        ("base_lr", {"base_lr": math.inf}),
        ("skip_epochs", {"epochs": {"skip": math.inf}}))
    def test_every_number_is_finite(self, name, settings):
        with self.assertRaisesRegex(
                errors.ConfigError, rf"`{name}` must be a finite number"):
            phases.Schedule(**settings)

    def test_config_errors_are_value_errors(self):
        with self.assertRaises(ValueError):
            phases.Schedule(target_cost=0)


class PlannedTest(tf.test.TestCase, parameterized.TestCase):

    def test_dual_network_goes_through_the_table_as_it_is(self):
        self.assertEqual(_planned(), phases.PHASES)

    @parameterized.parameters((True, False), (False, True))
    def test_one_kind_of_gate_is_enough(self, layer_gates, channel_gates):
        self.assertEqual(
            _planned(layer_gates=layer_gates, channel_gates=channel_gates),
            phases.PHASES)

    def test_no_gates_no_gate_phases(self):
        base, *others = _planned(layer_gates=False, channel_gates=False)
        self.assertEqual(base, _BASE)
        self.assertEqual(others, [
            phase._replace(gates=False, priced=False)
            for phase in (_EXITS, _PRUNE, _CLUSTER, _QUANTIZE)])

    def test_no_exits_no_exits_phase(self):
        self.assertEqual(
            _planned(exits=False), (
                _BASE, _WARMUP, _SKIP, _RESTORE, _REINFORCE, *(
                phase._replace(exits=False) for phase in (
                    _PRUNE, _CLUSTER, _QUANTIZE))))

    def test_neither_gates_nor_exits_is_the_plain_backbone(self):
        self.assertEqual(_planned(
            layer_gates=False, channel_gates=False, exits=False), (_BASE, *(
                phase._replace(gates=False, exits=False, priced=False)
                for phase in (
                    _PRUNE, _CLUSTER, _QUANTIZE))))

    def test_exits_can_be_all_that_their_phase_trains(self):
        alone = _EXITS._replace(weights=False, gates=False, priced=False)
        for gated in (True, False):
            rows = _planned(exits_alone=True, layer_gates=gated,
                            channel_gates=gated)
            self.assertIn(alone, rows)
            self.assertNotIn(_EXITS, rows)
            self.assertEqual(
                [row for row in rows if row.name != "exits"],
                [row for row in _planned(layer_gates=gated, channel_gates=gated)
                 if row.name != "exits"])

    def test_no_exits_no_phase_of_them_alone(self):
        self.assertEqual(_planned(exits=False, exits_alone=True),
                         _planned(exits=False))

    def test_phases_without_epochs_are_left_out(self):
        self.assertEqual(
            _planned({"base": 0, "skip": 0.5, "exits": 2.0}), (_SKIP, _EXITS))

    def test_nothing_to_train_is_an_error(self):
        with self.assertRaisesRegex(
                errors.ConfigError, "nothing to train.*--train_.*_epochs"):
            _planned({"base": 0.0})


class GatesBeginTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        ((_BASE, _WARMUP, _SKIP, _EXITS), [1]), ((_SKIP, _RESTORE), [0]),
        ((_BASE,), []), ((_BASE, _EXITS._replace(gates=False)), []),
        # Of a whole network the gates have learnt already.
        ((_PRUNE, _CLUSTER), []), ((_QUANTIZE,), []))
    def test_in_the_first_phase_that_trains_them_on_a_base_network(
            self, rows, expected):
        self.assertEqual([index for index in range(len(rows))
                          if phases.gates_begin(rows, index)], expected)


class CheckPartsTest(tf.test.TestCase):

    def test_parts_are_equal(self):
        phases.check_parts(phases.Schedule(accumulate=4), 32)
        with self.assertRaisesRegex(
                errors.ConfigError, "must divide .* 30 images. Received: 4"):
            phases.check_parts(phases.Schedule(accumulate=4), 30)


if __name__ == "__main__":
    tf.test.main()
