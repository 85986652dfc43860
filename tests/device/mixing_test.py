"""Mean costs: which points are worth mixing, and that targets are met."""

import math
import random
from typing import NamedTuple

from absl.testing import absltest
from absl.testing import parameterized
import hypothesis
from hypothesis import strategies as st

from device import bundle
from device import errors
from device import mixing
import fakes
import strategies


class Cost(NamedTuple):
    """Of an answer, what a budget in MACs looks at."""

    macs: float


def point(name, macs, accuracy):
    return bundle.OperatingPoint(name, (), accuracy, macs)


A, B, C = point("a", 100, 0.5), point("b", 200, 0.7), point("c", 400, 0.8)


def run(mixed, costs, images):
    """(mean cost, names chosen); `costs`: name -> callable -> cost."""
    names, total = [], 0.0
    for _ in range(images):
        names.append(mixed.choose().name)
        cost = costs[names[-1]]()
        mixed.spent(Cost(cost))
        total += cost
    return total / images, names


def constant(**costs):
    return {name: lambda cost=cost: cost for name, cost in costs.items()}


class LadderTest(absltest.TestCase):

    def test_points_on_the_hull_are_kept_cheapest_first(self):
        self.assertEqual(mixing.ladder([C, A, B]), (A, B, C))

    def test_a_point_that_a_mixture_beats_is_left_out(self):
        # Half of A and half of C cost 250 and are right in 65%.
        self.assertEqual(
            mixing.ladder([A, point("below", 250, 0.64), C]), (A, C))
        self.assertLen(mixing.ladder([A, point("above", 250, 0.66), C]), 3)

    def test_a_point_that_costs_more_and_is_less_right_is_left_out(self):
        self.assertEqual(mixing.ladder([A, B, point("bad", 300, 0.6)]), (A, B))

    def test_of_points_of_one_cost_the_best_is_kept(self):
        self.assertEqual(
            mixing.ladder([point("worse", 100, 0.4), A, B]), (A, B))

    def test_no_points_are_an_error(self):
        with self.assertRaisesRegex(errors.BudgetError, "has none. Export"):
            mixing.ladder([])

    @strategies.SETTINGS
    @hypothesis.given(st.lists(st.tuples(
        st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=8))
    def test_no_point_lies_above_the_ladder(self, pairs):
        points = [point(str(n), cost, right / 50)
                  for n, (cost, right) in enumerate(pairs)]
        ladder = mixing.ladder(points)
        for one in points:
            macs = one.tune_mean_macs
            lower = [p for p in ladder if p.tune_mean_macs <= macs]
            upper = [p for p in ladder if p.tune_mean_macs >= macs]
            self.assertNotEmpty(lower)
            left, right = lower[-1], (upper or ladder[-1:])[0]
            width = right.tune_mean_macs - left.tune_mean_macs
            share = (macs - left.tune_mean_macs) / width if width > 0 else 0.0
            reached = left.tune_accuracy + share * (
                right.tune_accuracy - left.tune_accuracy)
            self.assertLessEqual(one.tune_accuracy, reached + 1e-9)


class MixedTest(parameterized.TestCase):

    def test_a_target_between_two_points_takes_them_in_turns(self):
        mixed = mixing.Mixed([A, B, C], 250)
        mean, names = run(mixed, constant(a=100, b=200, c=400), 400)
        self.assertAlmostEqual(mean, 250, delta=1)
        self.assertEqual(names.count("c"), 100)
        self.assertEqual(names.count("b"), 300)

    @parameterized.parameters((0, "a"), (50, "a"), (401, "c"), (math.inf, "c"))
    def test_beyond_the_ladder_its_end_is_taken(self, target, name):
        mixed = mixing.Mixed([A, B, C], target)
        _, names = run(mixed, constant(a=100, b=200, c=400), 50)
        self.assertEqual(set(names), {name})

    def test_a_target_out_of_reach_leaves_no_debt(self):
        for unreachable in (0, math.inf):
            mixed = mixing.Mixed([A, B, C], unreachable)
            costs = constant(a=100, b=200, c=400)
            run(mixed, costs, 5000)
            mixed.target = 250
            mean, _ = run(mixed, costs, 2000)
            # 5% of the ladder's 300, by 1,000 images, by 2,000.
            self.assertAlmostEqual(mean, 250, delta=7.5 + 1)

    def test_one_point_is_taken_whatever_the_target(self):
        mixed = mixing.Mixed([B], 1000)
        self.assertEqual(run(mixed, constant(b=200), 10)[1], ["b"] * 10)

    def test_images_harder_than_those_of_tune_are_learnt(self):
        mixed = mixing.Mixed([A, B, C], 375)
        mean, names = run(mixed, constant(a=150, b=300, c=600), 3000)
        self.assertAlmostEqual(mean, 375, delta=4)
        self.assertEqual(set(names[1000:]), {"b", "c"})
        self.assertAlmostEqual(mixed.means[1], 300, delta=5)
        # Never seen, but what it costs is known from the others.
        self.assertAlmostEqual(mixed.means[0], 150, delta=5)

    def test_a_change_of_scene_is_followed(self):
        mixed = mixing.Mixed([A, B, C], 250)
        run(mixed, constant(a=100, b=200, c=400), 5000)
        mean, _ = run(mixed, constant(a=200, b=220, c=280), 10000)
        self.assertAlmostEqual(mean, 250, delta=3)

    @strategies.FEW
    @hypothesis.given(
        st.lists(st.floats(0.5, 2.0), min_size=3, max_size=3),
        st.floats(0.05, 0.95), st.floats(0.0, 0.9), st.integers(0, 9))
    def test_whatever_images_cost_the_running_mean_meets_the_target(
            self, harder, share, spread, seed):
        true = sorted(p.tune_mean_macs * h for p, h in zip([A, B, C], harder))
        target = true[0] + share * (true[-1] - true[0])
        draw = random.Random(seed)
        mixed = mixing.Mixed([A, B, C], target)
        mean, _ = run(mixed, {
            p.name: lambda cost=cost: cost * draw.uniform(
                1 - spread, 1 + spread)
            for p, cost in zip([A, B, C], true)}, 6000)
        self.assertAlmostEqual(mean / target, 1.0, delta=0.04)

    def test_what_was_learnt_survives_a_restart(self):
        costs = constant(a=150, b=300, c=600)
        before = mixing.Mixed([A, B, C], 375)
        run(before, costs, 2000)
        after = mixing.Mixed([A, B, C], 375)
        after.recall(before.memory())
        # A look at what was learnt is due after every tenth image.
        self.assertEqual(after.means, before.means)

    @parameterized.parameters(
        None, 3, ({"a": 1},), ({"a": [1]},), ({"a": [-1, 1]},),
        ({"a": [math.nan, 1]},), ({"a": ["1", 1]},), ({"a": [1, 1e9]},),
        ({"z": [1, 1]},))
    def test_nonsense_is_not_remembered(self, points):
        mixed = mixing.Mixed([A, B, C], 375)
        for memory in (points, {"cost": "macs", "points": points}):
            mixed.recall(memory)
            self.assertEqual(mixed.means, (100, 200, 400))

    def test_what_was_learnt_in_macs_says_nothing_of_millijoules(self):
        before = mixing.Mixed([A, B, C], 375)
        run(before, constant(a=150, b=300, c=600), 2000)
        after = mixing.Mixed([A, B, C], 0.375, mixing.energy_mj, 1e-3)
        expected = after.means
        after.recall(before.memory())
        self.assertEqual(after.means, expected)

    def test_status_names_the_last_point(self):
        mixed = mixing.Mixed([A, B, C], 100)
        mixed.choose()
        self.assertEqual(mixed.status(), ("a", None, None))


class MjPerMacTest(absltest.TestCase):

    def test_it_is_that_of_the_blocks(self):
        # Toy graphs take 0.5 nJ per MAC.
        toy = fakes.in_memory(fakes.manifest([fakes.GATED]))
        self.assertAlmostEqual(mixing.mj_per_mac(toy), 0.5e-6)

    def test_a_bundle_without_energy_is_an_error(self):
        with self.assertRaisesRegex(errors.BudgetError, "models no energy"):
            mixing.mj_per_mac(fakes.in_memory(fakes.manifest()))


if __name__ == "__main__":
    absltest.main()
