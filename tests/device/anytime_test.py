"""device.anytime: an answer so far, by hand and from another thread."""

import threading

import numpy as np
from absl.testing import absltest

from device import anytime
import fakes

IMAGE = np.zeros(fakes.IMAGE, np.uint8)


class OngoingTest(absltest.TestCase):

    def setUp(self):
        super().setUp()
        self.device, self.runtime = fakes.open_(
            [fakes.GATED] * 3, {"block0_exit": [[0, 9, 0]]}, stem=100, head=3)
        self.ongoing = anytime.Ongoing()

    def classify(self, **options):
        return self.device.classify(IMAGE, ongoing=self.ongoing, **options)

    def test_exits_that_are_off_are_evaluated_and_passed(self):
        answer = self.classify()
        self.assertEqual(answer.exit, "head")
        self.assertEqual(self.ongoing.answer.exit, "block2_exit")
        self.assertEqual(answer.macs, 100 + 3 * (3 + 20 + 7) + 3)

    def test_thresholds_decide_as_ever(self):
        answer = self.classify(thresholds=[0.1, None, None])
        self.assertEqual((answer.exit, answer.label), ("block0_exit", 1))
        self.assertIs(answer, self.ongoing.answer)

    def test_an_answer_so_far_is_returned_with_all_that_was_spent(self):
        self.runtime.on_run = lambda: (
            self.runtime.executed[-1] == "block1_way2" and self.ongoing.stop())
        answer = self.classify()
        # The second exit is not evaluated: there is an answer already.
        self.assertEqual(self.runtime.executed[-1], "block1_way2")
        self.assertEqual((answer.exit, answer.label), ("block0_exit", 1))
        self.assertEqual(answer.macs, 100 + 30 + 23)
        self.assertEqual(answer.path, ((0, 1), (0, 1)))

    def test_without_one_the_cheapest_way_is_taken(self):
        self.ongoing.stop()
        answer = self.classify()
        self.assertEqual(self.runtime.executed,
                         ["stem", "block0_skip", "block0_exit"])
        self.assertEqual(answer.exit, "block0_exit")

    def test_another_thread_sees_the_answer_and_may_stop(self):
        in_block2, seen = threading.Event(), threading.Event()

        def wait():
            if self.runtime.executed[-1] == "block2_layer_gate":
                in_block2.set()
                self.assertTrue(seen.wait(10))

        self.runtime.on_run = wait
        found = []

        def look():
            in_block2.wait(10)
            found.append(self.ongoing.answer)
            self.ongoing.stop()
            seen.set()

        thread = threading.Thread(target=look)
        thread.start()
        answer = self.classify()
        thread.join()
        self.assertEqual(found[0].exit, "block1_exit")
        self.assertEqual(answer.exit, "block1_exit")


if __name__ == "__main__":
    absltest.main()
