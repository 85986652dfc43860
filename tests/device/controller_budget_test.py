"""device.controller: exits, budgets and forced blocks, by hand on toy plans."""

import math

import numpy as np
from absl.testing import absltest

from device import errors
from device import plan
import fakes

IMAGE = np.arange(12, dtype=np.uint8).reshape(fakes.IMAGE)

GATED = fakes.GATED
PLAIN = fakes.Block(layer_gate=1)
FIXED = fakes.Block(variants=((9, (0,), False), (8, (0,), True)),
                    skippable=False)


class ExitTest(absltest.TestCase):

    def test_a_sure_exit_ends_the_walk(self):
        device, runtime = fakes.open_(
            [GATED, PLAIN], {"block0_exit": [[0, 0, 9]]}, stem=100, head=3)
        answer = device.classify(IMAGE, thresholds=[0.1])
        self.assertEqual((answer.exit, answer.label), ("block0_exit", 2))
        self.assertEqual(answer.path, ((0, 1),))
        self.assertEqual(answer.macs, 100 + 1 + 2 + 20 + 7)
        self.assertEqual(runtime.executed[-1], "block0_exit")

    def test_an_unsure_exit_is_paid_and_passed(self):
        device, _ = fakes.open_(
            [GATED], {"head": [[1, 0, 0]]}, stem=100, head=3)
        answer = device.classify(IMAGE, thresholds=[0.1])
        self.assertEqual((answer.exit, answer.label), ("head", 0))
        self.assertEqual(answer.macs, 100 + 1 + 2 + 20 + 7 + 3)

    def test_an_exit_is_sure_at_its_threshold(self):
        device, _ = fakes.open_([GATED], {"block0_exit": [[3, 0, 0]]})
        entropy = device.classify(IMAGE, thresholds=[2]).entropy
        self.assertEqual(device.classify(
            IMAGE, thresholds=[entropy]).exit, "block0_exit")
        self.assertEqual(device.classify(
            IMAGE, thresholds=[math.nextafter(entropy, 0)]).exit, "head")

    def test_an_exit_that_is_off_does_not_run(self):
        device, runtime = fakes.open_([GATED, GATED])
        answer = device.classify(IMAGE, thresholds=[None, 2])
        self.assertNotIn("block0_exit", runtime.executed)
        self.assertEqual(answer.exit, "block1_exit")

    def test_each_exit_has_its_own_threshold(self):
        device, _ = fakes.open_([GATED, PLAIN, GATED],
                          {"block0_exit": [[3, 0, 0]]})  # entropy 0.37
        self.assertEqual(
            device.classify(IMAGE, thresholds=[0.3, 2]).exit, "block2_exit")
        self.assertEqual(
            device.classify(IMAGE, thresholds=[0.4, 0]).exit, "block0_exit")

    def test_thresholds_may_be_an_array(self):
        device, _ = fakes.open_([GATED, GATED])
        answer = device.classify(IMAGE, thresholds=np.array([0.1, 2.0]))
        self.assertEqual(answer.exit, "block1_exit")


class BudgetTest(absltest.TestCase):

    def test_a_block_that_is_not_affordable_is_skipped_unasked(self):
        device, runtime = fakes.open_([GATED], stem=100, head=50)
        # Gates 3, variant 10 and exit 7 would need 120.
        answer = device.classify(IMAGE, max_macs=119)
        self.assertEqual(runtime.executed,
                         ["stem", "block0_skip", "block0_exit"])
        self.assertEqual((answer.path, answer.macs),
                         ((plan.SKIPPED,), 112))

    def test_wanted_groups_that_are_not_affordable_are_skipped(self):
        device, runtime = fakes.open_([GATED], stem=100, head=50)
        # One group is affordable, so the gates are asked; they want both.
        answer = device.classify(IMAGE, max_macs=120)
        self.assertIn("block0_channel_gate", runtime.executed)
        self.assertEqual(answer.path, (plan.SKIPPED,))
        self.assertEqual(answer.macs, 100 + 1 + 2 + 5 + 7)

    def test_a_budget_ends_at_an_exit_that_is_off(self):
        device, runtime = fakes.open_([GATED, FIXED], stem=100, head=3)
        # Behind the exit a fixed block (8) and the head (3) would follow.
        answer = device.classify(IMAGE, max_macs=115)
        self.assertEqual(runtime.executed,
                         ["stem", "block0_skip", "block0_exit"])
        self.assertEqual((answer.exit, answer.macs), ("block0_exit", 112))
        self.assertEqual(answer.path, (plan.SKIPPED,))

    def test_a_budget_ends_at_an_unsure_exit(self):
        device, _ = fakes.open_([GATED, FIXED], stem=100, head=3)
        # Stem, gates (3), shortcut (5), exit (7); the way on would be 11.
        answer = device.classify(IMAGE, thresholds=[0.1], max_macs=125)
        self.assertEqual((answer.exit, answer.macs), ("block0_exit", 115))
        answer = device.classify(IMAGE, thresholds=[0.1], max_macs=126)
        self.assertEqual((answer.exit, answer.macs), ("head", 126))

    def test_a_dear_exit_that_is_off_is_not_saved_for(self):
        dear = fakes.Block(variants=((10, (0,), False),), exit=700)
        device, runtime = fakes.open_([dear], stem=100, head=3)
        answer = device.classify(IMAGE, max_macs=113)
        self.assertEqual(runtime.executed, ["stem", "block0_way0", "head"])
        self.assertEqual(answer.macs, 113)

    def test_a_budget_for_no_answer_is_refused_before_anything_runs(self):
        device, runtime = fakes.open_([GATED], stem=100, head=3)
        with self.assertRaisesRegex(
                errors.BudgetError, "of 50 MACs .*smallest"):
            device.classify(IMAGE, max_macs=50)
        self.assertEmpty(runtime.executed)


class ForcedTest(absltest.TestCase):

    def test_gates_are_not_asked(self):
        device, runtime = fakes.open_([GATED, PLAIN], stem=100, head=3)
        answer = device.classify(IMAGE, forced=[(1,), plan.SKIPPED])
        self.assertEqual(runtime.executed, ["stem", "block0_way1", "head"])
        self.assertEqual(answer.path, ((1,), plan.SKIPPED))
        self.assertEqual(answer.macs, 114)

    def test_a_fixed_block_runs_all_the_same(self):
        device, _ = fakes.open_([FIXED])
        self.assertEqual(
            device.classify(IMAGE, forced=[plan.SKIPPED]).path, ((0,),))

    def test_forced_blocks_keep_to_the_budget(self):
        device, _ = fakes.open_([GATED], stem=100, head=50)
        # The block (20) and the exit (7) need 127.
        self.assertEqual(
            device.classify(IMAGE, forced=[(0, 1)], max_macs=126).path,
            (plan.SKIPPED,))
        self.assertEqual(
            device.classify(IMAGE, forced=[(0, 1)], max_macs=127).path,
            ((0, 1),))

    def test_one_entry_per_block_is_needed(self):
        device, _ = fakes.open_([GATED])
        with self.assertRaisesRegex(
                ValueError, "`forced` needs 1 entries.*Received: 2"):
            device.classify(IMAGE, forced=[(0,), (0,)])

    def test_groups_that_no_variant_runs_are_refused(self):
        device, _ = fakes.open_([GATED])
        for groups in ((5,), (1, 0), [0]):
            with self.assertRaisesRegex(ValueError, "forced"):
                device.classify(IMAGE, forced=[groups])


if __name__ == "__main__":
    absltest.main()
