"""Tests of a block that no gate decides about."""

import tensorflow as tf

from ddi_tf import costs
from ddi_tf import fixed
from ddi_tf import layers
from ddi_tf import norms
from ddi_tf import work


def _transition():
    return fixed.Fixed((4, 6, 8), [
        layers.NormReLU(name="norm"),
        layers.ConvBN(4, 1, norm=False, relu=False, name="conv"),
        layers.Pool(2, name="pool")], name="transition")


class FixedTest(tf.test.TestCase):

    def test_its_layers_run_one_after_the_other(self):
        block = _transition()
        x = tf.random.stateless_normal([2, 4, 6, 8], [0, 1])
        expected = tf.nn.avg_pool2d(block.parts[1](tf.nn.relu(
            x / (1 + norms.EPSILON)**0.5)), 2, 2, "VALID")
        self.assertAllClose(block(x), expected, atol=1e-6)
        self.assertAllClose(block.run(x), expected, atol=1e-6)
        self.assertEqual(block.out_shape, (2, 3, 4))

    def test_nothing_is_decided(self):
        block = _transition()
        self.assertFalse(block.skippable)
        self.assertFalse(block.keeps_features)
        self.assertFalse(block.narrows)
        self.assertEqual(block.channels, 0)

    def test_every_image_pays_for_all_of_it(self):
        # 1x1: 24 * 32 MACs, 32 + 4 weights, reads 192, writes 96; the pool
        # reads those and writes 24.
        block = _transition()
        self.assertEqual(
            block.skip_work, work.Work(768, 36, 192 + 96 + 96 + 24))
        nothing = work.Work()
        self.assertEqual(
            block.run_work, costs.Run(nothing, nothing, nothing))

    def test_training_moves_its_batch_norm(self):
        block = _transition()
        block(tf.random.stateless_normal([2, 4, 6, 8], [0, 1]) + 3,
              training=True)
        self.assertAllGreater(block.parts[0].norm.moving_mean, 0.1)


if __name__ == "__main__":
    tf.test.main()
