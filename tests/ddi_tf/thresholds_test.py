"""Tests of who leaves where, and what that answers and costs."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

import trace_cases
from ddi_tf import thresholds


def _random_thresholds(seed, exits=3):
    generator = np.random.default_rng(seed)
    return [None if generator.random() < 0.3
            else float(generator.integers(-1, 21) / 20) for _ in range(exits)]


def _leave_by_hand(trace, n, answer_macs, chosen):
    """(exit, correct, MACs) of image `n`, as the device would go."""
    paid = 0
    for e, threshold in enumerate(chosen):
        if threshold is None:
            continue
        paid += answer_macs[e]
        if trace.entropies[n, e] <= np.float32(threshold):
            break
    else:
        e = len(chosen)
        paid += answer_macs[e]
    return (e, trace.predictions[n, e] == trace.labels[n],
            trace.spent[n, e] + paid)


def _apply(trace, answers, chosen):
    return thresholds.apply(trace, trace_cases.macs(trace, answers), chosen)


class ApplyTest(tf.test.TestCase, parameterized.TestCase):

    def test_value_by_hand(self):
        trace = trace_cases.traces(
            predictions=[[1, 0], [0, 1], [1, 1]],
            entropies=[[0.1, 0.0], [0.5, 0.9], [0.6, 0.2]],
            spent=[[10, 100], [20, 200], [30, 300]], labels=[1, 0, 0])
        outcome = _apply(trace, (1, 2), [0.5])
        self.assertAllEqual(outcome.exits, [0, 0, 1])
        self.assertAllEqual(outcome.correct, [True, True, False])
        # The image that did not leave paid the exit too.
        self.assertAllEqual(outcome.cost, [11, 21, 303])

    def test_disabled_exits_cost_nothing(self):
        trace = trace_cases.random(0)
        outcome = _apply(trace, (10, 20, 30, 5), [None] * 3)
        self.assertAllEqual(outcome.exits, [3] * 60)
        self.assertAllEqual(outcome.cost, trace.spent[:, -1] + 5)
        self.assertAllClose(outcome.correct.mean(), trace.accuracy[-1])

    def test_disabled_exits_are_not_taken_even_when_sure(self):
        trace = trace_cases.traces([[0, 0, 0]], [[0.0, 0.0, 0.0]], [[1, 2, 3]], [0])
        outcome = _apply(trace, (10, 20, 30), [None, 0.0])
        self.assertAllEqual(outcome.exits, [1])
        self.assertAllEqual(outcome.cost, [22])

    def test_entropy_at_the_threshold_leaves(self):
        # 0.1 is another number in float32; both sides are rounded the same.
        trace = trace_cases.traces([[0, 0]], [[0.1, 0.0]], [[1, 2]], [0])
        self.assertAllEqual(
            _apply(trace, (1, 1), [0.1]).exits, [0])

    @parameterized.parameters(*range(20))
    def test_it_is_what_a_device_would_do_image_by_image(self, seed):
        trace, chosen = trace_cases.random(seed), _random_thresholds(seed)
        answer_macs = (7, 11, 13, 3)
        outcome = _apply(trace, answer_macs, chosen)
        for n in range(len(trace.labels)):
            self.assertEqual(
                (outcome.exits[n], outcome.correct[n], outcome.cost[n]),
                _leave_by_hand(trace, n, answer_macs, chosen),
                f"image {n}, thresholds {chosen}")

    def test_types_are_as_stated(self):
        outcome = _apply(
            trace_cases.random(0), (1, 1, 1, 1), [0.5, None, 0.5])
        self.assertEqual(outcome.correct.dtype, bool)
        self.assertEqual(outcome.cost.dtype, np.int64)
        self.assertTrue(np.issubdtype(outcome.exits.dtype, np.integer))


    def test_a_network_without_exits_has_no_thresholds(self):
        trace = trace_cases.traces([[0], [1]], [[0.1], [0.2]], [[9], [9]],
                                   [0, 0])
        self.assertAllEqual(_apply(trace, (1,), []).cost, [10, 10])


class PointTest(tf.test.TestCase):

    def test_value_by_hand(self):
        outcome = thresholds.Outcome(
            np.array([0, 0, 2, 0]), np.array([True, False, True, True]),
            np.array([10, 10, 40, 20]))
        joules = outcome._replace(cost=outcome.cost / 4)
        outcomes = {"macs": outcome, "energy": joules}
        self.assertEqual(thresholds.point("one", [0.5, None], outcomes), {
            "name": "one", "thresholds": [0.5, None], "tune_accuracy": 0.75,
            "tune_mean_macs": 20.0, "tune_mean_energy": 5.0, "tune_left": [0.75, 0.0, 0.25],
            "tune_left_accuracy": [2 / 3, None, 1.0]})


if __name__ == "__main__":
    tf.test.main()
