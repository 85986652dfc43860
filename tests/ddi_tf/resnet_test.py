"""Tests of the residual block's gating and of the ResNet family."""

import itertools
import json

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import block as block_lib
from ddi_tf import costs
from ddi_tf import errors
from ddi_tf import gates
from ddi_tf import network
from ddi_tf import norms
from ddi_tf import resnet
from ddi_tf import work

_GROUPS = 4
_SUBSETS = [subset for size in range(1, _GROUPS + 1)
            for subset in itertools.combinations(range(_GROUPS), size)]
_SITES_AND_STRIDES = tuple(itertools.product(block_lib.MASK_SITES, (1, 2)))


def _block(mask_site="inner", stride=1):
    """A block on [6, 6, 8] with weights and batch norms drawn at random."""
    block = resnet.ResidualBlock(
        (6, 6, 8), 8 * stride, stride=stride, mask_site=mask_site)
    block(tf.zeros([1, 6, 6, 8]))
    generator = np.random.default_rng(stride)
    for variable in block.variables:
        variable.assign(generator.normal(0, 0.4, variable.shape))
    for layer in (block.conv1, block.conv2, block.projection):
        if layer is not None:
            layer.norm.moving_variance.assign(
                generator.uniform(0.5, 2, layer.norm.moving_variance.shape))
            layer.norm.gamma.assign(
                generator.uniform(0.5, 2, layer.norm.gamma.shape))
    return block


def _features(batch=3):
    """Features after a ReLU: not negative."""
    x = np.random.default_rng(7).normal(size=[batch, 6, 6, 8])
    return tf.constant(np.maximum(x, 0), tf.float32)


def _masks(batch=3, seed=3):
    """Masks with one open group at least, all different."""
    choice = np.random.default_rng(seed).choice(len(_SUBSETS), batch, False)
    masks = np.zeros([batch, _GROUPS], np.float32)
    for row, index in zip(masks, choice):
        row[list(_SUBSETS[index])] = 1
    return tf.constant(masks)


def _shortcut(block, x):
    return x if block.projection is None else block.projection(x)


class FamilyTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        (8, 1), (14, 2), (20, 3), (38, 6), (74, 12), (110, 18))
    def test_depth_is_six_per_block_and_two(self, depth, blocks):
        self.assertEqual(resnet.blocks_per_stage(depth), blocks)

    @parameterized.parameters(-4, 0, 2, 7, 9, 18, 39)
    def test_other_depths_are_errors(self, depth):
        with self.assertRaisesRegex(
                errors.ConfigError,
                rf"`model_depth` must be 6n \+ 2 .*Received: {depth}$"):
            resnet.blocks_per_stage(depth)

    def test_resnet38_has_eighteen_blocks_and_six_exits(self):
        backbone = resnet.build(network.NetworkConfig(depth=38))
        self.assertLen(backbone.blocks, 18)
        self.assertEqual(backbone.exit_after, (1, 4, 7, 10, 13, 16))
        self.assertEqual(backbone.stem_work.macs, 442_368)

    def test_blocks_follow_on_from_each_other(self):
        blocks = resnet.build(network.NetworkConfig(
            depth=14, image_shape=(48, 64, 3))).blocks
        self.assertEqual([block.name for block in blocks], [
            "stage1_block1", "stage1_block2", "stage2_block1", "stage2_block2",
            "stage3_block1", "stage3_block2"])
        self.assertEqual(blocks[0].in_shape, (48, 64, 16))
        for before, after in itertools.pairwise(blocks):
            self.assertEqual(before.out_shape, after.in_shape)
        self.assertEqual(blocks[-1].out_shape, (12, 16, 64))

    def test_only_changes_of_shape_have_a_projection(self):
        blocks = resnet.build(network.NetworkConfig(depth=14)).blocks
        self.assertEqual([block.projection is not None for block in blocks],
                         [False, False, True, False, True, False])

    @parameterized.parameters((30, 32), (32, 40), (8, 8))
    def test_image_sizes_that_do_not_halve_are_errors(self, height, width):
        config = network.NetworkConfig(depth=8, image_shape=(height, width, 3))
        with self.assertRaisesRegex(
                errors.ConfigError,
                f"must be multiples of 16.*Received: {height} x {width}"):
            resnet.build(config)


class MaskTest(tf.test.TestCase):

    def test_groups_are_neighbours(self):
        expanded = block_lib.expand(tf.constant([[1.0, 0.0], [0.0, 1.0]]), 6)
        self.assertEqual(expanded.shape, (2, 1, 1, 6))
        self.assertAllEqual(expanded[:, 0, 0], [[1, 1, 1, 0, 0, 0],
                                                [0, 0, 0, 1, 1, 1]])

    def test_any_open_group_opens(self):
        mask = tf.constant([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        self.assertAllEqual(gates.opened(mask), [0, 1, 1, 1])

    def test_gradient_of_opened_survives_closed_groups(self):
        mask = tf.constant([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
        with tf.GradientTape() as tape:
            tape.watch(mask)
            value = tf.reduce_sum(gates.opened(mask))
        self.assertAllEqual(
            tape.gradient(value, mask), [[1, 1], [1, 0], [0, 0]])


class BlockContractTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.product(
        batch=(1, 3), mask_site=block_lib.MASK_SITES, stride=(1, 2))
    def test_output_has_the_stated_shape(self, batch, mask_site, stride):
        block = _block(mask_site, stride)
        y = block(_features(batch), tf.ones([batch]), tf.ones([batch, 2]))
        self.assertEqual(y.shape, (batch, *block.out_shape))
        self.assertEqual(block.out_shape, {1: (6, 6, 8), 2: (3, 3, 16)}[stride])
        self.assertEqual(y.dtype, tf.float32)
        self.assertAllGreaterEqual(y, 0.0)

    def test_odd_sizes_are_rounded_up(self):
        block = resnet.ResidualBlock((5, 7, 2), 4, stride=2, mask_site="both")
        self.assertEqual(block(tf.ones([1, 5, 7, 2])).shape[1:], (3, 4, 4))
        self.assertEqual(block.out_shape, (3, 4, 4))

    def test_config_survives_json(self):
        block = resnet.ResidualBlock(
            (6, 6, 8), 16, stride=2, mask_site="both", name="it")
        config = json.loads(json.dumps(block.get_config()))
        copy = resnet.ResidualBlock.from_config(config)
        self.assertEqual(copy.get_config(), block.get_config())
        self.assertEqual(
            (copy.name, copy.in_shape, copy.filters, copy.stride,
             copy.mask_site), ("it", (6, 6, 8), 16, 2, "both"))

    def test_unknown_mask_site_is_an_error(self):
        with self.assertRaisesRegex(
                errors.ConfigError,
                "`model_mask_site` must be one of output, inner, both. "
                "Received: middle"):
            resnet.ResidualBlock((6, 6, 8), 8, stride=1, mask_site="middle")

    @parameterized.parameters("output", "both")
    def test_only_inner_channels_can_be_cut_out(self, mask_site):
        with self.assertRaisesRegex(
                ValueError, f"only inner channels .*mask_site={mask_site}"):
            _block(mask_site).run_groups(
                _features(), groups=(0,), total=4)

    @parameterized.parameters(
        # MACs on 3 x 4 positions: 12 * 9 * 4 * 8 and 12 * 9 * 8 * 8; weights
        # 288 + 8 and 576 + 8. Features: 140 are read, 96 stand between the
        # convolutions (written, read), and 96 are added (read) and written.
        ("output", (3456, 296, 140 + 2 * 96), (6912, 584, 2 * 96), (0, 0, 0)),
        ("inner", (0, 0, 140 + 2 * 96), (10_368, 880, 2 * 96), (0, 0, 0)),
        ("both", (0, 0, 140), (3456, 296, 4 * 96), (6912, 584, 0)))
    def test_run_work_by_hand(self, mask_site, opened, linear, square):
        block = resnet.ResidualBlock(
            (5, 7, 4), 8, stride=2, mask_site=mask_site)
        self.assertEqual(block.run_work, costs.Run(
            work.Work(*opened), work.Work(*linear), work.Work(*square)))

    @parameterized.parameters(*block_lib.MASK_SITES)
    def test_a_projection_is_always_done(self, mask_site):
        block = resnet.ResidualBlock(
            (5, 7, 4), 8, stride=2, mask_site=mask_site)
        self.assertEqual(
            block.skip_work, work.Work(12 * 4 * 8, 4 * 8 + 8, 140 + 96))

    def test_an_identity_shortcut_is_free(self):
        self.assertEqual(_block(stride=1).skip_work, work.Work())


class GateTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(*_SITES_AND_STRIDES)
    def test_gate_off_leaves_the_shortcut(self, mask_site, stride):
        block, x = _block(mask_site, stride), _features()
        y = block(x, tf.zeros([3]), _masks())
        self.assertAllEqual(y, tf.nn.relu(_shortcut(block, x)))
        self.assertAllEqual(y, block.skip(x))

    @parameterized.parameters(*block_lib.MASK_SITES)
    def test_gate_off_leaves_features_unchanged(self, mask_site):
        block, x = _block(mask_site), _features()
        self.assertAllEqual(block(x, tf.zeros([3]), tf.ones([3, 4])), x)
        self.assertAllEqual(block(x, tf.zeros([3])), x)

    @parameterized.parameters(*_SITES_AND_STRIDES)
    def test_gate_on_and_mask_of_ones_run_the_whole_block(
            self, mask_site, stride):
        block, x = _block(mask_site, stride), _features()
        full = block(x)
        self.assertNotAllClose(full, block.skip(x))
        self.assertAllEqual(block(x, tf.ones([3])), full)
        self.assertAllEqual(block(x, None, tf.ones([3, 4])), full)
        self.assertAllEqual(block(x, tf.ones([3]), tf.ones([3, 4])), full)

    @parameterized.parameters(*_SITES_AND_STRIDES)
    def test_empty_mask_skips(self, mask_site, stride):
        block, x = _block(mask_site, stride), _features()
        y = block(x, tf.ones([3]), tf.zeros([3, 4]))
        self.assertAllEqual(y, block.skip(x))

    @parameterized.parameters(*_SITES_AND_STRIDES)
    def test_images_of_a_batch_do_not_see_each_other(self, mask_site, stride):
        block, x, mask = _block(mask_site, stride), _features(), _masks()
        gate = tf.constant([1.0, 0.0, 1.0])
        together = block(x, gate, mask)
        for b in range(3):
            one = slice(b, b + 1)
            alone = block(x[one], gate[one], mask[one])
            self.assertAllClose(alone, together[one], atol=1e-5)
        other = tf.concat([mask[:1], 1 - mask[1:]], axis=0)
        self.assertAllClose(
            block(x, gate, other)[0], together[0], atol=1e-6)

    @parameterized.parameters(1, 2)
    def test_training_updates_the_statistics_of_every_convolution(self, stride):
        block = _block("inner", stride)
        before = [v.numpy() for v in block.non_trainable_variables]
        block(_features(), tf.ones([3]), _masks(), training=True)
        self.assertLen(before, 4 if stride == 1 else 6)
        for variable, value in zip(block.non_trainable_variables, before):
            self.assertNotAllClose(variable, value)

    def test_gradient_of_a_gate_is_the_difference_it_makes(self):
        block, x = _block(), _features()
        gate = tf.constant([1.0, 0.0, 1.0])
        with tf.GradientTape() as tape:
            tape.watch(gate)
            value = tf.reduce_sum(block(x, gate))
        self.assertAllClose(
            tape.gradient(value, gate),
            tf.reduce_sum(block(x) - x, axis=[1, 2, 3]), rtol=1e-4)

    @parameterized.parameters(*_SITES_AND_STRIDES)
    def test_gradient_reaches_every_group_of_an_open_mask(
            self, mask_site, stride):
        block, mask = _block(mask_site, stride), tf.ones([3, 4])
        with tf.GradientTape() as tape:
            tape.watch(mask)
            value = tf.reduce_sum(block(_features(), tf.ones([3]), mask))
        gradient = tape.gradient(value, mask).numpy()
        self.assertTrue(np.all(np.isfinite(gradient)), gradient)
        self.assertTrue(np.all(gradient != 0), gradient)


class EquationsTest(tf.test.TestCase, parameterized.TestCase):
    """Eqs. 1-3 of the paper, and what an inner mask makes of them."""

    def test_value_by_hand(self):
        block = resnet.ResidualBlock((1, 1, 1), 1, stride=1, mask_site="output")
        block(tf.zeros([1, 1, 1, 1]))
        for conv, factor in ((block.conv1, 2.0), (block.conv2, 3.0)):
            kernel = np.zeros([3, 3, 1, 1])
            kernel[1, 1] = factor
            conv.conv.set_weights([kernel])
            conv.norm.moving_variance.assign([1 - norms.EPSILON])
        x = tf.fill([2, 1, 1, 1], 0.5)
        # C = 0.5 + 3 * 2 * 0.5 = 3.5; F = g * 3.5 + (1 - g) * 0.5
        y = block(x, tf.constant([1.0, 0.0]))
        self.assertAllClose(y[:, 0, 0, 0], [3.5, 0.5])

    def test_equation_1_layer_skip(self):
        block, x = _block("output"), _features()
        gate = tf.constant([1.0, 0.0, 1.0])
        g = gate[:, None, None, None]
        self.assertAllEqual(block(x, gate), g * block(x) + (1 - g) * x)

    def test_equation_2_channel_skip(self):
        block, x, mask = _block("output"), _features(), _masks()
        y, full = block(x, None, mask).numpy(), block(x).numpy()
        for b, channel in itertools.product(range(3), range(8)):
            open_ = mask[b, channel // 2] == 1
            expected = full if open_ else x.numpy()
            self.assertAllEqual(
                y[b, :, :, channel], expected[b, :, :, channel])

    def test_batch_norm_does_not_learn_from_what_masks_closed(self):
        block, x = _block("inner"), _features()
        block.conv2.norm.beta.assign(tf.zeros_like(block.conv2.norm.beta))
        closed = tf.zeros([3, _GROUPS])
        y = block(x, None, closed, training=True)
        self.assertAllEqual(y, x)  # a skip all the same
        block(x, None, None, training=True)
        seen = block.conv2.norm.moving_variance
        for _ in range(200):
            block(x, None, closed, training=True)
        self.assertAllClose(
            seen, tf.math.reduce_variance(block.conv2.conv(
                block.conv1(x, True)), [0, 1, 2]), rtol=0.05)

    def test_closed_channels_get_the_gradient_of_the_equation(self):
        block, x = _block("inner"), _features()
        mask = tf.Variable([[1.0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]])
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(block(x, None, mask, training=True)**2)
        gradient = tape.gradient(total, mask).numpy()
        # Opening a closed image would change it by all that the block adds; a
        # group of an open one by its own channels.
        self.assertTrue(np.all(np.isfinite(gradient)))
        self.assertNotAllClose(gradient[0, 1], 0)
        self.assertAllClose(gradient[1], tf.fill([4], gradient[1, 0]))

    def test_equation_3_gate_values_multiply(self):
        block, x, mask = _block("output"), _features(), _masks()
        gate = tf.constant([1.0, 0.0, 1.0])
        self.assertAllEqual(
            block(x, gate, mask), block(x, None, mask * gate[:, None]))

    @parameterized.parameters(1, 2)
    def test_inner_mask_stands_between_the_convolutions(self, stride):
        block, x, mask = _block("inner", stride), _features(), _masks()
        wide = np.repeat(mask.numpy(), block.filters // 4, axis=1)
        inner = block.conv1(x) * wide[:, None, None, :]
        expected = tf.nn.relu(_shortcut(block, x) + block.conv2(inner))
        self.assertAllClose(block(x, tf.ones([3]), mask), expected, atol=1e-5)

    @parameterized.parameters(1, 2)
    def test_both_masks_the_inner_channels_and_the_output(self, stride):
        block, x, mask = _block("both", stride), _features(), _masks()
        wide = np.repeat(mask.numpy(), block.filters // 4, axis=1)
        wide = wide[:, None, None, :]
        shortcut = _shortcut(block, x)
        full = tf.nn.relu(shortcut + block.conv2(block.conv1(x) * wide))
        expected = np.where(wide == 1, full, tf.nn.relu(shortcut))
        self.assertAllClose(block(x, None, mask), expected, atol=1e-5)


class RunGroupsTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.product(stride=(1, 2), batch=(1, 3))
    def test_every_set_of_groups_equals_its_mask(self, stride, batch):
        block, x = _block("inner", stride), _features(batch)
        for subset in _SUBSETS:
            mask = np.zeros([batch, _GROUPS], np.float32)
            mask[:, list(subset)] = 1
            self.assertAllClose(
                block.run_groups(x, groups=subset, total=_GROUPS),
                block(x, tf.ones([batch]), tf.constant(mask)), atol=1e-5,
                msg=f"groups {subset}")

    def test_sets_of_groups_differ(self):
        block, x = _block("inner"), _features()
        self.assertNotAllClose(
            block.run_groups(x, groups=(0,), total=4),
            block.run_groups(x, groups=(1,), total=4))


if __name__ == "__main__":
    tf.test.main()
