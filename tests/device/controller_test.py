"""device.controller: what runs for one image, by hand on toy plans.

Exits and budgets: controller_budget_test.py.
"""

import dataclasses
import math

import numpy as np
from absl.testing import absltest
from absl.testing import parameterized

from device import answers
from device import controller
from device import errors
from device import plan
import fakes

IMAGE = np.arange(12, dtype=np.uint8).reshape(fakes.IMAGE)

GATED = fakes.GATED
MASKED = fakes.Block(
    variants=((30, (0, 1, 2), True),), groups=3, channel_gate=2)
PLAIN = fakes.Block(layer_gate=1)
FIXED = fakes.Block(variants=((9, (0,), False), (8, (0,), True)),
                    skippable=False)


class PathTest(parameterized.TestCase):

    def test_a_plan_without_blocks_runs_stem_and_head(self):
        device, runtime = fakes.open_([], stem=100, head=3)
        answer = device.classify(IMAGE)
        self.assertEqual(runtime.executed, ["stem", "head"])
        self.assertEqual((answer.path, answer.macs, answer.exit),
                         ((), 103, "head"))

    def test_open_gates_run_the_whole_block(self):
        device, runtime = fakes.open_([GATED], stem=100, head=3)
        answer = device.classify(IMAGE)
        self.assertEqual(runtime.executed, [
            "stem", "block0_layer_gate", "block0_channel_gate", "block0_way2",
            "head"])
        self.assertEqual(answer.path, ((0, 1),))
        self.assertEqual(answer.macs, 100 + 1 + 2 + 20 + 3)

    def test_a_closed_layer_gate_runs_the_shortcut_alone(self):
        device, runtime = fakes.open_(
            [GATED], {"block0_layer_gate": [[0.2]]}, stem=100, head=3)
        answer = device.classify(IMAGE)
        self.assertEqual(runtime.executed, [
            "stem", "block0_layer_gate", "block0_skip", "head"])
        self.assertEqual(answer.path, (plan.SKIPPED,))
        self.assertEqual(answer.macs, 100 + 1 + 5 + 3)

    def test_some_open_groups_run_the_variant_for_them(self):
        device, runtime = fakes.open_(
            [GATED], {"block0_channel_gate": [[0.1, 0.9]]}, stem=100, head=3)
        answer = device.classify(IMAGE)
        self.assertIn("block0_way1", runtime.executed)
        self.assertEqual(answer.path, ((1,),))
        self.assertEqual(answer.macs, 100 + 1 + 2 + 11 + 3)

    def test_no_open_group_runs_the_shortcut_alone(self):
        device, runtime = fakes.open_(
            [GATED], {"block0_channel_gate": [[0.1, 0.1]]}, stem=100, head=3)
        answer = device.classify(IMAGE)
        self.assertIn("block0_skip", runtime.executed)
        self.assertEqual(answer.path, (plan.SKIPPED,))
        self.assertEqual(answer.macs, 100 + 1 + 2 + 5 + 3)

    def test_a_masked_variant_gets_the_open_groups(self):
        device, runtime = fakes.open_(
            [MASKED], {"block0_channel_gate": [[0.9, 0.1, 0.6]]})
        self.assertEqual(device.classify(IMAGE).path, ((0, 2),))
        (_, mask), = [inputs for name, inputs in runtime.calls
                      if name == "block0_way0"]
        np.testing.assert_array_equal(mask, [[1, 0, 1]])

    # The second is the largest float32 below one half.
    @parameterized.parameters((0.5, (0,)), (0.49999997, plan.SKIPPED))
    def test_gates_open_at_one_half(self, probability, groups):
        device, _ = fakes.open_([PLAIN], {"block0_layer_gate": [[probability]]})
        self.assertEqual(device.classify(IMAGE).path, (groups,))
        device, _ = fakes.open_([fakes.Block(channel_gate=1)],
                          {"block0_channel_gate": [[probability]]})
        self.assertEqual(device.classify(IMAGE).path, (groups,))

    def test_a_block_without_gates_always_runs(self):
        device, _ = fakes.open_([fakes.Block()])
        self.assertEqual(device.classify(IMAGE).path, ((0,),))

    def test_a_fixed_block_runs_its_cheapest_variant(self):
        device, runtime = fakes.open_([FIXED], stem=100, head=3)
        answer = device.classify(IMAGE)
        self.assertEqual(runtime.executed, ["stem", "block0_way1", "head"])
        self.assertEqual((answer.path, answer.macs), (((0,),), 111))

    def test_every_image_starts_anew(self):
        device, runtime = fakes.open_([GATED, PLAIN])
        first = device.classify(IMAGE)
        executed = runtime.executed
        second = device.classify(IMAGE)
        self.assertEqual((second.path, second.macs), (first.path, first.macs))
        self.assertEqual(runtime.executed, 2 * executed)


class FlowTest(absltest.TestCase):
    """Features and states carry the number of the graph that made them."""

    def features(self, runtime, name):
        """The number of the graph whose output `name` got."""
        inputs, = [inputs for other, inputs in runtime.calls if other == name]
        self.assertEqual(np.ptp(inputs[0]), 0)
        return [graph.name for graph in self.graphs][int(inputs[0].flat[0])]

    def classify(self, blocks, script=None, **options):
        device, runtime = fakes.open_(blocks, script)
        self.graphs = fakes.manifest(blocks).graphs
        device.classify(IMAGE, **options)
        return runtime

    def test_the_stem_gets_the_scaled_image(self):
        (_, inputs), *_ = self.classify([]).calls
        # mean 10, 20, 30 and deviation 2, 4, 5 per channel
        np.testing.assert_allclose(inputs[0], [[
            [[-5, -4.75, -5.6], [-3.5, -4, -5]],
            [[-2, -3.25, -4.4], [-0.5, -2.5, -3.8]]]], rtol=1e-6)

    def test_a_block_hands_its_output_on(self):
        runtime = self.classify([GATED, PLAIN])
        self.assertEqual(self.features(runtime, "block0_layer_gate"), "stem")
        self.assertEqual(self.features(runtime, "block0_channel_gate"), "stem")
        self.assertEqual(self.features(runtime, "block0_way2"), "stem")
        self.assertEqual(self.features(runtime, "block1_layer_gate"),
                         "block0_way2")
        self.assertEqual(self.features(runtime, "head"), "block1_way0")

    def test_a_shortcut_hands_its_output_on(self):
        runtime = self.classify([GATED], {"block0_layer_gate": [[0]]},
                                thresholds=[0.1])
        self.assertEqual(self.features(runtime, "block0_skip"), "stem")
        self.assertEqual(self.features(runtime, "block0_exit"), "block0_skip")
        self.assertEqual(self.features(runtime, "head"), "block0_skip")

    def test_a_skipped_block_hands_its_input_on(self):
        runtime = self.classify([PLAIN, PLAIN], {"block0_layer_gate": [[0]]})
        self.assertEqual(self.features(runtime, "block1_way0"), "stem")

    def test_states_go_from_gate_to_gate_and_start_at_zero(self):
        runtime = self.classify([PLAIN, fakes.Block(), PLAIN],
                                {"block0_layer_gate": [[0]]})
        states = [inputs[1] for name, inputs in runtime.calls
                  if name.endswith("layer_gate")]
        number = [graph.name for graph in self.graphs].index(
            "block0_layer_gate")
        np.testing.assert_array_equal(states, [[[0, 0]], [[number, number]]])

    def test_one_gate_of_two_blocks_gets_its_own_state_back(self):
        manifest = fakes.with_step(fakes.manifest([PLAIN, PLAIN]), 1,
                                   layer_gate="block0_layer_gate")
        runtime = fakes.FakeRuntime()
        controller.Controller(fakes.in_memory(manifest),
                              make_graph=runtime.make_graph).classify(IMAGE)
        states = [inputs[1][0].tolist() for name, inputs in runtime.calls
                  if name == "block0_layer_gate"]
        self.assertEqual(states, [[0, 0], [1, 1]])  # it is graph number 1


class AnswerTest(absltest.TestCase):

    def test_probabilities_and_entropy_by_hand(self):
        device, _ = fakes.open_([], {"head": [[0, math.log(2), 0]]})
        answer = device.classify(IMAGE)
        self.assertEqual(answer.label, 1)
        np.testing.assert_allclose(answer.probabilities, [0.25, 0.5, 0.25],
                                   rtol=1e-6)
        np.testing.assert_allclose(answer.logits, [0, 0.693147, 0], rtol=1e-5)
        # 2 * 0.25 * log 4 + 0.5 * log 2 = 1.5 log 2
        self.assertAlmostEqual(answer.entropy, 1.039721, places=5)

    def test_a_bundle_may_ask_for_min_entropy(self):
        manifest = dataclasses.replace(fakes.manifest(), entropy="min")
        answer = controller.Controller(
            fakes.in_memory(manifest), make_graph=fakes.FakeRuntime(
                {"head": [[0, math.log(2), 0]]}).make_graph).classify(IMAGE)
        self.assertAlmostEqual(answer.entropy, math.log(2), places=6)

    def test_sure_answers_stay_apart(self):
        for sure in (30, 31, 32):
            _, found = answers.softmax(
                np.array([0, sure, 0], np.float32), "min")
            self.assertAlmostEqual(found / (2 * math.exp(-sure)), 1, places=5)

    def test_large_logits_stay_finite(self):
        device, _ = fakes.open_([], {"head": [[1e4, -1e4, 0]]})
        answer = device.classify(IMAGE)
        np.testing.assert_array_equal(answer.probabilities, [1, 0, 0])
        self.assertEqual(answer.entropy, 0)

    def test_an_answer_outlives_the_next_image(self):
        device, runtime = fakes.open_([], {"head": [[1, 2, 3]]})
        answer = device.classify(IMAGE)
        runtime.script["head"] = [[9, 9, 9]]
        device.classify(IMAGE)
        np.testing.assert_array_equal(answer.logits, [1, 2, 3])

    def test_latency_is_positive(self):
        self.assertGreater(fakes.open_([])[0].classify(IMAGE).latency_ms, 0)


class BadInputTest(parameterized.TestCase):

    @parameterized.named_parameters(
        ("larger", np.zeros([3, 2, 3], np.uint8), r"\[3, 2, 3\] of uint8"),
        ("grey", np.zeros([2, 2], np.uint8), r"\[2, 2\] of uint8"),
        ("batch", np.zeros([1, 2, 2, 3], np.uint8), r"\[1, 2, 2, 3\] of uint8"),
        ("float", np.zeros([2, 2, 3], np.float32), r"\[2, 2, 3\] of float32"),
        ("list", IMAGE.tolist(), r"\[2, 2, 3\] of list"),
        ("none", None, r"\[\] of NoneType"))
    def test_another_image_is_refused(self, image, found):
        device, runtime = fakes.open_([])
        with self.assertRaisesRegex(
                errors.ImageError, r"expected an array of shape \[2, 2, 3\] "
                rf"and type uint8, found {found}\. Crop or scale"):
            device.classify(image)
        self.assertEmpty(runtime.executed)

    @parameterized.parameters(([],), ([1.0, None],))
    def test_thresholds_must_be_one_per_exit(self, thresholds):
        device, _ = fakes.open_([GATED])
        with self.assertRaisesRegex(
                errors.ThresholdError, r"expected 1 thresholds, one per exit "
                rf"\(block0_exit\), found {len(thresholds)}\."):
            device.classify(IMAGE, thresholds=thresholds)

    def test_a_graph_that_does_not_load_is_reported(self):
        def refuse(spec, content):
            raise errors.BundleError(f"{spec.file}: no")

        with self.assertRaisesRegex(errors.BundleError, "graphs/stem.tflite"):
            controller.Controller(fakes.in_memory(fakes.manifest()),
                                  make_graph=refuse)


class LifetimeTest(absltest.TestCase):

    def test_a_closed_controller_refuses_to_classify(self):
        device, _ = fakes.open_([])
        device.close()
        with self.assertRaisesRegex(ValueError, "closed"):
            device.classify(IMAGE)

    def test_closing_twice_is_allowed(self):
        device, _ = fakes.open_([])
        device.close()
        self.assertIsNone(device.close())

    def test_with_closes(self):
        device, _ = fakes.open_([])
        with device as entered:
            self.assertIs(entered, device)
            device.classify(IMAGE)
        with self.assertRaisesRegex(ValueError, "closed"):
            device.classify(IMAGE)


class NoNumbersTest(absltest.TestCase):

    def test_a_gate_s_answer_that_is_no_number_opens_nothing(self):
        for gate, answer in (("layer_gate", [[math.nan]]),
                             ("channel_gate", [[math.nan, math.nan]])):
            device, _ = fakes.open_([GATED], {f"block0_{gate}": answer})
            self.assertEqual(
                device.classify(np.zeros(fakes.IMAGE, np.uint8)).path, ((),),
                gate)

    def test_an_answer_that_is_no_number_is_not_given(self):
        device, _ = fakes.open_([], {"head": [[0, math.nan, 0]]})
        with self.assertRaisesRegex(
                errors.BundleError, "graph head gives logits that are no num"):
            device.classify(np.zeros(fakes.IMAGE, np.uint8))


if __name__ == "__main__":
    absltest.main()
