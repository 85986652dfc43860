"""Tests of the exits' heads, their places, and their uncertainty."""

import json
import math

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import errors
from ddi_tf import exits
from ddi_tf import norms
from ddi_tf import work


class EntropyTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.product(
        entropy=list(exits.ENTROPIES.values()), classes=(2, 10, 100))
    def test_knowing_nothing_is_log_of_the_classes(self, entropy, classes):
        self.assertAllClose(
            entropy(tf.fill([3, classes], 7.0)), [math.log(classes)] * 3)

    def test_values_by_hand(self):
        # 0.5 log 2 + 2 * 0.25 log 4 = 1.5 log 2
        logits = tf.math.log([0.5, 0.25, 0.25]) + 3.0
        self.assertAllClose(exits.shannon_entropy(logits), 1.5 * math.log(2))
        self.assertAllClose(exits.min_entropy(logits), math.log(2))

    @parameterized.parameters(*exits.ENTROPIES.values())
    def test_being_sure_is_zero_and_finite(self, entropy):
        logits = tf.constant([[1e4, 0.0, -1e4], [0.0, 100.0, 0.0]])
        self.assertAllClose(entropy(logits), [0.0, 0.0], atol=1e-30)

    @parameterized.parameters(*exits.ENTROPIES.values())
    def test_each_row_has_its_own(self, entropy):
        logits = tf.random.stateless_normal([2, 3, 5], [0, 1])
        found = entropy(logits)
        self.assertEqual(found.shape, (2, 3))
        self.assertAllClose(found[1, 2], entropy(logits[1, 2]))
        self.assertAllInRange(found, 0.0, math.log(5))

    def test_min_entropy_is_the_smaller_one(self):
        logits = tf.random.stateless_normal([100, 5], [0, 1])
        self.assertAllGreater(
            exits.shannon_entropy(logits) - exits.min_entropy(logits), 0.0)

    def test_sure_answers_stay_apart(self):
        # -log(1 / (1 + 2 e^-a)) is 2 e^-a, far below a float's step at 1.
        logits = tf.constant([[a, 0.0, 0.0] for a in (30.0, 31.0, 32.0)])
        self.assertAllClose(
            exits.min_entropy(logits), 2 * np.exp([-30.0, -31.0, -32.0]),
            rtol=1e-5, atol=0)

    def test_an_unknown_one_is_named(self):
        self.assertIs(exits.entropy("min"), exits.min_entropy)
        with self.assertRaisesRegex(
                errors.ConfigError, "one of shannon, min. Received: tsallis"):
            exits.entropy("tsallis")

    def test_a_form_goes_by_its_name(self):
        self.assertIs(exits.form("separable"), exits.SeparableExit)
        with self.assertRaisesRegex(
                errors.ConfigError, "`exit_head` must be one of grid, "
                "separable. Received: dense"):
            exits.form("dense")


class PositionsTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        (1, [1]), (2, [1, 2]), (3, [1, 2]), (4, [1, 3]), (6, [2, 5]),
        (12, [3, 9]), (18, [5, 14]))
    def test_they_are_about_a_quarter_and_three_quarters(
            self, blocks, expected):
        self.assertEqual(exits.positions(blocks), expected)

    @parameterized.parameters((0.5, 1), (1.5, 2), (2.5, 3), (2.49, 2), (3, 3))
    def test_halves_go_up(self, value, expected):
        self.assertEqual(exits.round_half_up(value), expected)


class GridExitTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.product(batch=(1, 3), size=(4, 8, 16, 32))
    def test_one_logit_per_class_at_every_resolution(self, batch, size):
        exit_ = exits.GridExit((size, size, 6), 5)
        logits = exit_(tf.ones([batch, size, size, 6]))
        self.assertEqual(logits.shape, (batch, 5))
        self.assertEqual(logits.dtype, tf.float32)

    @parameterized.parameters((8, 16), (16, 8))
    def test_features_need_not_be_square(self, height, width):
        logits = exits.GridExit((height, width, 2), 5)(
            tf.ones([3, height, width, 2]))
        self.assertEqual(logits.shape, (3, 5))

    def test_config_survives_json(self):
        exit_ = exits.GridExit(
            (8, 12, 6), 5, filters=3, normalizes=True, name="it")
        config = json.loads(json.dumps(exit_.get_config()))
        copy = exits.GridExit.from_config(config)
        self.assertEqual(copy.get_config(), exit_.get_config())
        self.assertEqual((copy.name, copy.shape, copy.classes),
                         ("it", (8, 12, 6), 5))

    def test_value_by_hand(self):
        exit_ = _hand_set_exit()
        features = np.zeros([1, 8, 8, 1], np.float32)
        features[0, :2, :2, 0] = [[1, 2], [3, 6]]    # the first cell: mean 3
        features[0, 6:, 6:, 0] = [[0, 0], [0, 4]]    # the last cell: mean 1
        # Class 0 adds all cells, class 1 sees the last one: -1 + 0.5.
        self.assertAllClose(exit_(tf.constant(features)), [[4.0, -0.5]])

    def test_negative_cells_are_rectified(self):
        self.assertAllClose(
            _hand_set_exit()(-tf.ones([1, 8, 8, 1])), [[0.0, 0.5]])

    def test_only_training_moves_the_statistics(self):
        exit_ = exits.GridExit((8, 8, 2), 3)
        x = tf.random.stateless_normal([2, 8, 8, 2], [0, 1])
        exit_(x)
        self.assertAllEqual(exit_.conv.norm.moving_mean, tf.zeros([2]))
        exit_(x, training=True)
        self.assertNotAllClose(exit_.conv.norm.moving_mean, tf.zeros([2]))

    @parameterized.parameters((16, 39_424), (32, 152_576), (64, 600_064))
    def test_macs_by_hand(self, channels, expected):
        # 16 positions * 9 * c * c, and 16 * c * 10 of the dense layer
        self.assertEqual(
            exits.GridExit((8, 8, channels), 10).work.macs, expected)

    @parameterized.parameters(
        # The convolution on 4 x 4 x 16 and the dense layer on 256 numbers.
        ((4, 4), 256 + 256 + 256 + 10),
        # And the pool before them, which reads everything and writes 256.
        ((8, 8), 8 * 8 * 16 + 256 + 256 + 256 + 256 + 10),
        ((4, 8), 4 * 8 * 16 + 256 + 256 + 256 + 256 + 10))
    def test_work_by_hand(self, size, activations):
        self.assertEqual(exits.GridExit((*size, 16), 10).work, work.Work(
            39_424, 9 * 16 * 16 + 16 + 256 * 10 + 10, activations))

    @parameterized.parameters(
        (4, 4), (8, 4), (16, 4), (32, 4), (56, 4), (28, 4), (14, 7), (7, 7),
        (3, 3), (1, 1))
    def test_the_grid_divides_any_side(self, size, cells):
        self.assertEqual(exits.grid(size), cells)

    def test_fewer_filters_cost_less_by_hand(self):
        exit_ = exits.GridExit((8, 8, 30), 10, filters=5, normalizes=True)
        self.assertEqual(exit_(tf.ones([2, 8, 8, 30])).shape, (2, 10))
        self.assertEqual(
            exit_.work.macs, 16 * 9 * 30 * 5 + 16 * 5 * 10)

    def test_what_comes_unnormalised_is_normalised_first(self):
        exit_ = _hand_set_exit(normalizes=True)
        exit_.norm.norm.moving_mean.assign([10.0])
        exit_.norm.norm.moving_variance.assign([1 - norms.EPSILON])
        features = 10 - tf.ones([1, 8, 8, 1])
        # Each cell becomes relu(9 - 10) = 0.
        self.assertAllClose(exit_(features), [[0.0, 0.5]], atol=1e-5)
        # Each becomes 2: sixteen of them; minus the last, and 0.5.
        self.assertAllClose(
            exit_(12 * tf.ones([1, 8, 8, 1])), [[32.0, -1.5]], atol=1e-4)


class SeparableExitTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.product(batch=(1, 3), size=(3, 4, 8, 16, 32))
    def test_one_logit_per_class_at_every_resolution(self, batch, size):
        logits = exits.SeparableExit((size, size, 6), 5)(
            tf.ones([batch, size, size, 6]))
        self.assertEqual(logits.shape, (batch, 5))
        self.assertEqual(logits.dtype, tf.float32)

    def test_config_survives_json(self):
        exit_ = exits.SeparableExit(
            (8, 12, 6), 5, normalizes=True, name="it")
        copy = exits.SeparableExit.from_config(
            json.loads(json.dumps(exit_.get_config())))
        self.assertEqual(copy.get_config(), exit_.get_config())
        self.assertEqual([conv.name for conv in copy.convolutions], [
            "depthwise1", "pointwise1", "depthwise2", "pointwise2",
            "depthwise3", "pointwise3"])

    def test_value_by_hand(self):
        exit_ = exits.SeparableExit((16, 16, 1), 2)
        exit_(tf.zeros([1, 16, 16, 1]))
        for conv in exit_.convolutions:
            kernel = np.zeros(conv.kernel.shape)
            if conv.mixes_channels:
                kernel[0, 0, 0, 0] = 1   # the first channel goes on alone,
            elif conv.stride == 2:       # which SAME puts one cell further
                kernel[0, 0] = 1
            else:
                kernel[1, 1] = 1
            conv.kernel.assign(kernel)
            conv.norm.moving_variance.assign(
                tf.fill(conv.norm.moving_variance.shape, 1 - norms.EPSILON))
        weights = np.zeros([128, 2])
        weights[0] = 1, -2
        exit_.dense.set_weights([weights, np.array([0.0, 0.5])])
        features = np.zeros([1, 16, 16, 1], np.float32)
        features[0, :2, :2, 0] = [[1, 2], [3, 10]]  # a cell of 8 x 8: 4
        features[0, 2:4, :2, 0] = 100               # the next is stepped over
        # One of 4 x 4 cells is 4: the mean is 0.25.
        self.assertAllClose(exit_(tf.constant(features)), [[0.25, 0.0]])

    def test_only_training_moves_the_statistics(self):
        exit_ = exits.SeparableExit((8, 8, 2), 3)
        x = tf.random.stateless_normal([2, 8, 8, 2], [0, 1])
        exit_(x)
        norms_ = [conv.norm for conv in exit_.convolutions]
        for norm in norms_:
            self.assertAllEqual(
                norm.moving_mean, tf.zeros_like(norm.moving_mean))
        exit_(x, training=True)
        for norm in norms_:
            self.assertNotAllClose(
                norm.moving_mean, tf.zeros_like(norm.moving_mean))

    @parameterized.parameters(
        # 3x3 of each channel and a 1x1 of 64 filters on 8 x 8 cells; twice a
        # 3x3 and a 1x1 of 128 on 4 x 4; the dense layer on 128 means.
        ((32, 32, 16), 64 * (9 * 16 + 16 * 64)),
        ((16, 16, 32), 64 * (9 * 32 + 32 * 64)),
        ((8, 8, 64), 64 * (9 * 64 + 64 * 64)),
        ((4, 4, 96), 16 * (9 * 96 + 96 * 64), 4))
    def test_macs_by_hand(self, shape, first, cells=16):
        second = cells * (9 * 64 + 64 * 128)
        third = cells * (9 * 128 + 128 * 128)
        self.assertEqual(exits.SeparableExit(shape, 10).work.macs,
                         first + second + third + 1280)

    def test_numbers_moved_by_hand(self):
        # The pool reads 16 x 16 and writes 8 x 8; every convolution reads and
        # writes; the global mean reads; the dense layer reads and writes.
        first = 64 * (2 * 8 + 8 + 64)
        second = 64 * 64 + 16 * 64 + 16 * 64 + 16 * 128
        third = 16 * 4 * 128
        self.assertEqual(
            exits.SeparableExit((16, 16, 8), 10).work.activations,
            16 * 16 * 8 + 64 * 8 + first + second + third
            + 16 * 128 + 128 + 10)

    def test_what_comes_unnormalised_is_normalised_first(self):
        exit_ = exits.SeparableExit((8, 8, 2), 3, normalizes=True)
        logits = exit_(-tf.ones([1, 8, 8, 2]))  # relu(-1)
        self.assertAllClose(logits, exit_(tf.zeros([1, 8, 8, 2])))


class HeadTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(1, 3)
    def test_one_logit_per_class(self, batch):
        logits = exits.Head((3, 4, 6), 5)(tf.ones([batch, 3, 4, 6]))
        self.assertEqual(logits.shape, (batch, 5))
        self.assertEqual(logits.dtype, tf.float32)

    def test_config_survives_json(self):
        head = exits.Head((3, 4, 6), 5, normalizes=True, name="it")
        config = json.loads(json.dumps(head.get_config()))
        copy = exits.Head.from_config(config)
        self.assertEqual(copy.get_config(), head.get_config())
        self.assertEqual((copy.name, copy.shape, copy.classes),
                         ("it", (3, 4, 6), 5))

    def test_value_by_hand(self):
        head = exits.Head((1, 2, 2), 2)
        head(tf.zeros([1, 1, 1, 2]))
        head.dense.set_weights(
            [np.array([[1.0, 2.0], [-1.0, 3.0]]), np.array([0.5, 0.0])])
        # Channel means 2 and 1: 2 - 1 + 0.5 and 4 + 3.
        features = tf.constant([[[[1.0, 0.0]], [[3.0, 2.0]]]])
        self.assertAllClose(head(features), [[1.5, 7.0]])

    def test_work_by_hand(self):
        # The pool reads 8 * 8 * 64; the dense layer reads 64 and writes 10.
        self.assertEqual(exits.Head((8, 8, 64), 10).work,
                         work.Work(640, 650, 4096 + 64 + 10))


def _hand_set_exit(normalizes=False):
    """Convolution and norm do nothing; see `test_value_by_hand`."""
    exit_ = exits.GridExit((8, 8, 1), 2, normalizes=normalizes)
    exit_(tf.zeros([1, 8, 8, 1]))
    kernel = np.zeros([3, 3, 1, 1])
    kernel[1, 1] = 1
    exit_.conv.conv.set_weights([kernel])
    exit_.conv.norm.moving_variance.assign([1 - norms.EPSILON])
    weights = np.zeros([16, 2])
    weights[:, 0] = 1
    weights[15, 1] = -1
    exit_.dense.set_weights([weights, np.array([0.0, 0.5])])
    return exit_


if __name__ == "__main__":
    tf.test.main()
