"""device.summary: what many answers amount to, by hand."""

import io
import json
import pickle

import numpy as np
from absl.testing import absltest

from device import answers
from device import summary
import fakes

GATED = fakes.Block(groups=2, channel_gate=1, exit=1,
                    variants=((10, (0, 1), True),))
PLAIN = fakes.Block()


def answer(label=0, macs=100, latency_ms=1.0, path=((0, 1), (0,)),
           exit_="head", deadline_ms=None):
    """An `answers.Answer`; it costs 2 pJ per MAC."""
    return answers.Answer(
        label, np.array([1, 0, 0], np.float32), np.zeros(3, np.float32), exit_,
        0.0, path, macs, 2 * macs, latency_ms, deadline_ms)


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
            "images": 0, "failed": 0, "late": 0, "accuracy": None,
            "mean_macs": None, "largest_macs": None, "base_macs": 1000,
            "mean_macs_of_base": None, "mean_energy_mj": None,
            "largest_energy_mj": None, "skip_ratio": None, "exits": {},
            "latency_ms_median": None,
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
        self.assertAlmostEqual(values["mean_energy_mj"], 800e-9)
        self.assertAlmostEqual(values["largest_energy_mj"], 1400e-9)
        # Of 1, 2, 4, 9, to half a percent.
        self.assertAlmostEqual(values["latency_ms_median"], 2.0, delta=0.02)
        self.assertAlmostEqual(values["latency_ms_p95"], 9.0, delta=0.05)

    def test_late_answers_are_counted(self):
        for latency_ms in (4.9, 5.0, 5.1, 6.0):
            self.summary.add(answer(latency_ms=latency_ms, deadline_ms=5), None)
        self.assertEqual(self.values()["late"], 2)
        self.assertRegex(self.printed(), r"after their deadline\W+2\b")

    def test_what_is_recalled_goes_on(self):
        other = summary.Summary(fakes.in_memory(fakes.manifest([GATED, PLAIN])))
        for number in range(50):
            one = answer(number % 3, 10 * number, 1 + number, exit_="ab"[
                number % 2], path=((0,), ()))
            (self.summary if number < 30 else other).add(one, 1)
        self.summary.failed = 4
        expected = summary.Summary(
            fakes.in_memory(fakes.manifest([GATED, PLAIN])))
        expected.recall(json.loads(json.dumps(self.summary.memory())))
        self.assertEqual(expected.values(), self.values())
        self.assertEqual(expected.memory(), self.summary.memory())

    def test_its_memory_does_not_grow(self):
        for number in range(100):
            self.summary.add(answer(latency_ms=1 + number), None)
        before = len(pickle.dumps(self.summary))
        for number in range(2000):
            self.summary.add(answer(latency_ms=1 + number % 100), 0)
        self.assertLess(len(pickle.dumps(self.summary)), before + 200)

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
                r"skip ratio.*\W50\.0%", r"latency, median\W+1\.49 ms",
                r"95th percentile\W+2\.5 ms", r"answered by head\W+1\b",
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
