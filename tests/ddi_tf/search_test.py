"""Tests of the search for thresholds, against trying everything."""

import itertools

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

import trace_cases
from ddi_tf import errors
from ddi_tf import exit_rules
from ddi_tf import search
from ddi_tf import thresholds

_GAP = 1  # image of 1,000: 0.1 point


def _case(seed, exits, images, levels):
    """(traces, cost) of one of two kinds."""
    trace = (trace_cases.random(seed, images, exits, levels=levels) if seed % 2
             else trace_cases.hard_and_easy(seed, images, exits, levels))
    answers = np.random.default_rng(seed).integers(0, 20, exits + 1)
    return trace, trace_cases.macs(trace, answers)


def _everything(trace):
    """Every threshold that makes a difference, and off, for each exit."""
    return [[None, *np.unique(column).tolist()]
            for column in trace.entropies[:, :-1].T]


def _outcomes(trace, cost, chosen):
    return [thresholds.apply(trace, cost, one) for one in chosen]


class CombinationsTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        (0, [[None, 0.1, 0.5, 2.0], [None, 0.3], [0.2, 0.9]]),
        (1, [[0.4], [None], [None, 0.2, 0.4, 0.6, 0.8]]),
        (2, [[None, 0.35, 0.95]]), (3, [[-1.0, 0.5], [None, 0.0, 9.0]]))
    def test_each_is_what_its_thresholds_do(self, seed, candidates):
        trace, cost = _case(seed, len(candidates), 70, 20)
        counts = search.combinations(trace, cost, candidates)
        self.assertEqual(counts.right.shape, tuple(map(len, candidates)))
        for index in np.ndindex(counts.right.shape):
            chosen = [c[i] for c, i in zip(candidates, index)]
            outcome = thresholds.apply(trace, cost, chosen)
            self.assertEqual(counts.right[index], outcome.correct.sum(), chosen)
            self.assertEqual(counts.cost[index], outcome.cost.sum(), chosen)

    def test_a_network_without_exits_has_one(self):
        trace, cost = _case(0, 0, 10, 5)
        counts = search.combinations(trace, cost, [])
        self.assertEqual(counts.right.shape, ())
        self.assertEqual(counts.cost, (cost.spent[:, 0] + cost.answers[0]).sum())


class OptimalityTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(*range(10))
    def test_nothing_that_can_be_tried_one_by_one_is_better(self, seed):
        # No shared code but `apply`, which has its own tests image by image.
        trace, cost = _case(seed, 2, 30, 12)
        found = search.Search(trace, cost)
        outcomes = _outcomes(
            trace, cost, itertools.product(*_everything(trace)))
        for share in (0.1, 0.4, 0.8):
            budget = found.least + share * (found.most - found.least)
            best = max(o.correct.mean() for o in outcomes
                       if o.cost.mean() <= budget + 1e-9)
            self.assertAllClose(found.within(budget).accuracy, best)

    def test_a_hundred_instances_are_within_a_tenth_of_a_point(self):
        gaps = []
        for seed in range(100):
            exits, levels = ((2, 40), (3, 20), (4, 9))[seed % 3]
            trace, cost = _case(seed, exits, 1000, levels)
            counts = search.combinations(trace, cost, _everything(trace))
            # Too coarse a grid to find it, so that the pairs have to.
            found = search.Search(trace, cost, cells=4**exits)
            share = np.random.default_rng(seed).random()
            budget = found.least + share * (found.most - found.least)
            best = counts.right[counts.cost <= budget * 1000 + 1e-6].max()
            gaps.append(best - round(1000 * found.within(budget).accuracy))
        self.assertGreaterEqual(min(gaps), 0)
        self.assertLessEqual(max(gaps), _GAP)


class SearchTest(tf.test.TestCase, parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.trace = trace_cases.hard_and_easy(0, 2000, 6)
        cls.cost = trace_cases.macs(cls.trace, np.array([9] * 6 + [1]))
        cls.search = search.Search(cls.trace, cls.cost)

    def _budget(self, share):
        return self.search.least + share * (
            self.search.most - self.search.least)

    @parameterized.parameters(0.0, 0.2, 0.5, 0.9, 1.0)
    def test_it_does_what_it_says_within_the_budget(self, share):
        budget = self._budget(share)
        found = self.search.within(budget)
        outcome = thresholds.apply(self.trace, self.cost, found.thresholds)
        self.assertAllClose(
            [outcome.correct.mean(), outcome.cost.mean()],
            [found.accuracy, found.cost], rtol=1e-9)
        self.assertLessEqual(found.cost, budget * (1 + 1e-6))
        # And makes use of it.
        self.assertGreater(found.cost, 0.98 * budget)

    @parameterized.product(rule=sorted(exit_rules.RULES), share=(0.3, 0.7))
    def test_it_is_never_worse_than_a_rule(self, rule, share):
        budget = self._budget(share)
        best = max(o.correct.mean() for o in _outcomes(
            self.trace, self.cost, exit_rules.RULES[rule](self.trace))
            if o.cost.mean() <= budget)
        self.assertGreaterEqual(self.search.within(budget).accuracy, best)

    def test_the_same_traces_give_the_same_thresholds(self):
        again = search.Search(self.trace, self.cost).within(self._budget(0.5))
        self.assertEqual(again, self.search.within(self._budget(0.5)))

    def test_thresholds_are_plain_numbers_for_json(self):
        for threshold in self.search.within(self._budget(0.4)).thresholds:
            self.assertIn(type(threshold), (float, type(None)))

    def test_budgets_that_make_no_sense_are_refused_with_the_limits(self):
        for budget in (0.9 * self.search.least, 1.1 * self.search.most,
                       float("nan"), -1):
            with self.assertRaisesRegex(
                    errors.ConfigError, "between "
                    rf"{self.search.least:,.6g}.* and {self.search.most:,.6g}"):
                self.search.within(budget)

    def test_a_limit_as_it_is_printed_is_accepted(self):
        for limit in (self.search.least, self.search.most):
            self.search.within(float(f"{limit:.6g}"))

    def test_the_frontier_rises(self):
        points = self.search.frontier(5)
        self.assertBetween(len(points), 3, 5)
        for one, other in itertools.pairwise(points):
            self.assertLess(one.accuracy, other.accuracy)
            self.assertLess(one.cost, other.cost)
        self.assertEqual(points[-1].cost, self.search.most)

    def test_the_cheapest_of_an_accuracy_has_it(self):
        wanted = self.trace.accuracy[-1] - 0.02
        found = self.search.cheapest(wanted)
        self.assertGreaterEqual(found.accuracy, wanted)
        # A little less money does not buy it.
        self.assertLess(self.search.within(0.97 * found.cost).accuracy, wanted)

    def test_an_accuracy_that_none_has_gives_the_most_accurate(self):
        self.assertEqual(self.search.cheapest(1.1), self.search.most_accurate)

    def test_the_most_accurate_is_not_dearer_than_it_need_be(self):
        trace, cost = _case(4, 2, 400, 20)
        found = search.Search(trace, cost).most_accurate
        outcomes = _outcomes(
            trace, cost, itertools.product(*_everything(trace)))
        best = max(outcome.correct.mean() for outcome in outcomes)
        self.assertAllClose(found.accuracy, best)
        self.assertLessEqual(found.cost, 1.0001 / 0.98 * min(
            o.cost.mean() for o in outcomes if o.correct.mean() == best))

    def test_costs_in_few_digits_reach_the_least(self):
        trace = trace_cases.hard_and_easy(0, 3000, 2)
        cost = trace_cases.macs(trace, (9, 9, 1))
        cost = cost._replace(spent=(cost.spent / 7).astype(np.float32))
        found = search.Search(trace, cost)
        self.assertLess(found.within(found.least).cost, found.least * 1.0001)

    def test_a_network_without_exits_has_one_point(self):
        trace, cost = _case(0, 0, 10, 5)
        found = search.Search(trace, cost)
        self.assertEqual(found.least, found.most)
        self.assertEqual(found.within(found.most).thresholds, [])
        self.assertLen(found.frontier(8), 1)

    def test_an_exit_that_costs_more_than_it_saves_is_off(self):
        trace = trace_cases.traces(
            predictions=[[0, 0], [1, 0]], entropies=[[0.1, 0], [0.2, 0]],
            spent=[[1, 9]] * 2, labels=[0, 0])
        # Two images pay 4 or 3 each; the one that leaves saves 8.
        dear = search.Search(trace, trace_cases.macs(trace, (4, 0)))
        self.assertEqual(dear.most_accurate.thresholds, [None])
        cheap = search.Search(trace, trace_cases.macs(trace, (3, 0)))
        self.assertAllClose(cheap.most_accurate.thresholds, [0.1])


class RulesTest(tf.test.TestCase):

    def test_geometric_lets_the_shares_leave_one_after_the_other(self):
        trace = trace_cases.hard_and_easy(1, 1000, 3)
        cost = trace_cases.macs(trace, (0,) * 4)
        offered = exit_rules.geometric(trace)
        for chosen, q in zip(offered[::40],
                             np.geomspace(1 / 20, 20, len(offered))[::40]):
            shares = q ** np.arange(4) / np.sum(q ** np.arange(4))
            left = np.bincount(
                thresholds.apply(trace, cost, chosen).exits, minlength=4)
            self.assertAllClose(left / 1000, shares, atol=2e-3)

    def test_shared_is_one_number_from_all_leave_to_almost_none(self):
        trace = trace_cases.hard_and_easy(1, 1000, 3)
        cost = trace_cases.macs(trace, (0,) * 4)
        offered = exit_rules.shared(trace)
        for chosen in offered:
            self.assertLen(set(chosen), 1)
        first, last = (thresholds.apply(trace, cost, chosen).exits.mean()
                       for chosen in (offered[0], offered[-1]))
        self.assertEqual(first, 0)
        self.assertGreater(last, 2.9)


if __name__ == "__main__":
    tf.test.main()
