"""Tests of rounding, of the layer gate and of the channel gate."""

import json
import math

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import conv_gate
from ddi_tf import gates
from ddi_tf import norms
from ddi_tf import recurrent_gates
from ddi_tf import work


def _sigmoid(value):
    return 1 / (1 + math.exp(-value))


class StraightThroughTest(tf.test.TestCase, parameterized.TestCase):

    def test_a_half_opens_and_less_closes(self):
        below = np.nextafter(np.float32(0.5), np.float32(0))
        probability = tf.constant([0.0, below, 0.5, 1.0])
        self.assertAllEqual(
            gates.straight_through(probability), [0.0, 0.0, 1.0, 1.0])

    def test_every_output_is_exactly_zero_or_one(self):
        generator = np.random.default_rng(0)
        uniform = generator.random(200_000, np.float32)
        tiny = np.float32(10.0) ** generator.uniform(-45, 0, 200_000)
        near_one = np.float32(1) - tiny.astype(np.float32)
        values = np.concatenate([uniform, tiny, near_one]).astype(np.float32)
        rounded = gates.straight_through(tf.constant(values)).numpy()
        np.testing.assert_array_equal(rounded, (values >= 0.5).astype(float))

    def test_it_is_exact_inside_a_compiled_function_too(self):
        values = np.random.default_rng(1).random([1000, 3], np.float32)
        rounded = tf.function(gates.straight_through)(tf.constant(values))
        np.testing.assert_array_equal(
            rounded.numpy(), (values >= 0.5).astype(float))

    def _gradient(self, loss, p, thresholds):
        """Of the sum of `loss`, [B, D]."""
        p = tf.broadcast_to(tf.constant(p, tf.float32), thresholds.shape)
        with tf.GradientTape() as tape:
            tape.watch(p)
            value = tf.reduce_sum(loss(gates.straight_through(p, thresholds)))
        return tape.gradient(value, p)

    def test_slope_counts_as_much_as_what_was_drawn_is_rare(self):
        # 1 / (2 chance): of being open where it is, of being closed elsewhere.
        gradient = self._gradient(
            lambda hard: hard * [1.0, -2.0, 3.0, 4.0], [0.8, 0.8, 0.1, 0.2],
            tf.constant([[0.5, 0.9, 0.5, 0.05]]))
        self.assertAllClose(
            gradient, [[1 / 1.6, -2 / 0.4, 3 / 1.8, 4 / 0.4]], rtol=1e-5)

    @parameterized.parameters(0.0, 1.0)
    def test_what_is_never_drawn_has_a_gradient_nonetheless(self, p):
        for threshold in (0.0, 1.5):  # opens, closes
            self.assertAllInRange(
                self._gradient(lambda hard: hard, p, tf.constant([threshold])),
                0.5, 5.0)

    @parameterized.product(p=(0.1, 0.3, 0.5, 0.8, 0.9),
                           worth=(2.0, 0.1))
    def test_mean_gradient_of_a_parabola_is_what_opening_gains(self, p, worth):
        # Flat where the layer runs: trained to be. Opening costs 0.5.
        def loss(hard):
            return worth * (1 - hard)**2 + 0.5 * hard

        drawn = tf.constant(gates.draw_thresholds([400_000, 1], 1.0, 3, 7))
        self.assertAllClose(
            tf.reduce_mean(self._gradient(loss, p, drawn)), 0.5 - worth,
            atol=0.04)

    def test_thresholds_are_those_of_their_places(self):
        probability = tf.constant([[0.2, 0.7], [0.2, 0.7]])
        thresholds = tf.constant([[0.2, 0.71], [0.21, 0.0]])
        self.assertAllEqual(
            gates.straight_through(probability, thresholds),
            [[1.0, 0.0], [0.0, 1.0]])

    @parameterized.parameters(
        ([[0.1], [0.3]], [[1.0, 1.0], [0.0, 1.0]]),
        ([[0.1, 0.8]], [[1.0, 0.0], [1.0, 0.0]]))
    def test_thresholds_broadcast(self, thresholds, expected):
        probability = tf.constant([[0.2, 0.7], [0.2, 0.7]])
        self.assertAllEqual(gates.straight_through(
            probability, tf.constant(thresholds)), expected)

    @parameterized.parameters(tf.float32, tf.float64)
    def test_shape_and_type_are_kept(self, dtype):
        rounded = gates.straight_through(tf.fill([2, 1, 3], tf.cast(.6, dtype)))
        self.assertEqual(rounded.shape, (2, 1, 3))
        self.assertEqual(rounded.dtype, dtype)


class OpenedTest(tf.test.TestCase):

    def test_one_group_is_enough(self):
        mask = tf.constant([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        self.assertAllEqual(gates.opened(mask), [0.0, 1.0, 1.0, 1.0])

    def test_one_image_and_one_group(self):
        self.assertAllEqual(gates.opened(tf.constant([[0.0]])), [0.0])
        self.assertAllEqual(gates.opened(tf.constant([[1.0]])), [1.0])

    def test_it_is_the_chance_of_independent_groups(self):
        # 1 - 0.5 * 0.8
        self.assertAllClose(gates.opened(tf.constant([[0.5, 0.2]])), [0.6])


class DrawThresholdsTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters((1, 9), (16, 3))
    def test_one_per_image_and_decision(self, *shape):
        drawn = gates.draw_thresholds(shape, 1.0, seed=0, step=0)
        self.assertEqual((drawn.shape, drawn.dtype), (shape, np.float32))

    @parameterized.parameters(0.5, 1.0)
    def test_they_fill_the_interval_round_one_half_evenly(self, noise):
        drawn = gates.draw_thresholds([2000, 10], noise, seed=1, step=2)
        self.assertAllInRange(drawn, 0.5 - noise / 2, 0.5 + noise / 2)
        counts, _ = np.histogram(
            drawn, 10, (0.5 - noise / 2, 0.5 + noise / 2))
        self.assertAllClose(counts / 20_000, [0.1] * 10, atol=0.01)

    def test_without_noise_they_are_one_half(self):
        drawn = gates.draw_thresholds([4, 3], 0.0, seed=1, step=2)
        self.assertAllEqual(drawn, np.full([4, 3], 0.5))

    def test_a_probability_opens_as_often_as_it_says(self):
        drawn = gates.draw_thresholds([20_000, 1], 1.0, seed=3, step=4)
        for p in (0.1, 0.5, 0.9):
            opened = gates.straight_through(tf.fill([20_000, 1], p), drawn)
            self.assertAllClose(tf.reduce_mean(opened), p, atol=0.02)

    def test_sure_gates_are_never_wrong(self):
        drawn = gates.draw_thresholds([20_000, 1], 1.0, seed=3, step=5)
        self.assertAllInRange(drawn, 0.0, 1.0, open_upper_bound=True)

    def test_seed_and_step_alone_decide(self):
        def draw(seed, step):
            return gates.draw_thresholds([4, 3], 1.0, seed, step)
        first = draw(1, 2)
        np.random.seed(0)
        draw(5, 6)
        self.assertAllEqual(draw(1, 2), first)
        for seed, step in ((1, 3), (2, 2), (2, 1)):
            self.assertNotAllClose(draw(seed, step), first)


class RecurrentGateTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.product(batch=(1, 3), width=(4, 8))
    def test_shapes_of_a_decision_and_of_the_state(self, batch, width):
        gate = recurrent_gates.RecurrentGate(
            [4, 8, 4], {"a": 1}, hidden=5)
        state = gate.initial_state(batch)
        self.assertEqual(state.shape, (batch, 10))
        probability, after = gate(tf.ones([batch, 6, 6, width]), state, "a")
        self.assertEqual(probability.shape, (batch, 1))
        self.assertEqual(after.shape, (batch, 10))
        self.assertEqual((probability.dtype, after.dtype),
                         (tf.float32, tf.float32))

    def test_blocks_share_the_lstm_and_those_of_a_width_the_embedding(self):
        gate = recurrent_gates.RecurrentGate(
            [4, 4, 6], {"a": 2, "b": 1, "c": 3}, keeps_first=["c"], hidden=5)
        state = gate.initial_state(2)
        for name, width, count in (("a", 4, 2), ("b", 4, 1), ("c", 6, 3)):
            chances, state = gate(tf.ones([2, 3, 3, width]), state, name)
            self.assertEqual(chances.shape, (2, count))
            self.assertEqual(state.shape, (2, 10))
        self.assertAllEqual(chances[:, 0], [1.0, 1.0])
        self.assertEqual([bias.shape[0] for bias in gate.biases], [2, 1, 2])
        self.assertLen(gate.embed, 2)
        # Two embeddings (kernel, bias), LSTM (two kernels, bias), three scores.
        self.assertLen(gate.trainable_variables, 2 * 2 + 3 + 3 * 2)

    def test_price_of_one_block_leaves_the_output_of_others_alone(self):
        gate = recurrent_gates.RecurrentGate([4], {"a": 1, "b": 1})
        x, state = tf.ones([1, 2, 2, 4]), gate.initial_state(1)
        gate(x, state, "b")
        with tf.GradientTape() as tape:
            price = tf.reduce_sum(gate(x, state, "a")[0])
        of_a, of_b = tape.gradient(price, gate.biases)
        self.assertGreater(of_a[0], 0.0)
        self.assertIsNone(of_b)

    def test_config_survives_json(self):
        gate = recurrent_gates.RecurrentGate(
            [4, 8], {"a": 2, "b": 1}, keeps_first=["a"], hidden=5, name="it")
        config = json.loads(json.dumps(gate.get_config()))
        copy = recurrent_gates.RecurrentGate.from_config(config)
        self.assertEqual(copy.get_config(), gate.get_config())
        self.assertEqual((copy.name, copy.widths, copy.hidden),
                         ("it", (4, 8), 5))

    def test_decision_by_hand(self):
        gate = _hand_set_recurrent_gate()
        # Channel means 1 and 0.5, embedded as relu(1 + 2 * 0.5 - 0.5) = 1.5.
        features = tf.constant([[[[0.0, 0.5], [2.0, 0.5]]]])
        probability, state = gate(features, tf.constant([[0.3, -0.2]]), "a")
        h, c = _lstm_by_hand(1.5, h=0.3, c=-0.2)
        self.assertAllClose(state, [[h, c]], atol=1e-6)
        self.assertAllClose(
            probability, [[_sigmoid(2 * h - 0.25)]], atol=1e-6)

    def test_embedding_is_rectified(self):
        gate = _hand_set_recurrent_gate()
        features = tf.constant([[[[-4.0, 1.0]]]])  # relu(-4 + 2 - 0.5) = 0
        _, state = gate(features, tf.constant([[0.3, -0.2]]), "a")
        self.assertAllClose(
            state, [_lstm_by_hand(0.0, h=0.3, c=-0.2)], atol=1e-6)

    def test_unwritten_gate_is_a_little_open(self):
        gate = recurrent_gates.RecurrentGate([4], {"a": 1})
        probability, _ = gate(
            tf.zeros([1, 2, 2, 4]), gate.initial_state(1), "a")
        self.assertAllClose(probability, [[_sigmoid(1.0)]])

    def test_images_of_a_batch_do_not_see_each_other(self):
        gate = recurrent_gates.RecurrentGate([4], {"a": 1})
        x = tf.random.stateless_normal([3, 2, 2, 4], [0, 1])
        state = tf.random.stateless_normal([3, 20], [2, 3])
        together = gate(x, state, "a")
        for b in range(3):
            alone = gate(x[b:b + 1], state[b:b + 1], "a")
            self.assertAllClose(alone[0], together[0][b:b + 1], atol=1e-6)
            self.assertAllClose(alone[1], together[1][b:b + 1], atol=1e-6)

    @parameterized.parameters(
        (16, 1, 970), (32, 1, 1130), (64, 1, 1450), (64, 3, 1470))
    def test_macs_by_hand(self, channels, groups, expected):
        # channels * 10 + 4 * 10 * (10 + 10) + 10 * groups
        gate = recurrent_gates.RecurrentGate([channels], {"a": groups})
        self.assertEqual(gate.work(8, 8, channels, "a").macs, expected)

    def test_work_by_hand(self):
        # The pool reads the features; 16 to 10, 10 + 10 to 4 * 10, 10 to 1 or
        # 3, each with biases.
        gate = recurrent_gates.RecurrentGate([16], {"a": 1, "b": 3})
        self.assertEqual(gate.work(4, 5, 16, "a"), work.Work(
            970, 170 + 840 + 11, 4 * 5 * 16 + 26 + 60 + 11))
        self.assertEqual(gate.work(4, 5, 16, "b"), work.Work(
            160 + 800 + 30, 170 + 840 + 33, 320 + 26 + 60 + 13))

    def test_hidden_must_be_positive(self):
        with self.assertRaisesRegex(
                ValueError, r"`hidden` must be positive\. Received: 0"):
            recurrent_gates.RecurrentGate([4], {"a": 1}, hidden=0)


class ChannelGateTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.product(batch=(1, 3), groups=(1, 2, 8))
    def test_one_probability_per_group(self, batch, groups):
        gate = conv_gate.ConvGate(8, groups)
        probability = gate(tf.ones([batch, 5, 6, 8]))
        self.assertEqual(probability.shape, (batch, groups))
        self.assertEqual(probability.dtype, tf.float32)
        self.assertAllInRange(probability, 0.0, 1.0)

    def test_config_survives_json(self):
        gate = conv_gate.ConvGate(
            8, 2, filters=3, keeps_first=True, name="it")
        config = json.loads(json.dumps(gate.get_config()))
        copy = conv_gate.ConvGate.from_config(config)
        self.assertEqual(copy.get_config(), gate.get_config())
        self.assertEqual((copy.name, copy.channels, copy.groups), ("it", 8, 2))

    def test_decision_by_hand(self):
        gate = _hand_set_channel_gate()
        # A 4 x 4 map is padded at the bottom and the right, so the centres of
        # the windows are the odd rows and columns.
        features = np.full([1, 4, 4, 1], 9.0, np.float32)
        features[0, 1::2, 1::2, 0] = [[1.0, 2.0], [3.0, 4.0]]  # mean 2.5
        self.assertAllClose(
            gate(tf.constant(features)),
            [[_sigmoid(2.5), _sigmoid(-2 * 2.5 + 0.5)]], atol=1e-6)

    def test_unwritten_gate_is_a_little_open(self):
        probability = conv_gate.ConvGate(4, 2)(tf.zeros([1, 4, 4, 4]))
        self.assertAllClose(probability, [[_sigmoid(1.0)] * 2])

    def test_only_training_moves_the_statistics(self):
        gate = conv_gate.ConvGate(4, 2)
        x = tf.random.stateless_normal([2, 4, 4, 4], [0, 1])
        gate(x)
        self.assertAllEqual(gate.conv.norm.moving_mean, tf.zeros([4]))
        gate(x, training=True)
        self.assertNotAllClose(gate.conv.norm.moving_mean, tf.zeros([4]))

    def test_work_by_hand(self):
        # 3 * 4 positions * 9 * 16 * 16, and 16 * 2 of the dense layer. The
        # convolution reads 640 numbers and writes 192, which the pool reads.
        self.assertEqual(conv_gate.ConvGate(16, 2).work(5, 8), work.Work(
            27_648 + 32, 9 * 16 * 16 + 16 + 34, 640 + 192 + 192 + 18))

    def test_groups_must_be_positive(self):
        with self.assertRaisesRegex(
                ValueError, r"`groups` must be positive\. Received: -1"):
            conv_gate.ConvGate(8, -1)

    def test_a_gate_that_keeps_the_first_group_decides_about_the_others(self):
        gate = conv_gate.ConvGate(4, 3, filters=2, keeps_first=True)
        chances = gate(tf.zeros([2, 4, 4, 4]))
        self.assertEqual(chances.shape, (2, 3))
        self.assertAllEqual(chances[:, 0], [1.0, 1.0])
        self.assertAllClose(chances[:, 1:], [[_sigmoid(1.0)] * 2] * 2)
        with self.assertRaisesRegex(ValueError, "more than 1. Received: 1"):
            conv_gate.ConvGate(4, 1, keeps_first=True)

    def test_work_of_a_light_gate_by_hand(self):
        # 1x1 on 40 positions, 16 to 8; 3x3 on 12, 8 to 8; 8 * 2.
        self.assertEqual(
            conv_gate.ConvGate(16, 2, filters=8).work(5, 8), work.Work(
                40 * 128 + 12 * 576 + 16, 128 + 8 + 576 + 8 + 18,
                640 + 320 + 320 + 96 + 96 + 10))


# Keras orders an LSTM's kernels as input, forget, cell, output.
_KERNEL = (0.5, -0.1, 0.25, 1.0)
_RECURRENT = (1.0, 0.4, -0.5, 0.2)
_BIAS = (0.1, 1.0, -0.2, 0.3)


def _hand_set_recurrent_gate():
    gate = recurrent_gates.RecurrentGate([2], {"a": 1}, hidden=1)
    gate(tf.zeros([1, 1, 1, 2]), gate.initial_state(1), "a")
    gate.embed["2"].set_weights([np.array([[1.0], [2.0]]), np.array([-0.5])])
    gate.cell.set_weights(
        [np.array([_KERNEL]), np.array([_RECURRENT]), np.array(_BIAS)])
    gate.scores["a"].set_weights([np.array([[2.0]]), np.array([-0.25])])
    return gate


def _lstm_by_hand(x, h, c):
    """(h, c) after one step of the LSTM above on the number `x`."""
    i, f, g, o = (k * x + r * h + b
                  for k, r, b in zip(_KERNEL, _RECURRENT, _BIAS))
    c = _sigmoid(f) * c + _sigmoid(i) * math.tanh(g)
    return _sigmoid(o) * math.tanh(c), c


def _hand_set_channel_gate():
    gate = conv_gate.ConvGate(1, 2)
    gate(tf.zeros([1, 4, 4, 1]))
    kernel = np.zeros([3, 3, 1, 1])
    kernel[1, 1] = 1
    gate.conv.conv.set_weights([kernel])
    gate.conv.norm.moving_variance.assign([1 - norms.EPSILON])
    gate.score.set_weights([np.array([[1.0, -2.0]]), np.array([0.0, 0.5])])
    return gate


if __name__ == "__main__":
    tf.test.main()
