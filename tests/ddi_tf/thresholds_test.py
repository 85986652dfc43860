"""Tests of who leaves where, and of the rule that chooses thresholds."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import thresholds
from ddi_tf import traces


def _traces(predictions, entropies, spent, labels):
    predictions = np.array(predictions, np.int32)
    count = len(predictions)
    return traces.Traces(
        labels=np.array(labels, np.int32),
        logits=np.zeros([*predictions.shape, 2], np.float32),
        predictions=predictions, entropies=np.array(entropies, np.float32),
        spent=np.array(spent, np.int64), layers=np.ones([count, 1]),
        masks=(np.ones([count, 1]),))


def _random_traces(seed, images=60, exits=3, classes=3):
    """Traces with ties, and exits that are right more often the later."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, images)
    known = generator.random([images, exits + 1]) < np.linspace(
        0.4, 0.9, exits + 1)
    guesses = generator.integers(0, classes, [images, exits + 1])
    return _traces(
        np.where(known, labels[:, None], guesses),
        generator.integers(0, 20, [images, exits + 1]) / 20,
        generator.integers(1, 100, [images, exits + 1]).cumsum(axis=1), labels)


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


class ApplyTest(tf.test.TestCase, parameterized.TestCase):

    def test_value_by_hand(self):
        trace = _traces(
            predictions=[[1, 0], [0, 1], [1, 1]],
            entropies=[[0.1, 0.0], [0.5, 0.9], [0.6, 0.2]],
            spent=[[10, 100], [20, 200], [30, 300]], labels=[1, 0, 0])
        outcome = thresholds.apply(trace, (1, 2), [0.5])
        self.assertAllEqual(outcome.exits, [0, 0, 1])
        self.assertAllEqual(outcome.correct, [True, True, False])
        # The image that did not leave paid the exit too.
        self.assertAllEqual(outcome.macs, [11, 21, 303])

    def test_disabled_exits_cost_nothing(self):
        trace = _random_traces(0)
        outcome = thresholds.apply(trace, (10, 20, 30, 5), [None] * 3)
        self.assertAllEqual(outcome.exits, [3] * 60)
        self.assertAllEqual(outcome.macs, trace.spent[:, -1] + 5)
        self.assertAllClose(outcome.correct.mean(), trace.accuracy[-1])

    def test_disabled_exits_are_not_taken_even_when_sure(self):
        trace = _traces([[0, 0, 0]], [[0.0, 0.0, 0.0]], [[1, 2, 3]], [0])
        outcome = thresholds.apply(trace, (10, 20, 30), [None, 0.0])
        self.assertAllEqual(outcome.exits, [1])
        self.assertAllEqual(outcome.macs, [22])

    def test_entropy_at_the_threshold_leaves(self):
        # 0.1 is another number in float32; both sides are rounded the same.
        trace = _traces([[0, 0]], [[0.1, 0.0]], [[1, 2]], [0])
        self.assertAllEqual(
            thresholds.apply(trace, (1, 1), [0.1]).exits, [0])

    @parameterized.parameters(*range(20))
    def test_it_is_what_a_device_would_do_image_by_image(self, seed):
        trace, chosen = _random_traces(seed), _random_thresholds(seed)
        answer_macs = (7, 11, 13, 3)
        outcome = thresholds.apply(trace, answer_macs, chosen)
        for n in range(len(trace.labels)):
            self.assertEqual(
                (outcome.exits[n], outcome.correct[n], outcome.macs[n]),
                _leave_by_hand(trace, n, answer_macs, chosen),
                f"image {n}, thresholds {chosen}")

    def test_types_are_as_stated(self):
        outcome = thresholds.apply(
            _random_traces(0), (1, 1, 1, 1), [0.5, None, 0.5])
        self.assertEqual(outcome.correct.dtype, bool)
        self.assertEqual(outcome.macs.dtype, np.int64)
        self.assertTrue(np.issubdtype(outcome.exits.dtype, np.integer))


class PointTest(tf.test.TestCase):

    def test_value_by_hand(self):
        outcome = thresholds.Outcome(
            np.array([0, 0, 2, 0]), np.array([True, False, True, True]),
            np.array([10, 10, 40, 20]))
        self.assertEqual(thresholds.point("one", [0.5, None], outcome), {
            "name": "one", "thresholds": [0.5, None], "tune_accuracy": 0.75,
            "tune_mean_macs": 20.0, "tune_left": [0.75, 0.0, 0.25],
            "tune_left_accuracy": [2 / 3, None, 1.0]})


class WithinLossTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.product(
        seed=tuple(range(12)), tolerance=(0.0, 0.005, 0.05, 0.3, 1.0))
    def test_it_never_loses_more_than_the_tolerance(self, seed, tolerance):
        trace = _random_traces(seed)
        answer_macs = (1, 1, 1, 1)
        chosen = thresholds.within_loss(trace, answer_macs, tolerance)
        self.assertLen(chosen, 3)
        outcome = thresholds.apply(trace, answer_macs, chosen)
        self.assertGreaterEqual(
            outcome.correct.mean(), trace.accuracy[-1] - tolerance - 1e-9)

    @parameterized.parameters(*range(12))
    def test_it_never_costs_more_than_no_exits(self, seed):
        trace, answer_macs = _random_traces(seed), (30, 30, 30, 1)
        chosen = thresholds.within_loss(trace, answer_macs, 0.05)
        outcome = thresholds.apply(trace, answer_macs, chosen)
        without = thresholds.apply(trace, answer_macs, [None] * 3)
        self.assertLessEqual(outcome.macs.mean(), without.macs.mean())

    def test_with_enough_tolerance_all_leave_at_once(self):
        trace = _random_traces(1)
        chosen = thresholds.within_loss(trace, (0, 0, 0, 0), 3.0)
        outcome = thresholds.apply(trace, (0, 0, 0, 0), chosen)
        self.assertAllEqual(outcome.exits, [0] * 60)

    def test_highest_threshold_that_loses_nothing(self):
        # Sorted by entropy: right, right, wrong where the head was right.
        trace = _traces(
            predictions=[[0, 0], [1, 0], [0, 0], [1, 1]],
            entropies=[[0.2, 0], [0.4, 0], [0.3, 0], [0.5, 0]],
            spent=[[1, 9]] * 4, labels=[0, 0, 0, 1])
        chosen = thresholds.within_loss(trace, (1, 1), 0.0)
        self.assertAllClose(chosen, [0.3])

    def test_a_loss_that_is_made_good_later_is_no_loss(self):
        # The second image is lost by leaving, the third is won.
        trace = _traces(
            predictions=[[0, 0], [1, 0], [0, 1]],
            entropies=[[0.2, 0], [0.3, 0], [0.4, 0]],
            spent=[[1, 9]] * 3, labels=[0, 0, 0])
        self.assertAllClose(
            thresholds.within_loss(trace, (1, 1), 0.0), [0.4])

    def test_ties_leave_together(self):
        # Alone, the first of the two at 0.3 would lose nothing.
        trace = _traces(
            predictions=[[0, 0], [0, 0], [1, 0]],
            entropies=[[0.2, 0], [0.3, 0], [0.3, 0]],
            spent=[[1, 9]] * 3, labels=[0, 0, 0])
        self.assertAllClose(
            thresholds.within_loss(trace, (1, 1), 0.0), [0.2])
        self.assertAllClose(
            thresholds.within_loss(trace, (1, 1), 0.4), [0.3])

    def test_an_exit_that_costs_more_than_it_saves_is_switched_off(self):
        trace = _traces(
            predictions=[[0, 0], [1, 0]], entropies=[[0.1, 0], [0.2, 0]],
            spent=[[1, 9]] * 2, labels=[0, 0])
        # Two images pay 4 or 3 each; the one that leaves saves 8.
        self.assertEqual(thresholds.within_loss(trace, (4, 1), 0.0), [None])
        self.assertAllClose(thresholds.within_loss(trace, (3, 1), 0.0), [0.1])

    def test_an_exit_that_only_loses_is_switched_off(self):
        trace = _traces(
            predictions=[[1, 0], [1, 0]], entropies=[[0.1, 0], [0.2, 0]],
            spent=[[1, 9]] * 2, labels=[0, 0])
        self.assertEqual(thresholds.within_loss(trace, (0, 1), 0.0), [None])

    def test_a_network_without_exits_has_no_thresholds(self):
        trace = _traces([[0], [1]], [[0.1], [0.2]], [[9], [9]], [0, 0])
        self.assertEqual(thresholds.within_loss(trace, (1,), 0.1), [])
        outcome = thresholds.apply(trace, (1,), [])
        self.assertAllEqual(outcome.macs, [10, 10])

    def test_thresholds_are_plain_numbers_for_json(self):
        for seed in range(5):
            chosen = thresholds.within_loss(
                _random_traces(seed), (1, 1, 1, 1), 0.2)
            self.assertTrue(all(
                t is None or type(t) is float for t in chosen), chosen)


if __name__ == "__main__":
    tf.test.main()
