"""Channels in the order of what they matter: by hand, and nothing else changes.
"""

import itertools

import backbone_cases
import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized

from ddi_tf import layers
from ddi_tf import norms
from ddi_tf import ordering


def _optimizer(network):
    optimizer = tf_keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(network.trainable_variables)
    return optimizer


def _pair(filters, readers=1, norm=False):
    """A writer with so many channels, and what reads them."""
    writer = layers.ConvBN(filters, 1)
    reader = layers.ConvBN(readers, 1, norm=norm)
    reader(writer(tf.ones([1, 1, 1, 2])))
    return writer, reader


class ImportanceTest(tf.test.TestCase):

    def test_of_values_that_are_surely_positive_by_hand(self):
        writer, reader = _pair(2, readers=2)
        # Means 30 and 40, deviations 0 and 9; weights 3, 4 and 0, -2.
        writer.norm.beta.assign([30.0, 40.0])
        writer.norm.gamma.assign([0.0, -9.0])
        reader.kernel.assign([[[[3.0, 4.0], [0.0, -2.0]]]])
        self.assertAllClose(ordering.importance(writer, reader), [
            30 * 5, (40**2 + 9**2)**0.5 * 2], rtol=1e-4)

    def test_half_of_a_centred_normal_is_cut_off(self):
        writer, reader = _pair(2)
        writer.norm.gamma.assign([3.0, 3.0])
        writer.norm.beta.assign([0.0, -60.0])
        reader.kernel.assign(tf.ones([1, 1, 2, 1]))
        # E[relu(z)^2] is half of E[z^2]; of z below 0 nothing is left.
        self.assertAllClose(
            ordering.importance(writer, reader), [3 * 0.5**0.5, 0])

    def test_it_is_what_samples_show(self):
        writer, reader = _pair(3)
        writer.norm.gamma.assign([1.0, 2.0, 0.5])
        writer.norm.beta.assign([0.7, -1.5, 0.1])
        reader.kernel.assign(tf.ones([1, 1, 3, 1]))
        drawn = np.random.default_rng(0).normal(
            [0.7, -1.5, 0.1], [1.0, 2.0, 0.5], [400_000, 3])
        self.assertAllClose(
            ordering.importance(writer, reader),
            (np.maximum(drawn, 0)**2).mean(axis=0)**0.5, rtol=0.01)

    def test_a_norm_behind_the_weights_scales_them(self):
        writer, reader = _pair(2, readers=2, norm=True)
        writer.norm.gamma.assign([0.0, 0.0])
        writer.norm.beta.assign([1.0, 1.0])
        # Each channel has a reader of its own, scaled by 6 / 2 and -4 / 1.
        reader.kernel.assign([[[[1.0, 0.0], [0.0, 1.0]]]])
        reader.norm.gamma.assign([6.0, -4.0])
        reader.norm.moving_variance.assign(
            np.float32([4.0, 1.0]) - norms.EPSILON)
        self.assertAllClose(ordering.importance(writer, reader), [3.0, 4.0])


class OrderTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.product(
        name=("resnet8", "resnet50", "densenet22", "mobilenetv2"),
        mask_site=("inner", "output"))
    def test_answers_stay_and_the_last_groups_matter_least(
            self, name, mask_site):
        net = backbone_cases.make(
            name, "layers_and_channels", short=True, mask_site=mask_site)
        images = backbone_cases.images_for(net, 4)
        backbone_cases.uneven(net)
        opened = net.all_open(4)
        before = net(images, decisions=opened).logits
        kernels = [layer.kernel.numpy() for block in net.blocks
                   if block.channels for layer in block.branch]
        ordering.order(net, _optimizer(net))
        self.assertAllClose(
            net(images, decisions=opened).logits, before,
            rtol=0, atol=1e-4 * np.abs(before).max())
        moved = [not np.array_equal(was, layer.kernel) for was, layer in zip(
            kernels, [layer for block in net.blocks
                      if block.channels for layer in block.branch])]
        self.assertAllEqual(moved, [mask_site == "inner"] * len(moved))
        if mask_site == "inner":
            for block in net.blocks:
                for writer, reader in itertools.pairwise(
                        block.branch if block.channels else []):
                    if reader.mixes_channels:
                        falling = ordering.importance(writer, reader)
                        self.assertAllLessEqual(np.diff(falling), 1e-6)

    def test_once_is_enough(self):
        net = backbone_cases.make("resnet8", "channels")
        backbone_cases.uneven(net)
        ordering.order(net, _optimizer(net))
        once = [variable.numpy() for variable in net.variables]
        ordering.order(net, _optimizer(net))
        for variable, value in zip(net.variables, once):
            self.assertAllEqual(variable, value)

    def test_momentum_of_other_places_is_forgotten(self):
        net = backbone_cases.make("resnet8", "channels")
        optimizer = _optimizer(net)
        for momentum in optimizer.momentums:
            momentum.assign(tf.ones_like(momentum))
        ordering.order(net, optimizer)
        for momentum in optimizer.momentums:
            self.assertAllEqual(momentum, tf.zeros_like(momentum))

    @parameterized.parameters(
        ("resnet8", "layers"), ("resnet8", "blockdrop"), ("resnet14", "act"))
    def test_without_channel_gates_nothing_moves(self, name, strategy):
        net = backbone_cases.make(name, strategy)
        backbone_cases.uneven(net)
        optimizer = _optimizer(net)
        for momentum in optimizer.momentums:
            momentum.assign(tf.ones_like(momentum))
        before = [variable.numpy() for variable in (
            *net.variables, *optimizer.momentums)]
        ordering.order(net, optimizer)
        for variable, value in zip(
                (*net.variables, *optimizer.momentums), before):
            self.assertAllEqual(variable, value)


if __name__ == "__main__":
    tf.test.main()
