"""device.summary: what many answers amount to, by hand."""

import io
import json

import numpy as np
from absl.testing import absltest

from device import controller
from device import summary
import fakes

GATED = fakes.Block(groups=2, channel_gate=1, exit=1,
                    variants=((10, (0, 1), True),))
PLAIN = fakes.Block()


def answer(label=0, macs=100, latency_ms=1.0, path=((0, 1), (0,)),
           exit_="head"):
    """A `controller.Answer`."""
    return controller.Answer(
        label, np.array([1, 0, 0], np.float32), np.zeros(3, np.float32), exit_,
        0.0, path, macs, latency_ms)


class SummaryTest(absltest.TestCase):

    def setUp(self):
        super().setUp()
        # Its base network costs 1000 MACs.
        self.summary = summary.Summary(
            fakes.in_memory(fakes.manifest([GATED, PLAIN])))

    def values(self):
        return self.summary.values()

    def printed(self):
        """The table; its lines may be wrapped."""
        file = io.StringIO()
        self.summary.print(file)
        return " ".join(file.getvalue().split())

    def test_without_images_nothing_is_known(self):
        self.assertEqual(self.values(), {
            "images": 0, "failed": 0, "accuracy": None, "mean_macs": None,
            "largest_macs": None, "base_macs": 1000, "mean_macs_of_base": None,
            "skip_ratio": None, "exits": {}, "latency_ms_median": None,
            "latency_ms_p95": None})

    def test_numbers_by_hand(self):
        self.summary.add(answer(0, 100, 1.0), 0)
        self.summary.add(answer(1, 200, 2.0, path=((1,), ())), 2)
        self.summary.add(answer(2, 600, 9.0, ((),), "block0_exit"), 2)
        self.summary.add(answer(2, 700, 4.0, ((), (0,)), "block0_exit"), 2)
        self.summary.failed += 1
        values = self.values()
        self.assertEqual((values["images"], values["failed"]), (4, 1))
        self.assertEqual(values["accuracy"], 0.75)
        self.assertEqual((values["mean_macs"], values["largest_macs"]),
                         (400.0, 700))
        self.assertAlmostEqual(values["mean_macs_of_base"], 0.4)
        # Shares that ran: (1 + 1)/2, (1/2 + 0)/2, 0/1, (0 + 1)/2.
        self.assertAlmostEqual(values["skip_ratio"], 1 - 1.75 / 4)
        self.assertEqual(values["exits"], {"head": 2, "block0_exit": 2})
        # Of 1, 2, 4, 9: between 2 and 4; 0.85 of the way from 4 to 9.
        self.assertEqual(values["latency_ms_median"], 3.0)
        self.assertEqual(values["latency_ms_p95"], 8.25)

    def test_accuracy_counts_only_known_labels(self):
        self.summary.add(answer(0), None)
        self.assertIsNone(self.values()["accuracy"])
        self.summary.add(answer(0), 1)
        self.summary.add(answer(1), 1)
        self.assertEqual(self.values()["accuracy"], 0.5)

    def test_a_network_without_blocks_skips_nothing(self):
        self.summary = summary.Summary(fakes.in_memory(fakes.manifest()))
        self.summary.add(answer(path=()), None)
        self.assertEqual(self.values()["skip_ratio"], 0)

    def test_values_are_json(self):
        self.summary.add(answer(np.int64(1)), np.int64(1))
        self.assertEqual(json.loads(json.dumps(self.values())), self.values())

    def test_the_table_has_every_number_with_its_unit(self):
        self.summary.add(answer(0, 1_234_500, 1.5), 0)
        self.summary.add(answer(1, 500, 2.5, ((),), "block0_exit"), 0)
        self.summary.failed = 3
        text = self.printed()
        self.assertIn("2 images classified, 3 failed", text)
        for line in (
                r"accuracy\W+50\.00%", r"mean MACs\W+617,500",
                r"of the base network\W+61750\.0%", r"largest MACs\W+1,234,500",
                r"skip ratio.*\W50\.0%", r"latency, median\W+2\.0 ms",
                r"95th percentile\W+2\.45 ms", r"answered by head\W+1\b",
                r"answered by block0_exit\W+1\b"):
            self.assertRegex(text, line)

    def test_a_table_of_failures_alone_prints(self):
        self.summary.failed = 2
        text = self.printed()
        self.assertIn("0 images classified, 2 failed", text)
        self.assertNotIn("MACs", text)

    def test_a_table_without_labels_says_nothing_of_accuracy(self):
        self.summary.add(answer(), None)
        self.assertNotIn("accuracy", self.printed())


if __name__ == "__main__":
    absltest.main()
