"""Tests of what all blocks have in common, on blocks of each family."""

import itertools

import hypothesis
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from hypothesis import strategies

from ddi_tf import block as block_lib
from ddi_tf import costs
from ddi_tf import densenet
from ddi_tf import errors
from ddi_tf import imagenet_resnet
from ddi_tf import mobilenetv2
from ddi_tf import network
from ddi_tf import subgraphs
from ddi_tf import work

_SHAPE = (6, 6, 8)
_MAKE = {
    "bottleneck": lambda site: imagenet_resnet.Bottleneck(
        _SHAPE, 16, stride=2, mask_site=site),
    "inverted": lambda site: mobilenetv2.InvertedResidual(
        _SHAPE, 8, expansion=2, stride=1, mask_site=site),
    "inverted_that_halves": lambda site: mobilenetv2.InvertedResidual(
        _SHAPE, 12, expansion=2, stride=2, mask_site=site),
    "dense": lambda site: densenet.DenseLayer(_SHAPE, 4, mask_site=site),
}
_CASES = tuple(itertools.product(_MAKE, block_lib.MASK_SITES))
_GROUPS = 4
_MASKS = tuple(itertools.product((0.0, 1.0), repeat=_GROUPS))[1:]


def _block(kind, mask_site="inner"):
    """A block with weights and batch norms drawn at random."""
    block = _MAKE[kind](mask_site)
    block(tf.zeros([1, *_SHAPE]))
    generator = np.random.default_rng(1)
    for variable in block.variables:
        if "variance" in variable.name or "gamma" in variable.name:
            variable.assign(generator.uniform(0.5, 2, variable.shape))
        else:
            variable.assign(generator.normal(0, 0.4, variable.shape))
    return block


def _features(batch=2):
    return tf.random.stateless_normal([batch, *_SHAPE], [0, 7])


def _after(block, x, made):
    """The features after what a device's graph left."""
    return tf.concat([x, made], axis=3) if block.appended else made


class GateTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(*_CASES)
    def test_output_has_the_stated_shape(self, kind, mask_site):
        block = _block(kind, mask_site)
        self.assertEqual(block(_features()).shape, (2, *block.out_shape))

    @parameterized.parameters(*_CASES)
    def test_a_closed_gate_or_mask_skips(self, kind, mask_site):
        block, x = _block(kind, mask_site), _features()
        if not block.skippable:
            return
        for gate, mask in ((tf.zeros([2]), tf.ones([2, _GROUPS])),
                           (tf.zeros([2]), None),
                           (tf.ones([2]), tf.zeros([2, _GROUPS]))):
            self.assertAllEqual(block(x, gate, mask), block.skip(x))

    @parameterized.parameters(*_CASES)
    def test_an_open_one_runs_all(self, kind, mask_site):
        block, x = _block(kind, mask_site), _features()
        full, open_ = block(x), tf.ones([2, _GROUPS])
        self.assertAllEqual(block(x, tf.ones([2]), open_), full)
        self.assertAllEqual(block(x, None, open_), full)
        self.assertAllEqual(_after(block, x, block.run(x)), full)
        if block.skippable:
            self.assertNotAllClose(full, block.skip(x))

    @parameterized.parameters(*_CASES)
    def test_what_a_graph_leaves_is_the_masked_forward(self, kind, mask_site):
        block, x = _block(kind, mask_site), _features(1)
        for mask in _MASKS:
            if block.skippable or mask[0]:
                mask = tf.constant([mask])
                self.assertAllClose(
                    _after(block, x, block.run(x, mask)),
                    block(x, tf.ones([1]), mask), atol=1e-5)


class GroupsTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(*_MAKE)
    def test_graphs_of_any_groups_compute_what_masks_leave(self, kind):
        block, x = _block(kind), _features(1)

        @hypothesis.settings(max_examples=12, deadline=None, derandomize=True)
        @hypothesis.given(strategies.sets(
            strategies.integers(0, _GROUPS - 1), min_size=1), strategies.data())
        def check(computed, source):
            computed = tuple(sorted(computed))
            kept = source.draw(strategies.lists(
                strategies.booleans(), min_size=len(computed),
                max_size=len(computed)).filter(any))
            mask = np.zeros([1, _GROUPS], np.float32)
            mask[0, list(computed)] = kept
            made = block.run_groups(
                x, tf.constant([kept], tf.float32), groups=computed,
                total=_GROUPS)
            self.assertAllClose(_after(block, x, made),
                                block(x, None, tf.constant(mask)), atol=1e-5)

        check()

    @parameterized.parameters(
        ("bottleneck", (4, 16, 4)), ("inverted", (16, 8, 8)),
        ("inverted_that_halves", (16, 12, 4)), ("dense", (16, 4, 4)))
    def test_groups_divide_what_is_masked(self, kind, inner_output_both):
        self.assertEqual(tuple(
            _MAKE[kind](site).channels
            for site in ("inner", "output", "both")), inner_output_both)

    def test_a_mask_of_both_must_fit_both(self):
        # 48 expanded channels would divide by 3, 16 features do not.
        config = network.NetworkConfig(
            backbone="mobilenetv2", depth=53, width=0.5, mask_site="both",
            groups=3)
        with self.assertRaisesRegex(
                errors.ConfigError, "must divide .*has 16. Received: 3"):
            network.Network(config)


class WorkTest(tf.test.TestCase, parameterized.TestCase):
    """MACs, weights (with biases), features read and written; by hand.

    Inputs are [4, 4, 4].
    """

    @parameterized.parameters(
        # 1x1 to 8: 16 * 32 MACs, 32 + 8 weights; 3x3 of each: 16 * 72, 72 + 8;
        # 1x1 to 4: 16 * 32, 32 + 4. Read 64; 2 * 128 between, twice; the sum
        # reads and writes 64. The first mixes what comes, the second nothing.
        ("inner", (0, 0, 64 + 128), (512 + 1152 + 512, 40 + 80 + 36, 512),
         (0, 0, 0)),
        ("output", (512 + 1152, 40 + 80, 64 + 512), (512, 36, 128), (0, 0, 0)),
        ("both", (0, 0, 64), (512 + 1152, 40 + 80, 512 + 128), (512, 36, 0)))
    def test_inverted_residual(self, mask_site, *expected):
        self._assert_run(mobilenetv2.InvertedResidual(
            (4, 4, 4), 4, expansion=2, stride=1, mask_site=mask_site),
            expected)

    @parameterized.parameters(
        # 1x1 to 2: 16 * 8 MACs, 8 + 2 weights; 3x3: 16 * 36, 36 + 2; 1x1 to 8:
        # 16 * 16, 16 + 8. 2 * 32 between, twice; 128 are added and written.
        ("inner", (0, 0, 64 + 256), (128 + 256, 10 + 24, 128), (576, 38, 0)),
        ("output", (128 + 576, 10 + 38, 64 + 128), (256, 24, 256), (0, 0, 0)),
        ("both", (0, 0, 64), (128, 10, 128 + 256), (576 + 256, 38 + 24, 0)))
    def test_bottleneck(self, mask_site, *expected):
        self._assert_run(imagenet_resnet.Bottleneck(
            (4, 4, 4), 8, stride=1, mask_site=mask_site), expected)

    @parameterized.parameters(
        # 1x1 to 8: 16 * 32, 32 + 8; 3x3 to 2: 16 * 144, 144 + 2. 2 * 128
        # between; 32 are written behind the others, and nothing is added.
        ("inner", (0, 0, 64 + 32), (512 + 2304, 40 + 146, 256), (0, 0, 0)),
        ("output", (512, 40, 64 + 256), (2304, 146, 32), (0, 0, 0)),
        ("both", (0, 0, 64), (512, 40, 256 + 32), (2304, 146, 0)))
    def test_dense_layer(self, mask_site, *expected):
        layer = densenet.DenseLayer((4, 4, 4), 2, mask_site=mask_site)
        self._assert_run(layer, expected)
        self.assertEqual(layer.skip_work, work.Work())

    def test_an_inverted_residual_that_changes_the_shape_adds_nothing(self):
        # 16 * 32 + 4 * 72 + 4 * 48 MACs; 128 + 32 between, twice; 24 written.
        block = mobilenetv2.InvertedResidual(
            (4, 4, 4), 6, expansion=2, stride=2, mask_site="inner")
        self.assertEqual(sum(block.run_work), work.Work(
            512 + 288 + 192, 40 + 80 + 54, 64 + 2 * (128 + 32) + 24))

    def test_half_the_groups_of_a_narrow_graph_cost_what_is_left(self):
        # Of `test_bottleneck`: half of 384 and a quarter of 576.
        run = imagenet_resnet.Bottleneck(
            (4, 4, 4), 8, stride=1, mask_site="inner").run_work
        self.assertEqual(
            run.linear.share(1, 2).macs + run.square.share(1, 4).macs,
            192 + 144)

    def _assert_run(self, block, expected):
        self.assertEqual(block.run_work, costs.Run(
            *(work.Work(*counts) for counts in expected)))


class FirstGroupTest(tf.test.TestCase):

    def test_a_block_that_must_run_keeps_its_first_group(self):
        block = _MAKE["inverted_that_halves"]("inner")
        ways = subgraphs.every_set(15)(block, 3)
        self.assertEqual([way.groups for way in ways],
                         [(0,), (0, 1), (0, 2), (0, 1, 2)])


if __name__ == "__main__":
    tf.test.main()
