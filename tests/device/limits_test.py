"""device.limits: hard budgets of MACs, energy and time."""

import math
import types

import numpy as np
from absl.testing import absltest
from absl.testing import parameterized

from device import errors
from device import limits
from device import status
import fakes

IMAGE = np.zeros(fakes.IMAGE, np.uint8)
BLOCKS = [fakes.GATED]


def tariff(blocks=(), profile=None, **macs):
    """The `limits.Tariff` of a toy plan."""
    manifest = fakes.manifest(blocks, **macs)
    return limits.Tariff(
        manifest.plan, fakes.in_memory(manifest).graphs, profile)


class CheckTest(parameterized.TestCase):

    def test_no_budget_is_no_limit(self):
        self.assertEqual(
            tariff(BLOCKS).open(status.Limits(), 0, lambda: 0), ())

    def test_the_smallest_budgets_are_accepted(self):
        # 100 MACs; the toys cost half a nanojoule for each.
        tariff(stem=99, head=1).check(status.Limits(100, 50e-6))

    @parameterized.parameters(99, 0, -5, 99.5)
    def test_less_is_refused_with_the_smallest_that_works(self, max_macs):
        with self.assertRaisesRegex(
                errors.BudgetError,
                r"a budget of -?[\d.]+ MACs .*the smallest that works is "
                r"1,000 MACs\."):
            tariff(stem=999, head=1).check(status.Limits(max_macs))

    @parameterized.product(
        name=("max_macs", "max_energy_mj"),
        value=(math.nan, math.inf, -math.inf, 10**400, -10**400, 1.1e15))
    def test_what_is_no_budget_is_refused(self, name, value):
        with self.assertRaisesRegex(
                errors.BudgetError, "a budget is a number of at most 1,000,000,"
                "000,000,000; the smallest that works is"):
            tariff(BLOCKS).check(status.Limits(**{name: value}))

    @parameterized.parameters(49.999e-6, 0, -1)
    def test_less_energy_is_refused_too(self, max_energy_mj):
        with self.assertRaisesRegex(
                errors.BudgetError, r"smallest that works is 0\.000050000 mJ"):
            tariff(stem=99, head=1).check(
                status.Limits(max_energy_mj=max_energy_mj))

    def test_large_numbers_are_readable(self):
        with self.assertRaisesRegex(errors.BudgetError, r"of 1,234 MACs"):
            tariff(stem=5000).check(status.Limits(1234))

    def test_callers_may_catch_a_value_error(self):
        with self.assertRaises(ValueError):
            tariff(BLOCKS).check(status.Limits(0))

    def test_a_deadline_needs_a_profile(self):
        with self.assertRaisesRegex(
                errors.BudgetError, "python -m device.profile"):
            tariff(BLOCKS).check(status.Limits(deadline_ms=1000))


class WholePicojoulesTest(parameterized.TestCase):

    @parameterized.parameters(
        (50e-6, 50_000), (482762e-9, 482_762), (5.9999e-9, 5), (6e-9, 6),
        (0.1, 100_000_000))
    def test_never_more_than_was_allowed(self, millijoules, expected):
        allowance, = tariff().open(
            status.Limits(max_energy_mj=1), 0, lambda: 0)
        self.assertEqual(allowance.left(), 1_000_000_000)
        found = limits.whole_pj(millijoules)
        self.assertEqual(found, expected)
        self.assertLessEqual(found / 1e9, millijoules)


class DeadlineTest(absltest.TestCase):
    """By a clock that goes on while graphs run.

    Every graph takes 2 ms, and 5 at its 95th percentile; an image 1 ms beside.
    """

    def setUp(self):
        super().setUp()
        self.now_ms, self.each_ms, self.blocks = 0.0, 2, BLOCKS * 2
        names = fakes.contents(fakes.manifest(BLOCKS * 2))
        self.profile = types.SimpleNamespace(
            graphs=[types.SimpleNamespace(name=name, p95_ms=5.0)
                    for name in names],
            full_path=types.SimpleNamespace(median_ms=9.0), parts_ms=8.0)

    def classify(self, deadline_ms, **options):
        self.device, self.runtime = fakes.open_(
            self.blocks, stem=100, head=3, profile=self.profile,
            clock=lambda: round(1e6 * self.now_ms))

        def pass_time():
            self.now_ms += self.each_ms

        self.runtime.on_run = pass_time
        return self.device.classify(
            IMAGE, deadline_ms=deadline_ms, **options)

    def test_an_ample_deadline_changes_nothing(self):
        answer = self.classify(1000.0)
        self.assertEqual((answer.exit, answer.path),
                         ("head", ((0, 1), (0, 1))))
        self.assertEqual(answer.latency_ms, 2 * 8)
        self.assertFalse(answer.late)

    def test_nothing_begins_that_is_seldom_in_time(self):
        # 22 ms without what is beside the graphs. The stem took 2; gates, a
        # variant and an exit can take 20. After them 14 ms are left, too few
        # for the second block's gates, a variant and the head.
        answer = self.classify(23.0)
        self.assertEqual((answer.exit, answer.path), ("head", ((0, 1), ())))
        self.assertFalse(answer.late)
        # A tenth of a millisecond less: the first block is not asked either.
        self.assertEqual(self.classify(22.9).path[0], ())

    def test_time_that_has_run_out_goes_the_cheapest_way(self):
        self.each_ms = 50
        answer = self.classify(23.0)
        self.assertEqual(self.runtime.executed,
                         ["stem", "block0_skip", "block0_exit"])
        self.assertTrue(answer.late)
        self.assertEqual(answer.latency_ms, 150)

    def test_the_shortest_deadline_pays_for_the_cheapest_way(self):
        # Stem, skip and exit at 5 ms, and 1 ms beside.
        self.assertFalse(self.classify(16.0).late)
        with self.assertRaisesRegex(
                errors.BudgetError,
                "15.900 ms .*smallest that works is 16.000"):
            self.classify(15.9)

    def test_time_that_has_run_out_leaves_a_fixed_block_its_first_group(self):
        self.blocks = [fakes.Block(
            variants=((10, (0,), False), (15, (0, 1), False)), groups=2,
            channel_gate=2, skippable=False)] * 2
        self.each_ms = 50
        answer = self.classify(23.0)
        self.assertEqual(self.runtime.executed,
                         ["stem", "block0_way0", "block1_way0", "head"])
        self.assertEqual(answer.path, ((0,), (0,)))
        self.assertTrue(answer.late)

    def test_without_a_deadline_nothing_is_late(self):
        self.each_ms = 1e6
        self.assertFalse(self.classify(None).late)


if __name__ == "__main__":
    absltest.main()
