"""The controller on a trained network's bundle, against what Keras computed.

tests/make_testdata.py made both.
"""

import pathlib

import numpy as np
from absl.testing import absltest

from device import bundle
from device import controller
from device import plan

_TESTDATA = pathlib.Path(__file__).parents[1] / "testdata"


class ParityTest(absltest.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bundle = bundle.load(_TESTDATA / "digits_resnet8")
        with np.load(_TESTDATA / "digits.npz") as arrays:
            cls.keras = dict(arrays)
        cls.device = controller.Controller(cls.bundle)
        cls.answers = [cls.device.classify(image)
                       for image in cls.keras["images"]]

    def macs(self, *names):
        return sum(self.bundle.graphs[name].macs for name in names)

    def all_skipped(self):
        """MACs of the stem and the shortcuts."""
        plan = self.bundle.manifest.plan
        return self.macs(plan.stem, *(
            step.skip for step in plan.steps if step.skip))

    def classify(self, **options):
        return self.device.classify(self.keras["images"][0], **options)

    def test_logits_are_those_of_keras(self):
        np.testing.assert_allclose(
            [answer.logits for answer in self.answers], self.keras["logits"],
            rtol=0, atol=1e-4)

    def test_labels_are_those_of_keras(self):
        np.testing.assert_array_equal(
            [answer.label for answer in self.answers],
            self.keras["predictions"])

    def test_the_blocks_and_groups_that_run_are_those_of_keras(self):
        open_ = self.keras["layers"][..., np.newaxis] * self.keras["masks"]
        for answer, blocks in zip(self.answers, open_, strict=True):
            self.assertEqual(answer.path, tuple(
                tuple(np.flatnonzero(groups).tolist()) for groups in blocks))

    def test_macs_are_those_of_keras(self):
        np.testing.assert_array_equal(
            [answer.macs for answer in self.answers], self.keras["macs"])

    def test_images_take_different_ways(self):
        # Otherwise the tests above would say little.
        self.assertGreater(len({answer.path for answer in self.answers}), 1)

    def test_the_state_of_one_image_does_not_reach_the_next(self):
        for image, before in zip(self.keras["images"][::-1],
                                 self.answers[::-1]):
            again = self.device.classify(image)
            self.assertEqual(again.path, before.path)
            np.testing.assert_array_equal(again.logits, before.logits)

    def test_all_blocks_forced_off_leave_stem_shortcuts_and_head(self):
        steps = self.bundle.manifest.plan.steps
        answer = self.classify(forced=[plan.SKIPPED] * len(steps))
        self.assertEqual(answer.macs, self.all_skipped() + self.macs("head"))

    def test_thresholds_decide_where_an_image_leaves(self):
        exits = self.bundle.exits
        for index, name in enumerate(exits):
            thresholds = [None] * len(exits)
            thresholds[index] = 10.0  # above any entropy
            answer = self.classify(thresholds=thresholds)
            self.assertEqual(answer.exit, name)
            self.assertLess(answer.entropy, np.log(10) + 1e-5)

    def test_every_budget_is_kept(self):
        cheapest = self.device.costs.cheapest
        for budget in np.linspace(cheapest, self.answers[0].macs, 25):
            answer = self.classify(max_macs=int(budget))
            self.assertBetween(answer.macs, cheapest, int(budget))

    def test_a_budget_of_what_was_spent_and_was_saved_for_exits_is_enough(self):
        unlimited = self.answers[0]
        ample = self.classify(
            max_macs=unlimited.macs + self.macs(*self.bundle.exits))
        self.assertEqual(ample.path, unlimited.path)
        self.assertEqual(ample.macs, unlimited.macs)


if __name__ == "__main__":
    absltest.main()
