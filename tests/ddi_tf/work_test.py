"""Tests of the counts that every cost is made of, with values by hand."""

import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import block
from ddi_tf import network
from ddi_tf import work


class WorkTest(tf.test.TestCase):

    def test_counts_add_up_each_for_itself(self):
        total = work.Work(1, 20, 300) + work.Work(4, 50, 600)
        self.assertIsInstance(total, work.Work)
        self.assertEqual(total, work.Work(
            macs=5, weights=70, activations=900))

    def test_nothing_adds_nothing(self):
        one = work.Work(1, 20, 300)
        self.assertEqual(one + work.Work(), one)
        self.assertEqual(work.Work() + one, one)

    def test_dense_by_hand(self):
        # 20 * 40; one bias per output; 20 read and 40 written
        self.assertEqual(work.dense(20, 40), work.Work(800, 840, 60))

    def test_traffic_counts_every_number_of_every_shape(self):
        self.assertEqual(
            work.traffic((4, 5, 6)), work.Work(activations=120))
        self.assertEqual(
            work.traffic((4, 5, 6), (2, 2, 3)), work.Work(activations=132))
        self.assertEqual(work.traffic(), work.Work())


class NetworkWorkTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(*block.MASK_SITES)
    def test_resnet8_by_hand_wherever_its_masks_apply(self, mask_site):
        net = network.Network(network.NetworkConfig(
            depth=8, mask_site=mask_site))
        # Convolutions with a bias per filter, and 64 * 10 + 10.
        weights = (448 + 2 * 2320 + (4640 + 9248 + 544)
                   + (18_496 + 36_928 + 2112) + 650)
        # Stem; per block: input read, three times its output size (between
        # the convolutions, written; read; the shortcut's), written; then the
        # projections; the head.
        activations = ((3072 + 16_384) + (16_384 + 4 * 16_384)
                       + (16_384 + 4 * 8192) + (16_384 + 8192)
                       + (8192 + 4 * 4096) + (8192 + 4096) + (4096 + 64 + 10))
        self.assertEqual(
            tuple(net.work.priced(lambda w, c=count: w[c]).base
                  for count in range(3)), (12_501_632, weights, activations))

    def test_weights_are_the_variables_with_norms_folded(self):
        net = network.Network(network.NetworkConfig(
            depth=8, image_shape=(16, 16, 3)))
        table = net.work.priced(lambda w: w.weights)
        # A norm's gamma and beta become one bias per filter.
        folded = sum(
            variable.shape.num_elements() for variable in net.variables
            if not any(part in variable.name for part in (
                "gamma", "moving_mean", "moving_variance")))
        # One LSTM serves all blocks; one embedding serves two.
        shared = 2 * 840 + 170
        self.assertEqual(table.everything, folded + shared)


if __name__ == "__main__":
    tf.test.main()
