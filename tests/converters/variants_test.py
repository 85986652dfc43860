"""Tests of which channel widths get a graph."""

import dataclasses
import math

import hypothesis
import numpy as np
import tensorflow as tf
import tf_keras
from hypothesis import strategies

from converters import variants
from ddi_tf import network as network_lib
from ddi_tf import subgraphs
from ddi_tf import traces

Way = subgraphs.Way
ALL = (0, 1, 2, 3)


def _block(wanted, times=(0, 1, 2, 3, 4), sizes=(0, 10, 20, 30, 40)):
    return variants.Block(4, wanted, np.array(times, float), np.array(sizes))


def _choose(block, most=3, max_bytes=math.inf):
    return variants.choose({"b": block}, most, max_bytes)["b"]


class ChooseTest(tf.test.TestCase):

    def test_the_set_that_saves_most_is_kept(self):
        # 10 images save 3 ms each, 12 save 1 ms each.
        block = _block({(1,): 10, (0, 2, 3): 12})
        self.assertEqual(_choose(block, most=2),
                         (Way((1,), False), Way(ALL, True)))
        self.assertEqual(_choose(block), (
            Way((1,), False), Way((0, 2, 3), False), Way(ALL, True)))

    def test_a_union_serves_both_with_a_mask(self):
        block = _block({(0,): 10, (1,): 10, ALL: 1})
        # Either alone saves 10 * 3; both in one 20 * 2.
        self.assertEqual(_choose(block, most=2),
                         (Way((0, 1), True), Way(ALL, True)))
        # A third graph, for one of them, leaves the union to the other.
        self.assertLen(_choose(block), 3)

    def test_what_is_not_faster_is_not_kept(self):
        self.assertEqual(_choose(_block({(0,): 99}, times=(0, 4, 4, 4, 4))),
                         (Way(ALL, True),))
        self.assertEqual(_choose(_block({(0,): 99}, times=(0, 9, 9, 9, 4))),
                         (Way(ALL, True),))

    def test_what_no_image_wants_is_not_kept(self):
        self.assertEqual(_choose(_block({})), (Way(ALL, True),))
        self.assertEqual(_choose(_block({ALL: 5})), (Way(ALL, True),))

    def test_bytes_are_kept_to(self):
        block = _block({(1,): 10, (0, 2, 3): 99})
        self.assertEqual(_choose(block, max_bytes=69),
                         (Way((1,), False), Way(ALL, True)))
        self.assertEqual(_choose(block, max_bytes=49), (Way(ALL, True),))

    def test_bytes_go_to_the_block_that_saves_more(self):
        few, many = _block({(0,): 1}), _block({(0,): 2})
        chosen = variants.choose({"few": few, "many": many}, 3, 99)
        self.assertEqual([len(chosen[name]) for name in ("few", "many")],
                         [1, 2])

    def test_no_mask_where_every_set_has_its_graph(self):
        block = variants.Block(2, {(0,): 5, (1,): 5, (0, 1): 5},
                               np.array([0, 1, 2.0]), np.array([0, 1, 2]))
        self.assertEqual(_choose(block), (
            Way((0,), False), Way((1,), False), Way((0, 1), False)))

    @hypothesis.settings(deadline=None, max_examples=60)
    @hypothesis.given(strategies.dictionaries(
        strategies.sets(strategies.integers(0, 3), min_size=1).map(
            lambda some: tuple(sorted(some))),
        strategies.integers(1, 50)), strategies.integers(1, 5))
    def test_always_runnable_and_never_slower(self, wanted, most):
        block = _block(wanted)
        ways = _choose(block, most)
        self.assertLessEqual(len(ways), most)
        self.assertIn(ALL, [way.groups for way in ways])
        sets = [way.groups for way in ways]
        self.assertLessEqual(variants.expected(block, sets),
                             variants.expected(block, [ALL]))
        for some in wanted:  # the controller finds one
            self.assertTrue(any(
                set(some) <= set(way.groups) if way.masked
                else some == way.groups for way in ways), some)


class SpreadTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tf_keras.utils.set_random_seed(0)
        cls.net = network_lib.Network(network_lib.NetworkConfig(
            depth=8, image_shape=(16, 16, 3), groups=4))

    def test_every_set_if_they_fit(self):
        ways = variants.spread(15)(self.net.blocks[0], 4)
        self.assertLen(ways, 15)
        self.assertFalse(any(way.masked for way in ways))

    def test_else_widths_evenly_spaced(self):
        self.assertEqual(variants.spread(2)(self.net.blocks[0], 4), (
            Way((0, 1), True), Way(ALL, True)))
        self.assertLen(variants.spread(14)(self.net.blocks[0], 4), 4)

    def test_a_block_without_choice_has_one_way(self):
        self.assertEqual(variants.spread(9)(self.net.blocks[0], 1),
                         (Way((0,), False),))

    def test_a_settled_block_has_its_one_set_or_none(self):
        net = network_lib.Network(dataclasses.replace(
            self.net.config, settled=(
                ("channel_gate", "stage1_block1", (0, 1, 1, 0)),
                ("layer_gate", "stage2_block1", (0,)))))
        ways = variants.settled(net, variants.spread(2))
        self.assertEqual([ways(block, 4) for block in net.blocks], [
            (Way((1, 2), False),), (), (Way((0, 1), True), Way(ALL, True))])
        with self.subTest("and a profile of those is understood"):
            names = [graph.name for graph in subgraphs.cut(net, ways).graphs]
            found = subgraphs.ways_in(net, names)
            for block in net.blocks[:2]:
                self.assertEqual(found(block, 4), ways(block, 4))

    def test_what_is_known_comes_from_traces_and_profile(self):
        name = self.net.blocks[0].name
        medians = {graph.name: 1.0 for graph in subgraphs.cut(
            self.net, variants.spread(2)).graphs}
        medians |= {name: 4.0, f"{name}_groups_0_1": 3.0}
        masks = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 1, 0],
                          [0, 0, 0, 0], [1, 1, 1, 1]], np.float32)
        layers = np.ones([5, 3], np.float32)
        layers[4, 0] = 0  # its channels were not asked for
        traced = traces.Traces(*[None] * 5, layers, (masks,) * 3)
        block = variants.known(self.net, traced, medians, 1)[name]
        self.assertEqual(block.wanted, {(0,): 2, (1, 2): 1})
        self.assertAllClose(block.times, [3, 3, 3, 3.5, 4])
        self.assertAllEqual(block.sizes[[2, 4]], [
            (2 * 9 * 256 + 32) // 2, 2 * 9 * 256 + 32])


if __name__ == "__main__":
    tf.test.main()
