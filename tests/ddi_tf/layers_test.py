"""Tests of convolution, batch norm and ReLU as one layer."""

import json

import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized

from ddi_tf import layers
from ddi_tf import norms
from ddi_tf import work


def _without_norm(layer, in_shape):
    """Builds `layer` so that its batch norm passes everything on."""
    layer(tf.zeros([1, *in_shape]))
    variance = tf.ones([layer.filters]) - norms.EPSILON
    layer.norm.moving_variance.assign(variance)
    return layer


def _randomised(layer, in_shape, seed=0):
    """Builds `layer` and draws all its variables, batch norm included."""
    layer(tf.zeros([1, *in_shape]))
    generator = np.random.default_rng(seed)
    for variable in layer.variables:
        variable.assign(generator.uniform(0.2, 1.0, variable.shape)
                        * generator.choice([-1, 1], variable.shape))
    layer.norm.moving_variance.assign(
        np.abs(layer.norm.moving_variance.numpy()))
    return layer


class SamePaddingSizeTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters((32, 1, 32), (32, 2, 16), (5, 2, 3), (1, 2, 1))
    def test_size_is_rounded_up(self, size, stride, expected):
        self.assertEqual(layers.same_padding_size(size, stride), expected)


class ConvBNTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.product(
        batch=(1, 3), stride=(1, 2), kernel_size=(1, 3))
    def test_output_has_the_stated_shape(self, batch, stride, kernel_size):
        layer = layers.ConvBN(6, kernel_size, stride=stride)
        y = layer(tf.ones([batch, 5, 8, 2]))
        expected = {1: (batch, 5, 8, 6), 2: (batch, 3, 4, 6)}[stride]
        self.assertEqual(y.shape, expected)
        self.assertEqual(y.dtype, tf.float32)

    def test_variables_are_a_kernel_and_a_batch_norm(self):
        layer = layers.ConvBN(6, 3)
        layer(tf.ones([1, 4, 4, 2]))
        self.assertCountEqual(
            [tuple(v.shape) for v in layer.trainable_variables],
            [(3, 3, 2, 6), (6,), (6,)])
        self.assertLen(layer.non_trainable_variables, 2)

    def test_config_survives_json(self):
        layer = layers.ConvBN(6, 1, stride=2, relu=False, name="it")
        config = json.loads(json.dumps(layer.get_config()))
        copy = layers.ConvBN.from_config(config)
        self.assertEqual(copy.get_config(), layer.get_config())
        self.assertEqual(
            (copy.name, copy.filters, copy.kernel_size, copy.stride, copy.relu),
            ("it", 6, 1, 2, False))

    @parameterized.parameters((True, [[3.5, 0.0]]), (False, [[3.5, -2.5]]))
    def test_value_by_hand(self, relu, expected):
        # conv 2x; norm (2x - 1) / 2 * 3 + 0.5: 3 * (5 - 1) / 4 + 0.5 = 3.5
        layer = _without_norm(layers.ConvBN(1, 1, relu=relu), (1, 2, 1))
        layer.conv.kernel.assign([[[[2.0]]]])
        layer.norm.gamma.assign([3.0])
        layer.norm.beta.assign([0.5])
        layer.norm.moving_mean.assign([1.0])
        layer.norm.moving_variance.assign([4.0 - norms.EPSILON])
        y = layer(tf.constant([[[[1.5], [-0.5]]]]))
        self.assertAllClose(y[:, 0, :, 0], expected, atol=1e-6)

    def test_borders_are_padded_with_zeros(self):
        layer = _without_norm(layers.ConvBN(1, 3), (3, 3, 1))
        layer.conv.kernel.assign(tf.ones([3, 3, 1, 1]))
        y = layer(tf.ones([1, 3, 3, 1]))
        self.assertAllClose(
            y[0, :, :, 0], [[4, 6, 4], [6, 9, 6], [4, 6, 4]])

    def test_training_normalizes_by_the_batch_and_remembers_it(self):
        layer = _without_norm(layers.ConvBN(1, 1, relu=False), (1, 1, 1))
        layer.conv.kernel.assign([[[[1.0]]]])
        y = layer(tf.constant([[[[2.0]]], [[[6.0]]]]), training=True)
        self.assertAllClose(tf.squeeze(y, [1, 2, 3]), [-1.0, 1.0], atol=1e-4)
        self.assertAllClose(layer.norm.moving_mean, [0.4])  # 0.1 * 4

    def test_inference_leaves_the_moving_statistics_alone(self):
        layer = _randomised(layers.ConvBN(3, 3), (4, 4, 2))
        before = [v.numpy() for v in layer.variables]
        layer(tf.random.stateless_normal([2, 4, 4, 2], [0, 1]))
        for variable, value in zip(layer.variables, before):
            self.assertAllEqual(variable, value)

    def test_channels_must_be_positive(self):
        with self.assertRaisesRegex(
                ValueError, r"`filters` must be positive\. Received: 0"):
            layers.ConvBN(0, 3)


class NarrowTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.product(stride=(1, 2), relu=(True, False))
    def test_all_channels_are_the_whole_layer(self, stride, relu):
        layer = _randomised(
            layers.ConvBN(4, 3, stride=stride, relu=relu), (5, 6, 3))
        x = tf.random.stateless_normal([2, 5, 6, 3], [1, 2])
        self.assertAllClose(layer.narrow(x), layer(x), atol=1e-5)

    @parameterized.product(
        inputs=([0], [1, 2], [0, 1, 2]), outputs=([3], [0, 2], [0, 1, 2, 3]))
    def test_numbers_are_those_of_an_input_with_zeros(self, inputs, outputs):
        layer = _randomised(layers.ConvBN(4, 3), (5, 6, 3))
        x = np.random.default_rng(1).normal(size=[2, 5, 6, 3])
        zeroed = np.zeros_like(x)
        zeroed[..., inputs] = x[..., inputs]
        y = layer.narrow(
            tf.constant(x[..., inputs], tf.float32), inputs, outputs)
        whole = layer(tf.constant(zeroed, tf.float32))
        self.assertAllClose(y, whole.numpy()[..., outputs], atol=1e-5)


class DepthwiseConvBNTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters((1, (2, 5, 6, 4)), (2, (2, 3, 3, 4)))
    def test_output_has_the_stated_shape(self, stride, expected):
        layer = layers.DepthwiseConvBN(4, 3, stride=stride)
        self.assertEqual(layer(tf.ones([2, 5, 6, 4])).shape, expected)
        self.assertEqual(layer.out_shape((5, 6, 4)), expected[1:])
        self.assertEqual(layer.kernel.shape, (3, 3, 4, 1))

    def test_channels_do_not_see_each_other(self):
        layer = _without_norm(layers.DepthwiseConvBN(2, 3), (3, 3, 2))
        kernel = np.ones([3, 3, 2, 1])
        kernel[:, :, 1] = 2
        layer.kernel.assign(kernel)
        x = tf.stack([tf.ones([1, 3, 3]), tf.fill([1, 3, 3], 0.5)], axis=3)
        y = layer(x)
        self.assertAllClose(y[0, 1, 1], [9, 9])
        self.assertAllClose(layer(x * [1.0, 0.0])[0, 1, 1], [9, 0])

    @parameterized.product(stride=(1, 2), channels=([2], [0, 3], [0, 1, 2, 3]))
    def test_some_channels_are_those_of_the_whole(self, stride, channels):
        layer = _randomised(
            layers.DepthwiseConvBN(4, 3, stride=stride), (5, 6, 4))
        x = tf.random.stateless_normal([2, 5, 6, 4], [1, 2])
        whole = layer(x).numpy()[..., channels]
        self.assertAllClose(layer.narrow(x, None, channels), whole, atol=1e-5)
        self.assertAllClose(layer.narrow(
            tf.gather(x, channels, axis=3), channels, channels), whole,
            atol=1e-5)

    def test_work_by_hand(self):
        # 9 MACs and weights per channel, and a bias each.
        self.assertEqual(
            layers.DepthwiseConvBN(8, 3, stride=2).work(5, 7, 8), work.Work(
                3 * 4 * 9 * 8, 9 * 8 + 8, 5 * 7 * 8 + 3 * 4 * 8))


class NormReLUTest(tf.test.TestCase):

    def test_value_by_hand(self):
        layer = layers.NormReLU()
        layer(tf.zeros([1, 1, 1, 2]))
        layer.norm.moving_mean.assign([1.0, 1.0])
        layer.norm.moving_variance.assign(
            [4 - norms.EPSILON, 1 - norms.EPSILON])
        layer.norm.beta.assign([0.5, 0.0])
        # (2 - 1) / 2 + 0.5, and 0 - 1.
        self.assertAllClose(
            layer(tf.constant([[[[2.0, 0.0]]]]))[0, 0, 0], [1.0, 0.0])

    def test_it_is_done_on_the_way(self):
        layer = layers.NormReLU()
        self.assertEqual(layer.work(4, 4, 8), work.Work())
        self.assertEqual(layer.out_shape((4, 4, 8)), (4, 4, 8))


class Bfloat16Test(tf.test.TestCase, parameterized.TestCase):

    @parameterized.named_parameters(
        ("convolution", 16, layers.ConvBN, (16, 3), "bfloat16", "bfloat16"),
        ("odd convolution", 24, layers.ConvBN, (24, 3), "bfloat16", "bfloat16"),
        ("depthwise", 16, layers.DepthwiseConvBN, (16, 3),
         "bfloat16", "bfloat16"),
        ("strided depthwise", 16, layers.DepthwiseConvBN, (16, 3, 2),
         "float32", "bfloat16"),
        ("norm", 16, layers.NormReLU, (), None, "bfloat16"),
        ("odd norm", 24, layers.NormReLU, (), None, "bfloat16"))
    def test_what_would_be_slow_computes_in_float32(
            self, channels, make, args, conv, norm):
        policy = tf_keras.mixed_precision.Policy("mixed_bfloat16")
        names = ("filters", "kernel_size", "stride")
        before = tf_keras.mixed_precision.global_policy()
        tf_keras.mixed_precision.set_global_policy(policy)
        try:
            layer = make(**dict(zip(names, args)))
        finally:
            tf_keras.mixed_precision.set_global_policy(before)
        x = tf.random.stateless_normal([2, 4, 4, channels], [0, 1])
        y = layer(x, training=True)
        self.assertEqual(y.dtype, tf.bfloat16)
        self.assertEqual(layer.norm.compute_dtype, norm)
        if conv is not None:
            self.assertEqual(layer.conv.compute_dtype, conv)
            exact = make(**dict(zip(names, args)))
            exact(x)
            exact.set_weights(layer.get_weights())
            self.assertAllClose(exact(x, training=True), tf.cast(
                y, tf.float32), atol=0.03)


class PoolTest(tf.test.TestCase):

    def test_value_and_work_by_hand(self):
        layer = layers.Pool(2)
        x = tf.reshape(tf.range(15, dtype=tf.float32), [1, 3, 5, 1])
        # 0 1 5 6 and 2 3 7 8; the rest has no whole window.
        self.assertAllClose(layer(x)[0, ..., 0], [[3.0, 5.0]])
        self.assertEqual(layer.out_shape((3, 5, 1)), (1, 2, 1))
        self.assertEqual(
            layer.work(3, 5, 4), work.Work(0, 0, 3 * 5 * 4 + 2 * 4))


class ImageNetStemTest(tf.test.TestCase):

    def test_it_takes_a_quarter_of_each_side(self):
        layer = layers.ImageNetStem(4)
        y = layer(tf.random.stateless_normal([1, 64, 32, 3], [0, 1]))
        self.assertEqual(y.shape[1:], layer.out_shape((64, 32, 3)))
        self.assertEqual(y.shape[1:], (16, 8, 4))

    def test_work_by_hand(self):
        # 112 x 112 of 64 channels are written, read again, and 56 x 56 left.
        wide = 112 * 112 * 64
        self.assertEqual(
            layers.ImageNetStem(64).work(224, 224, 3), work.Work(
                118_013_952, 147 * 64 + 64,
                224 * 224 * 3 + 2 * wide + wide // 4))

    def test_config_survives_json(self):
        layer = layers.ImageNetStem(8, name="stem")
        copy = layers.ImageNetStem.from_config(
            json.loads(json.dumps(layer.get_config())))
        self.assertEqual(copy.get_config(), layer.get_config())


class WorkTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        # Positions times kernel; kernel and 8 biases; read and written.
        (1, 3, (5 * 7 * 9 * 4 * 8, 9 * 4 * 8 + 8, 5 * 7 * 4 + 5 * 7 * 8)),
        (2, 3, (3 * 4 * 9 * 4 * 8, 9 * 4 * 8 + 8, 5 * 7 * 4 + 3 * 4 * 8)),
        (2, 1, (3 * 4 * 4 * 8, 4 * 8 + 8, 5 * 7 * 4 + 3 * 4 * 8)))
    def test_work_by_hand(self, stride, kernel_size, expected):
        layer = layers.ConvBN(8, kernel_size, stride=stride)
        self.assertEqual(layer.work(5, 7, 4), work.Work(*expected))


if __name__ == "__main__":
    tf.test.main()
