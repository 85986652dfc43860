"""device.controller: blocks that append, and blocks that cannot be skipped.

By hand on toy plans; blocks of the other kinds: controller_test.py.
"""

import numpy as np
from absl.testing import absltest
from absl.testing import parameterized

from device import anytime
from device import plan
import fakes

IMAGE = np.zeros(fakes.IMAGE, np.uint8)

# A dense layer, and one that has no gate.
DENSE = fakes.Block(layer_gate=1, appended=2)
DENSE_PLAIN = fakes.Block(appended=3)

# Its first group runs in any case.
FIXED = fakes.Block(
    variants=((10, (0,), False), (15, (0, 1), False)), groups=2,
    channel_gate=2, skippable=False)
MASKED = fakes.Block(
    variants=((30, (0, 1, 2), True), (12, (0, 1), True)), groups=3,
    channel_gate=2, skippable=False)


class AppendedTest(absltest.TestCase):

    def features(self, runtime, name):
        """The channels that a graph got at one of the pixels, all alike."""
        *_, inputs = [inputs for other, inputs in runtime.calls
                      if other == name]
        self.assertEqual(np.ptp(inputs[0], axis=(0, 1, 2)).max(), 0)
        return inputs[0][0, 0, 0].tolist()

    def test_features_grow_from_block_to_block(self):
        device, runtime = fakes.open_([DENSE, DENSE_PLAIN])
        device.classify(IMAGE)
        # Graphs are filled with their numbers: stem 0, gate 1, blocks 2 and 3.
        self.assertEqual(self.features(runtime, "block0_way0"), [0] * 4)
        self.assertEqual(self.features(runtime, "block1_way0"),
                         [0] * 4 + [2] * 2)
        self.assertEqual(self.features(runtime, "head"),
                         [0] * 4 + [2] * 2 + [3] * 3)

    def test_a_skipped_block_leaves_zeros_where_the_image_before_ran_it(self):
        device, runtime = fakes.open_([DENSE_PLAIN, DENSE, DENSE_PLAIN])
        device.classify(IMAGE)
        self.assertEqual(self.features(runtime, "head"),
                         [0] * 4 + [1] * 3 + [3] * 2 + [4] * 3)
        runtime.script["block1_layer_gate"] = [[0]]
        answer = device.classify(IMAGE)
        self.assertEqual(answer.path, ((0,), plan.SKIPPED, (0,)))
        self.assertEqual(self.features(runtime, "head"),
                         [0] * 4 + [1] * 3 + [0] * 2 + [4] * 3)

    def test_a_block_between_begins_a_new_run(self):
        device, runtime = fakes.open_([DENSE_PLAIN, fakes.Block(), DENSE])
        device.classify(IMAGE)
        self.assertEqual(self.features(runtime, "block1_way0"),
                         [0] * 4 + [1] * 3)
        self.assertEqual(self.features(runtime, "head"), [2] * 7 + [4] * 2)

    def test_an_exit_reads_what_was_appended(self):
        device, runtime = fakes.open_([fakes.Block(appended=1, exit=7)])
        device.classify(IMAGE, thresholds=[0.1])
        # The exit is number 1, the block 2.
        self.assertEqual(self.features(runtime, "block0_exit"), [0] * 4 + [2])


class FixedTest(parameterized.TestCase):

    @parameterized.parameters(
        ([1.0, 0.9], (0, 1), "block0_way1"), ([1.0, 0.1], (0,), "block0_way0"),
        # No gate that was exported says so; the first group runs all the same.
        ([0.0, 0.9], (0, 1), "block0_way1"), ([0.0, 0.1], (0,), "block0_way0"))
    def test_the_gate_decides_about_all_groups_but_the_first(
            self, chances, groups, way):
        device, runtime = fakes.open_(
            [FIXED], {"block0_channel_gate": [chances]}, stem=100, head=3)
        answer = device.classify(IMAGE)
        self.assertEqual(answer.path, (groups,))
        self.assertEqual(runtime.executed,
                         ["stem", "block0_channel_gate", way, "head"])

    @parameterized.parameters(
        ([0.0, 0.0, 0.9], (0, 2), "block0_way0", [[1, 0, 1]]),
        ([0.0, 0.0, 0.0], (0,), "block0_way1", [[1, 0]]))
    def test_a_mask_opens_the_first_group_too(self, chances, groups, way, mask):
        device, runtime = fakes.open_(
            [MASKED], {"block0_channel_gate": [chances]})
        self.assertEqual(device.classify(IMAGE).path, (groups,))
        (_, found), = [inputs for name, inputs in runtime.calls if name == way]
        np.testing.assert_array_equal(found, mask)

    # Stem, gate, first group and head: 115; with both groups 120.
    @parameterized.parameters(
        (113, (0,), False), (114, (0,), False), (115, (0,), True),
        (119, (0,), True), (120, (0, 1), True))
    def test_a_budget_leaves_the_first_group(self, max_macs, groups, asked):
        device, runtime = fakes.open_([FIXED], stem=100, head=3)
        answer = device.classify(IMAGE, max_macs=max_macs)
        self.assertEqual(answer.path, (groups,))
        self.assertEqual("block0_channel_gate" in runtime.executed, asked)
        self.assertLessEqual(answer.macs, max_macs)

    def test_the_cheapest_variant_of_the_first_group_is_what_it_costs(self):
        device, _ = fakes.open_([MASKED], stem=100, head=3)
        self.assertEqual(device.costs.cheapest, 115)
        answer = device.classify(IMAGE, max_macs=115)
        self.assertEqual((answer.path, answer.macs), (((0,),), 115))

    @parameterized.parameters(
        (plan.SKIPPED, (0,)), ((1,), (0, 1)), ((0,), (0,)), ((0, 1), (0, 1)))
    def test_forced_groups_are_run_with_the_first(self, forced, groups):
        device, runtime = fakes.open_([FIXED])
        self.assertEqual(
            device.classify(IMAGE, forced=[forced]).path, (groups,))
        self.assertNotIn("block0_channel_gate", runtime.executed)

    def test_an_answer_that_is_wanted_now_takes_the_first_group(self):
        device, runtime = fakes.open_([FIXED])
        ongoing = anytime.Ongoing()
        ongoing.stop()
        answer = device.classify(IMAGE, ongoing=ongoing)
        self.assertEqual(runtime.executed, ["stem", "block0_way0", "head"])
        self.assertEqual(answer.path, ((0,),))


class RecurrentTest(absltest.TestCase):
    """Graphs fill their states with their numbers."""

    def states(self, blocks, script=None):
        """What each gate was given behind the features, by its name."""
        device, runtime = fakes.open_(blocks, script)
        for _ in range(2):  # every image begins at zero
            runtime.calls.clear()
            device.classify(IMAGE)
        self.numbers = [graph.name for graph in fakes.manifest(blocks).graphs]
        return {name: [other[0].tolist() for other in inputs[1:]]
                for name, inputs in runtime.calls if "gate" in name}

    def state(self, name):
        return [[float(self.numbers.index(name))] * 2]

    def test_each_role_has_a_state_of_its_own(self):
        both = fakes.Block(layer_gate=1, channel_gate=2,
                           recurrent=("layer_gate", "channel_gate"))
        found = self.states([both, both])
        self.assertEqual(found, {
            "block0_layer_gate": [[0, 0]], "block0_channel_gate": [[0, 0]],
            "block1_layer_gate": self.state("block0_layer_gate"),
            "block1_channel_gate": self.state("block0_channel_gate")})

    def test_a_closed_layer_gate_leaves_the_channel_gates_state(self):
        both = fakes.Block(layer_gate=1, channel_gate=2,
                           recurrent=("layer_gate", "channel_gate"))
        found = self.states([both] * 3, {"block1_layer_gate": [[0]]})
        self.assertNotIn("block1_channel_gate", found)
        self.assertEqual(found["block2_channel_gate"],
                         self.state("block0_channel_gate"))
        self.assertEqual(found["block2_layer_gate"],
                         self.state("block1_layer_gate"))

    def test_feed_forward_gates_get_features_alone(self):
        plain = fakes.Block(layer_gate=1, channel_gate=2, recurrent=())
        found = self.states([plain, plain], {"block0_layer_gate": [[0]]})
        self.assertEqual(found, {
            "block0_layer_gate": [], "block1_layer_gate": [],
            "block1_channel_gate": []})


if __name__ == "__main__":
    absltest.main()
