"""Tests of calibration: by hand, and on answers whose temperature is known."""

import numpy as np
import tensorflow as tf

from ddi_tf import calibration
from ddi_tf import exits


def _logits(probabilities):
    """[N, 2] whose softmax gives class 0 these probabilities."""
    p = np.array(probabilities, float)
    return np.stack([np.log(p), np.log(1 - p)], axis=1)


class ErrorTest(tf.test.TestCase):

    def test_value_by_hand(self):
        # In the bin of 0.9 two of three are right, in that of 0.6 none of one.
        logits = _logits([0.9, 0.9, 0.9, 0.6])
        labels = np.array([0, 0, 1, 1])
        expected = 3 / 4 * (0.9 - 2 / 3) + 1 / 4 * 0.6
        self.assertAllClose(calibration.error(logits, labels), expected)

    def test_reliability_by_hand(self):
        found = calibration.reliability(
            _logits([0.9, 0.9, 0.6]), np.array([0, 1, 1]))
        self.assertEqual(found.images.sum(), 3)
        self.assertAllClose(found.accuracy[13], 0.5)    # (0.867, 0.933]
        self.assertAllClose(found.confidence[13], 0.9)
        self.assertAllClose(found.accuracy[8], 0.0)     # (0.533, 0.6]
        self.assertTrue(np.isnan(found.accuracy[0]))

    def test_certainty_belongs_to_the_last_bin(self):
        found = calibration.reliability(
            np.array([[500.0, 0.0]]), np.array([0]))
        self.assertEqual(found.images[-1], 1)


class TemperatureTest(tf.test.TestCase):

    def setUp(self):
        super().setUp()
        generator = np.random.default_rng(0)
        self.logits = generator.normal(size=[20_000, 5]) * 2
        p = np.exp(self.logits) / np.exp(self.logits).sum(1, keepdims=True)
        draws = generator.random([20_000, 1])
        self.labels = (p.cumsum(axis=1) < draws).sum(axis=1)

    def test_answers_that_are_as_sure_as_right_keep_theirs(self):
        self.assertAllClose(
            calibration.temperature(self.logits, self.labels), 1, atol=0.03)
        self.assertLess(calibration.error(self.logits, self.labels), 0.02)

    def test_what_was_divided_is_found(self):
        for scale in (0.25, 3.0):
            logits = scale * self.logits
            found = calibration.temperature(logits, self.labels)
            self.assertAllClose(found, scale, rtol=0.03)
            self.assertGreater(calibration.error(logits, self.labels), 0.1)
            self.assertLess(
                calibration.error(logits / found, self.labels), 0.02)

    def test_entropies_are_those_of_the_exits(self):
        logits = np.stack([self.logits, self.logits / 3], axis=1)
        for kind, entropy in exits.ENTROPIES.items():
            found = calibration.entropies(
                logits.astype(np.float32), [2.0, 1.0], kind)
            for n, cooled in enumerate((self.logits / 2, self.logits / 3)):
                self.assertAllClose(
                    found[:, n], entropy(tf.constant(cooled)), atol=1e-5)


if __name__ == "__main__":
    tf.test.main()
