"""Tests of spatially adaptive computation time: positions, MACs, training."""

import dataclasses

import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized

import training_case
from ddi_tf import costs
from ddi_tf import data
from ddi_tf import deciding
from ddi_tf import energy
from ddi_tf import errors
from ddi_tf import network
from ddi_tf import strategies
from ddi_tf import trace_files
from ddi_tf import traces
from ddi_tf.peers import sact

# Two blocks per stage, on 16 x 16, 8 x 8 and 4 x 4.
_CONFIG = network.NetworkConfig(
    depth=14, image_shape=(16, 16, 3), channel_gates=False, exits=False,
    strategy="sact")
_SCALING = data.Scaling((127.0,) * 3, (64.0,) * 3)
_GATED = (1, 3, 5)  # blocks that positions may leave out

# Either convolution of a block, everywhere; the same in every stage.
_CONVOLUTION = 256 * 9 * 16 * 16


def _build(**settings):
    tf_keras.utils.set_random_seed(1)
    return strategies.make(dataclasses.replace(_CONFIG, **settings))


def _images(batch):
    return tf.random.stateless_normal([batch, 16, 16, 3], [0, 1])


def _go_on(net, value):
    """Makes every score sigmoid(-value), whatever the features are."""
    for score in net.gates:
        for kernel in (score.dense.kernel, score.conv.kernel):
            kernel.assign(tf.zeros_like(kernel))
        score.dense.bias.assign([value])


def _halves(net, outputs, k):
    """(first, second) [B, H, W] of block k's mask."""
    height, width, _ = net.blocks[k].out_shape
    return [tf.reshape(half, [-1, height, width]) for half in tf.split(
        outputs.decisions.masks[k], 2, axis=1)]


def _neighbours(active):
    """[B, H, W]: whether a position or one beside it is active."""
    near = np.zeros_like(active)
    for b, y, x in np.argwhere(active):
        near[b, max(y - 1, 0):y + 2, max(x - 1, 0):x + 2] = 1
    return near


class ScoreTest(tf.test.TestCase):

    def test_value_by_hand(self):
        score = sact.Score((1, 2, 1))
        features = tf.constant([[[[2.0], [4.0]]]])
        score(features)
        kernel = np.zeros([3, 3, 1, 1])
        kernel[1] = [[[1.0]], [[10.0]], [[100.0]]]  # left, here, right
        score.conv.kernel.assign(kernel / 100)
        score.dense.kernel.assign([[0.5]])
        score.dense.bias.assign([-1.0])
        # Go on: 0.2 + 4 and 0.02 + 0.4 here, 0.5 * 3 - 1 of the pooled.
        self.assertAllClose(
            score(features),
            [[[1 / (1 + np.exp(4.7)), 1 / (1 + np.exp(0.92))]]])

    def test_work_by_hand(self):
        score = sact.Score((4, 4, 8))
        self.assertEqual(score.work, (8, 9, 4 * 4 * 8 + 8 + 1))
        self.assertEqual(
            score.local_work, (16 * 9 * 8, 9 * 8 + 1, 16 * 8 + 16))


class PositionsTest(tf.test.TestCase):

    def test_each_half_pays_its_share(self):
        run = sact.Positions(first=100, second=1000, score=8)
        mask = tf.constant([[1, 1, 1, 0, 0, 0, 1, 0], [1] * 8], tf.float64)
        self.assertAllEqual(
            run.executed(mask), [75 + 1008 / 4, 100 + 1008])

    def test_the_plain_backbone_has_no_score(self):
        run = sact.Positions(first=100, second=1000, score=8)
        self.assertEqual(sum(run.plain), 1100)


class ForwardTest(tf.test.TestCase, parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net, cls.images = _build(), _images(3)
        for score in cls.net.gates:
            # Some positions halt, some do not.
            score.conv.kernel.assign(3 * score.conv.kernel)
            score.dense.bias.assign([-4.6])
        cls.outputs = cls.net(cls.images)

    @parameterized.parameters(1, 3)
    def test_outputs_have_the_stated_shapes(self, batch):
        outputs = self.net(self.images[:batch])
        self.assertEqual(outputs.logits.shape, (batch, 10))
        for decisions in (outputs.decisions, outputs.probabilities):
            self.assertEqual(decisions.layers.shape, (batch, 6))
            self.assertEqual(
                [mask.shape for mask in decisions.masks],
                [(batch, size) for size in (1, 512, 1, 128, 1, 32)])

    def test_some_positions_halt(self):
        for k in _GATED:
            _, second = _halves(self.net, self.outputs, k)
            self.assertBetween(tf.reduce_mean(second), 0.02, 0.98)

    def test_first_convolution_sees_neighbours_of_active_positions(self):
        for k in _GATED:
            first, second = _halves(self.net, self.outputs, k)
            self.assertAllEqual(first, _neighbours(second.numpy()))

    def test_features_are_the_sum_over_blocks_at_every_position(self):
        x = self.net.stem(self.images)
        for k in _GATED:
            first = self.net.blocks[k - 1](x)
            second = self.net.blocks[k](first)
            h = self.net.gates[k // 2](first)[..., tf.newaxis]
            active = h < 0.99
            self.assertAllEqual(
                active[..., 0], _halves(self.net, self.outputs, k)[1] > 0.5)
            x = tf.where(active, h * first + (1 - h) * second, first)
        self.assertAllClose(self.outputs.logits, self.net.head(x), atol=1e-4)

    def test_the_masks_say_all_that_a_block_reads(self):
        # Elsewhere its first convolution may leave anything.
        k = 1
        first, second = _halves(self.net, self.outputs, k)
        block, x = self.net.blocks[k], self.net.blocks[0](
            self.net.stem(self.images))
        inner = tf.where(first[..., None] > 0.5, block.conv1(x), 1e6)
        found = tf.nn.relu(x + block.conv2(inner))
        active = second[..., None] > 0.5
        self.assertAllClose(tf.where(active, found, 0.0),
                            tf.where(active, block(x), 0.0), atol=1e-4)

    def test_decisions_given_again_run_the_same_positions(self):
        again = self.net(self.images, decisions=self.outputs.decisions)
        self.assertAllEqual(again.spent, self.outputs.spent)
        x = self.net.stem(self.images)
        for k in _GATED:
            x = self.net.blocks[k - 1](x)
            _, second = _halves(self.net, self.outputs, k)
            x = tf.where(
                second[..., None] > 0.5, self.net.blocks[k](x), x)
        self.assertAllClose(again.logits, self.net.head(x), atol=1e-4)

    def test_all_open_is_the_plain_backbone(self):
        outputs = self.net(self.images, decisions=self.net.all_open(3))
        self.assertAllClose(
            outputs.logits, self.net.base(self.images), atol=1e-6)


class CostTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = _build()
        # Stem, first blocks of the stages with their projections.
        cls.always = (256 * 9 * 3 * 16 + 2 * _CONVOLUTION
                      + 64 * (9 * 16 * 32 + 9 * 32 * 32 + 16 * 32)
                      + 16 * (9 * 32 * 64 + 9 * 64 * 64 + 32 * 64))
        # Pooled and local scores behind the first blocks.
        cls.scores = (16 + 256 * 9 * 16) + (32 + 64 * 9 * 32) + (
            64 + 16 * 9 * 64)

    def test_macs_by_hand(self):
        table = self.net.costs
        base = self.always + 6 * _CONVOLUTION + 640
        self.assertEqual(table.base, base)
        self.assertEqual(costs.least(table, self.net.all_closed(1)),
                         self.always + self.scores + 640)
        self.assertEqual(table.everything, base + self.scores)
        self.assertEqual(self.net.work.base.macs, base)
        self.assertEqual(costs.without_gates(table).everything, base)

    def test_positions_by_hand(self):
        masks = list(self.net.all_open(1).masks)
        # 9 of 256 positions in the first convolution, 1 in the second.
        first, second = np.zeros([2, 16, 16])
        first[4:7, 4:7] = second[5, 5] = 1
        masks[1] = tf.constant(
            [[*first.ravel(), *second.ravel()]], tf.float32)
        spent = costs.spent(self.net.costs, deciding.Decisions(
            tf.ones([1, 6]), tuple(masks)))
        self.assertAllClose(
            spent[0, 0], self.always + self.scores + 4 * _CONVOLUTION
            + _CONVOLUTION * (9 + 1) / 256)

    def test_local_scores_are_paid_at_active_positions(self):
        net = _build(depth=20)  # three blocks per stage
        share = tf.constant([[1.0] * 256 + [1.0] * 64 + [0.0] * 192])
        masks = list(net.all_open(1).masks)
        layers = tf.ones([1, 9])
        full = costs.spent(net.costs, deciding.Decisions(layers, masks))
        masks[1] = share
        part = costs.spent(net.costs, deciding.Decisions(layers, masks))
        self.assertAllClose(
            (full - part)[0, 0], 0.75 * (_CONVOLUTION + 256 * 9 * 16))

    def test_halted_images_pay_first_blocks_and_their_scores(self):
        net = _build()
        _go_on(net, -5.0)
        outputs = net(_images(2))
        self.assertAllEqual(outputs.spent[:, 0], [
            self.always + self.scores] * 2)
        self.assertAllEqual(
            outputs.decisions.layers, [[1, 0, 1, 0, 1, 0]] * 2)

    def test_energy_of_everything_open_is_that_of_the_parts(self):
        table = self.net.work.priced(energy.model("horowitz", "int8").energy)
        plain = strategies.make(dataclasses.replace(
            _CONFIG, strategy="gates", layer_gates=False)).work.priced(
                energy.model("horowitz", "int8").energy)
        self.assertAllClose(table.base, plain.base)
        spent = costs.spent(table, self.net.all_open(1))
        self.assertAllClose(
            spent[0, 0] + table.head, table.everything)

    def test_gradient_is_that_of_the_mean_ponder_cost(self):
        # Per position 1 less its score, times what a block costs there.
        net = _build()
        _go_on(net, 0.0)
        with tf.GradientTape() as tape:
            spent = net(_images(1)).spent
        gradient = tape.gradient(
            spent, [score.dense.bias for score in net.gates])
        # d(-h)/d bias at 0 is 1/4.
        self.assertAllClose(
            tf.concat(gradient, axis=0), [2 * _CONVOLUTION / 4] * 3, rtol=1e-4)


class TrainingTest(training_case.TrainingCase):

    def test_two_steps_teach_weights_and_scores(self):
        self.assert_steps_teach(_build())


class TracesTest(tf.test.TestCase):

    def test_traces_keep_positions_and_their_cost(self):
        net = _build()
        generator = np.random.default_rng(0)
        split = data.Split(
            generator.integers(0, 256, [3, 16, 16, 3]).astype(np.uint8),
            np.array([0, 1, 2], np.int32))
        for score in net.gates:
            score.dense.bias.assign([-4.6])
        found = traces.Tracer(net, _SCALING).collect(split)
        kept = trace_files.from_arrays(trace_files.to_arrays(found))
        cost = kept.cost(net.costs, "MACs")
        self.assertAllEqual(np.rint(cost.spent), found.spent)
        self.assertLess(found.spent.mean(), net.costs.everything)
        self.assertAllClose(
            kept.executed[:, 1], kept.layers[:, 1] * kept.masks[1].mean(1))


class ErrorsTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        {"exits": True}, {"channel_gates": True}, {"layer_gates": False},
        {"backbone": "imagenet_resnet", "depth": 50, "width": 0.25,
         "image_shape": (32, 32, 3)})
    def test_other_networks_are_refused(self, **settings):
        with self.assertRaisesRegex(
                errors.ConfigError, "`model_strategy` sact decides about the "
                "blocks of a resnet and about nothing else"):
            _build(**settings)


if __name__ == "__main__":
    tf.test.main()
