"""Tests of averages of the weights."""

import tensorflow as tf

from ddi_tf import averages


class AveragesTest(tf.test.TestCase):

    def setUp(self):
        super().setUp()
        self.weights = tf.Variable([1.0, 2.0])
        self.averages = averages.Averages([self.weights], 0.75)

    def test_means_by_hand(self):
        self.weights.assign([5.0, 2.0])
        self.averages.update()  # 0.75 * 1 + 0.25 * 5
        self.weights.assign([0.0, 6.0])
        self.averages.update()  # 0.75 * 2, 0.75 * 2 + 0.25 * 6
        self.assertAllEqual(self.weights, [0.0, 6.0])
        self.averages.apply()
        self.assertAllClose(self.weights, [1.5, 3.0])

    def test_reset_forgets(self):
        self.weights.assign([4.0, 4.0])
        self.averages.reset()
        self.averages.update()
        self.averages.apply()
        self.assertAllEqual(self.weights, [4.0, 4.0])

    def test_a_checkpoint_holds_the_means(self):
        self.weights.assign([5.0, 2.0])
        self.averages.update()
        prefix = tf.train.Checkpoint(averages=self.averages).write(
            f"{self.get_temp_dir()}/averages")
        self.averages.reset()
        tf.train.Checkpoint(averages=self.averages).read(
            prefix).assert_consumed()
        self.averages.apply()
        self.assertAllClose(self.weights, [2.0, 2.0])


if __name__ == "__main__":
    tf.test.main()
