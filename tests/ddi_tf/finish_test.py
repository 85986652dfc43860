"""Tests of the end of a run: batch norm measured anew, the target held."""

import math
import types
from unittest import mock

import gate_case
import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized

from ddi_tf import calibration
from ddi_tf import costs
from ddi_tf import finish
from ddi_tf import network
from ddi_tf import phases


def _build(unsure=1):
    """A ResNet8 whose gates' scores differ `unsure` times as much."""
    tf_keras.utils.set_random_seed(1)
    net = network.Network(network.NetworkConfig(
        depth=8, image_shape=(16, 16, 3)))
    for score in gate_case.scores(net):
        score.kernel.assign(unsure * score.kernel)
    return net


def _images(batch, seed=0):
    generator = np.random.default_rng(seed)
    return tf.constant(
        generator.normal(0.3, 1 + seed, [batch, 16, 16, 3]), tf.float32)


def _norms(net):
    return [layer for layer in net.submodules
            if isinstance(layer, tf_keras.layers.BatchNormalization)]


def _statistics(net):
    return [variable.numpy() for norm in _norms(net)
            for variable in (norm.moving_mean, norm.moving_variance)]


def _convolved(images, kernel):
    """[B * H * W, filters]: a 3x3 SAME convolution, in numpy."""
    height, width = images.shape[1:3]
    padded = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])
    total = sum(
        padded[:, y:y + height, x:x + width] @ kernel[y, x]
        for y in range(3) for x in range(3))
    return total.reshape(-1, kernel.shape[-1])


class ReestimateNormsTest(tf.test.TestCase, parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = _build()
        cls.batches = [_images(4, seed=0), _images(4, seed=1)]
        cls.before = [v.numpy() for v in cls.net.variables]

    def setUp(self):
        super().setUp()
        # Tracing would take longer than the few batches do.
        tf.config.run_functions_eagerly(True)
        self.addCleanup(tf.config.run_functions_eagerly, False)
        for variable, value in zip(self.net.variables, self.before):
            variable.assign(value)

    def _measured(self, batches):
        finish.Norms(self.net).measure(batches)
        return _statistics(self.net)

    @parameterized.parameters(0.9, 0.99, 0.5)
    def test_stem_by_hand_whatever_the_momentum(self, momentum):
        norm = self.net.stem.norm
        self.addCleanup(setattr, norm, "momentum", norm.momentum)
        norm.momentum = momentum
        norm.moving_mean.assign_add(3 * tf.ones_like(norm.moving_mean))
        self._measured(self.batches)
        kernel = self.net.stem.conv.kernel.numpy().astype(np.float64)
        outputs = [_convolved(batch.numpy(), kernel) for batch in self.batches]
        self.assertAllClose(
            norm.moving_mean, np.mean([x.mean(axis=0) for x in outputs], 0),
            atol=1e-5)
        # Of a population that the batch is a sample of: n - 1.
        self.assertAllClose(
            norm.moving_variance,
            np.mean([x.var(axis=0, ddof=1) for x in outputs], 0), rtol=1e-4)

    def test_every_norm_gets_the_mean_of_what_the_batches_give(self):
        first, second = (self._measured([batch]) for batch in self.batches)
        both = self._measured(self.batches)
        # Stem, two per block, two projections, three gates, three exits.
        self.assertLen(both, 2 * (1 + 6 + 2 + 3 + 3))
        for a, b, mean in zip(first, second, both):
            self.assertNotAllClose(a, b)
            self.assertAllClose(mean, (a + b) / 2, rtol=1e-4, atol=1e-5)

    def test_batches_may_come_one_by_one(self):
        listed = self._measured(self.batches)
        for ours, theirs in zip(
                self._measured(batch for batch in self.batches), listed):
            self.assertAllClose(ours, theirs, rtol=1e-5, atol=1e-6)

    def test_what_was_there_before_is_forgotten(self):
        first = self._measured(self.batches)
        for norm in _norms(self.net):
            norm.moving_mean.assign(tf.fill(norm.moving_mean.shape, 7.0))
            norm.moving_variance.assign(
                tf.fill(norm.moving_variance.shape, 7.0))
        for again, value in zip(self._measured(self.batches), first):
            self.assertAllClose(again, value, rtol=1e-5, atol=1e-6)

    def test_inference_then_sees_its_batch_as_training_does(self):
        trained = self.net(self.batches[1], training=True)
        self._measured(self.batches[1:])
        outputs = self.net(self.batches[1])
        self.assertAllEqual(outputs.decisions.layers, trained.decisions.layers)
        # Nearly: variances are divided by n - 1, of 64 in the last stage.
        self.assertAllClose(outputs.logits, trained.logits, atol=0.1)
        self.assertAllClose(outputs.exit_logits[0], trained.exit_logits[0],
                            atol=0.1)

    def test_what_no_image_ran_does_not_blow_up_the_first_that_does(self):
        net = network.Network(network.NetworkConfig(
            backbone="densenet", depth=22, image_shape=(16, 16, 3),
            channel_gates=False, exits=False))
        for bias in net.layer_gate.biases:
            bias.assign([-50.0])
        finish.Norms(net).measure([_images(4)])
        everything = net(_images(4), decisions=net.all_open(4))
        # Of a variance of 0, each norm on the way makes 316 times as much.
        self.assertAllInRange(everything.logits, -100.0, 100.0)

    def test_nothing_else_changes(self):
        self._measured(self.batches)
        norms = {variable.ref() for norm in _norms(self.net)
                 for variable in (norm.moving_mean, norm.moving_variance)}
        for variable, value in zip(self.net.variables, self.before):
            same = np.array_equal(variable, value)
            self.assertEqual(same, variable.ref() not in norms, variable.name)

    def test_without_batches_nothing_changes(self):
        self._measured([])
        for variable, value in zip(self.net.variables, self.before):
            self.assertAllEqual(variable, value)


class WaysTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        ("gated", ("stem", "stage", "gate", "exit")), ("exits", ("exit",)),
        ("open", ("stem", "stage", "exit")), ("base", ("stem", "stage")))
    def test_only_what_is_asked_is_measured(self, way, expected):
        tf.config.run_functions_eagerly(True)
        self.addCleanup(tf.config.run_functions_eagerly, False)
        net = _build()
        before = {v.ref(): v.numpy() for v in net.variables}
        finish.Norms(net, way).measure([_images(4)])

        def part(name):
            return next(kind for kind in ("gate", "exit", "stem", "stage")
                        if kind in name)

        changed = {part(v.name) for v in net.variables
                   if not np.array_equal(v, before[v.ref()])}
        self.assertEqual(changed, set(expected))

    @parameterized.parameters(
        (["base"], "base"), (["warmup"], "gated"), (["skip"], "gated"),
        (["exits"], "gated"), (["base", "skip", "alone"], "gated"),
        (["base", "alone"], "gated"), (["alone"], "exits"))
    def test_the_way_behind_a_run_takes_in_all_that_was_trained(
            self, names, expected):
        rows = {phase.name: phase for phase in phases.PHASES}
        rows["alone"] = rows["exits"]._replace(
            weights=False, gates=False, priced=False)
        self.assertEqual(
            finish.way_behind([rows[name] for name in names]), expected)

    def test_exits_alone_are_measured_on_what_a_device_gives_them(self):
        tf.config.run_functions_eagerly(True)
        self.addCleanup(tf.config.run_functions_eagerly, False)
        net, images = _build(), _images(16)
        mean = net.stem.norm.moving_mean  # not what this batch would give
        mean.assign_add(0.5 * tf.ones_like(mean))
        finish.Norms(net, "exits").measure([images])
        outputs, by_batch = net(images), net(images, train_exits=True)
        self.assertAllEqual(outputs.logits, by_batch.logits)
        for ours, theirs in zip(outputs.exit_logits, by_batch.exit_logits):
            # Nearly: variances are divided by n - 1.
            self.assertAllClose(ours, theirs, atol=0.05)

    def test_open_gates_are_those_of_a_network_that_runs_all(self):
        tf.config.run_functions_eagerly(True)
        self.addCleanup(tf.config.run_functions_eagerly, False)
        net, images = _build(), _images(8)
        finish.Norms(net, "base").measure([images])
        base = [v.numpy() for part in net.blocks for v in part.variables]
        finish.Norms(net, "open").measure([images])
        for ours, value in zip(
                [v for part in net.blocks for v in part.variables], base):
            self.assertAllClose(ours, value, rtol=1e-4, atol=1e-5)


class CalibrateTest(tf.test.TestCase):

    def test_answers_stay_and_become_as_sure_as_right(self):
        net, images = _build(), _images(600)
        for answer in (*net.exits.values(), net.head):
            answer.dense.kernel.assign(5 * answer.dense.kernel)
            answer.dense.bias.assign(
                np.linspace(-1, 1, 10).astype(np.float32))

        def logits():
            outputs = net(images)
            return np.stack([*outputs.exit_logits, outputs.logits], axis=1)

        before = logits()
        # Right half of the time, however sure.
        labels = np.where(np.arange(600) % 2, before[:, -1].argmax(axis=1), 3)
        temperatures = finish.calibrate(
            net, types.SimpleNamespace(logits=before, labels=labels))
        after = logits()
        self.assertLen(temperatures, 4)
        for n, temperature in enumerate(temperatures):
            self.assertAllClose(after[:, n], before[:, n] / temperature,
                                atol=1e-4)
            self.assertLess(calibration.error(after[:, n], labels),
                            calibration.error(before[:, n], labels))


def _gate(*biases):
    return types.SimpleNamespace(
        biases=[tf.Variable(biases, dtype=tf.float32)])


class _Costs:
    """Measures a cost that depends on the gates' shift alone."""

    def __init__(self, of_shift):
        self.gates = [_gate(1.0), _gate(-0.5, 2.0)]
        self.shifts = []
        self._of_shift = of_shift

    def __call__(self):
        self.shifts.append(float(self.gates[0].biases[0][0]) - 1.0)
        return self._of_shift(self.shifts[-1])


def _sigmoid(shift):
    return 1 / (1 + math.exp(-3 * shift))


class HoldTargetTest(tf.test.TestCase, parameterized.TestCase):

    def _held(self, of_shift, target, most=24):
        """(shift, cost) of a cost function, after what always has to hold."""
        measure = _Costs(of_shift)
        shift, before, cost = finish.hold_target(
            measure.gates, measure, target)
        self.assertEqual(before, of_shift(0.0))
        # All gates alike, and left as said.
        self.assertAllClose(measure.gates[0].biases[0], [1.0 + shift])
        self.assertAllClose(
            measure.gates[1].biases[0], [-0.5 + shift, 2.0 + shift])
        self.assertAllClose(cost, of_shift(shift))
        self.assertLessEqual(len(measure.shifts), most)
        self.assertLessEqual(
            np.max(np.abs(measure.shifts)), finish.MAX_SHIFT + 1e-6)
        # Nothing that was tried was better.
        tried = [abs(of_shift(s) - target) for s in measure.shifts]
        self.assertLessEqual(abs(cost - target), min(tried) + 1e-6)
        return shift, cost

    @parameterized.parameters(
        0.05, 0.2, 0.45, 0.499, 0.502, 0.55, 0.7, 0.93, 0.95, 0.99)
    def test_a_smooth_cost_reaches_the_target_quickly(self, target):
        shift, cost = self._held(_sigmoid, target, most=12)
        self.assertLessEqual(abs(cost - target), finish.TOLERANCE * target)
        self.assertAllClose(
            shift, math.log(target / (1 - target)) / 3, atol=0.1)

    @parameterized.parameters(-7.95, -6, -5, 5, 6, 7.95)
    def test_a_target_is_reached_up_to_the_greatest_shift(self, needed):
        target = 0.5 + needed / 20
        shift, cost = self._held(lambda shift: 0.5 + shift / 20, target)
        self.assertLessEqual(abs(cost - target), finish.TOLERANCE * target)
        self.assertAllClose(shift, needed, atol=0.04)

    @parameterized.parameters(-0.5, 0.5)
    def test_no_shift_is_greater_than_asked(self, most):
        measure = _Costs(lambda shift: 0.5 + shift / 20)
        held = finish.hold_target(
            measure.gates, measure, 0.5 + most / 10, 0.01, abs(most))
        self.assertAllClose(tuple(held), (most, 0.5, 0.5 + most / 20))
        self.assertAllClose(np.max(np.abs(measure.shifts)), 0.5)

    @parameterized.parameters(0.3, 0.5, 0.7)
    def test_small_steps_reach_the_target(self, target):
        # A tune split of 500 images.
        _, cost = self._held(
            lambda shift: round(500 * _sigmoid(shift)) / 500, target)
        self.assertLessEqual(abs(cost - target), 1 / 500)

    @parameterized.parameters(0.23, 0.41, 0.55, 0.69, 0.87)
    def test_steep_steps_end_on_the_nearer_one(self, target):
        # Gates that hardly go by the image: all of them open or close at once.
        _, cost = self._held(
            lambda shift: round(5 * _sigmoid(shift)) / 5, target)
        self.assertAllClose(cost, round(5 * target) / 5)

    @parameterized.parameters(0.5, 0.4995, 0.5009)
    def test_already_there_nothing_moves(self, target):
        measure = _Costs(lambda shift: 0.5 + shift / 5)
        self.assertEqual(finish.hold_target(measure.gates, measure, target),
                         (0.0, 0.5, 0.5))
        self.assertEqual(measure.shifts, [0.0])
        self.assertAllEqual(measure.gates[0].biases[0], [1.0])
        self.assertAllEqual(measure.gates[1].biases[0], [-0.5, 2.0])

    @parameterized.parameters(
        # From 0.2 to 0.9 at +0.3: the nearer side, with the smaller shift.
        (0.3, 0.2, 0.9, 0.5, 0.0, 0.2), (0.3, 0.2, 0.9, 0.6, 0.3, 0.9),
        # And at -0.3, from 0.9 down to 0.2.
        (-0.3, 0.2, 0.9, 0.6, 0.0, 0.9), (-0.3, 0.2, 0.9, 0.5, -0.3, 0.2))
    def test_a_leap_over_the_target_leaves_the_nearer_side(
            self, at, below, above, target, expected, expected_cost):
        shift, cost = self._held(
            lambda shift: above if shift >= at else below, target)
        self.assertEqual(cost, expected_cost)
        self.assertAllClose(shift, expected, atol=2e-3)

    @parameterized.parameters((0.4, 0.5), (0.6, 0.5))
    def test_a_cost_that_does_not_answer_is_left_alone(self, cost, target):
        self.assertEqual(
            self._held(lambda shift: cost, target), (0.0, cost))

    @parameterized.parameters(
        (lambda shift: min(0.3 + shift, 0.45), 0.45, 0.15),
        (lambda shift: max(0.7 + shift, 0.55), 0.55, -0.15))
    def test_a_cost_that_stops_on_the_way_is_followed_no_further(
            self, of_shift, expected_cost, needed):
        shift, cost = self._held(of_shift, 0.5)
        self.assertAllClose(cost, expected_cost)
        self.assertAllClose(shift, needed, atol=0.02)

    def test_without_a_gate_the_cost_is_measured_once(self):
        measure = mock.Mock(return_value=0.6)
        self.assertEqual(finish.hold_target((), measure, 0.5), (0.0, 0.6, 0.6))
        measure.assert_called_once_with()

    def test_one_gate_is_enough(self):
        gate = _gate(0.0)
        shift, _, cost = finish.hold_target(
            [gate], lambda: _sigmoid(float(gate.biases[0][0])), 0.7)
        self.assertAllClose(cost, 0.7, rtol=finish.TOLERANCE)
        self.assertAllClose(gate.biases[0], [shift])


class NetworkTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(-0.3, 0.3)
    def test_a_small_network_is_brought_to_what_a_shift_is_known_to_cost(
            self, known):
        net, images = _build(unsure=10), _images(32)
        finish.Norms(net).measure([images])

        @tf.function
        def mean_cost():
            full_path = costs.full_path(net.costs, net(images).spent)
            return tf.reduce_mean(full_path) / net.costs.base

        def measure():
            return float(mean_cost())
        start = measure()
        biases = [bias for gate in net.gates for bias in gate.biases]
        for bias in biases:
            bias.assign_add(known * tf.ones_like(bias))
        target = measure()
        self.assertGreater(abs(target - start), 0.05)
        for bias in biases:
            bias.assign_sub(known * tf.ones_like(bias))
        shift, _, cost = finish.hold_target(net.gates, measure, target)
        self.assertEqual(measure(), cost)
        self.assertGreater(shift * known, 0)
        self.assertAllClose(cost, target, rtol=0.02)


if __name__ == "__main__":
    tf.test.main()
