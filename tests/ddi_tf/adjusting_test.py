"""Tests of how far gates are moved to the target between two steps."""

import dataclasses
import types
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import adjusting
from ddi_tf import finish
from ddi_tf import network as network_lib
from ddi_tf import settled_gates

_CONFIG = network_lib.NetworkConfig(
    depth=8, image_shape=(16, 16, 3), channel_gate="recurrent")
_BLOCKS = ("stage1_block1", "stage2_block1", "stage3_block1")
_SOME = ((settled_gates.LAYER, _BLOCKS[0], (1,)),)
_ALL = tuple((kind, name, says) for name in _BLOCKS for kind, says in (
    (settled_gates.LAYER, (1,)), (settled_gates.CHANNELS, (1, 0))))


class _Looks:
    """A monitor of a cost that grows by 1% of the base's with every 0.1."""

    def __init__(self, network):
        self._bias = network.gates[0].biases[0]
        self._first = float(tf.reduce_max(self._bias))
        self.cost, self.sampled_cost = (
            mock.Mock(side_effect=self._look) for _ in range(2))

    @property
    def shift(self):
        return float(tf.reduce_max(self._bias)) - self._first

    def _look(self):
        return 0.5 + self.shift / 10


class HoldTargetTest(tf.test.TestCase, parameterized.TestCase):

    def _held(self, settled, target, at_end):
        """(`finish.Held`, the `_Looks`) of a network with `settled` gates."""
        network = network_lib.Network(
            dataclasses.replace(_CONFIG, settled=settled))
        looks = _Looks(network)
        adjuster = adjusting.Adjuster(
            network, network, looks, None, None, types.SimpleNamespace(
                target_cost=target), None, None)
        return adjuster.hold_target(at_end), looks

    @parameterized.parameters(
        ((), True, 2.0), ((), False, finish.SMALL_SHIFT),
        (_SOME, True, 2.0), (_SOME, False, finish.SMALL_SHIFT))
    def test_gates_move_far_at_the_end_alone(self, settled, at_end, expected):
        held, looks = self._held(settled, 0.7, at_end)
        self.assertAllClose(held.shift, expected, atol=0.02)
        self.assertAllClose(looks.shift, held.shift)

    def test_on_the_way_a_sample_is_looked_at(self):
        _, looks = self._held((), 0.52, at_end=False)
        looks.sampled_cost.assert_called()
        looks.cost.assert_not_called()

    def test_at_the_end_all_are(self):
        _, looks = self._held((), 0.52, at_end=True)
        looks.cost.assert_called()
        looks.sampled_cost.assert_not_called()

    @parameterized.parameters(True, False)
    def test_where_all_are_settled_nothing_is_sought(self, at_end):
        held, looks = self._held(_ALL, 0.7, at_end)
        self.assertEqual(held, (0.0, 0.5, 0.5))
        self.assertEqual(looks.cost.call_count, at_end)
        self.assertEqual(looks.sampled_cost.call_count, not at_end)


if __name__ == "__main__":
    tf.test.main()
