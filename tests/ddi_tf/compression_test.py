"""Tests of pruning and clustering: which weights, when, and what stays."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import compression
from ddi_tf import kernels
from ddi_tf import network
from ddi_tf import phases

_PRUNE, = (phase for phase in phases.PHASES if phase.name == "prune")
_CLUSTER, = (phase for phase in phases.PHASES if phase.name == "cluster")
_AFTER = phases.Phase("after", True, True, True, True, 0.1, 0.0)

# Magnitudes 1 to 16, in no order.
_SIXTEEN = np.float32([3, -1, 16, -9, 5, 2, -14, 8, 11, -4, 7, -13, 6, 15, -10,
                       12])


def _kernel(values):
    values = np.asarray(values, np.float32)
    return tf.Variable(values.reshape([1, 1, 1, -1]))


def _pruning(kernel, sparsity, steps):
    made = compression.Pruning(
        [kernel], phases.Schedule(sparsity=sparsity), steps)
    made.begin()
    return made


def _clustering(kernel, count):
    made = compression.Clustering(
        [kernel], phases.Schedule(clusters=count), steps=1)
    made.begin()
    return made


def _values(kernel):
    return kernel.numpy().ravel()


class PruningTest(tf.test.TestCase, parameterized.TestCase):

    def test_the_smallest_go_first_as_the_sparsity_rises(self):
        kernel = _kernel(_SIXTEEN)
        pruning = _pruning(kernel, 0.5, steps=8)
        # Over 4 steps, 0.5 (1 - (1 - n / 4)^3): 0.289, 0.438, 0.492, 0.5, of
        # which 11.4, 9, 8.1 and 8 of 16 weights are left.
        for zeros in (5, 7, 8, 8, 8, 8, 8, 8):
            pruning.after_update()
            self.assertAllEqual(
                _values(kernel), np.where(abs(_SIXTEEN) > zeros, _SIXTEEN, 0))

    def test_nothing_is_pruned_before_the_first_step(self):
        kernel = _kernel(_SIXTEEN)
        _pruning(kernel, 0.9, steps=4).hold()
        self.assertAllEqual(_values(kernel), _SIXTEEN)

    def test_a_pruned_weight_does_not_return_however_it_is_pushed(self):
        kernel = _kernel(_SIXTEEN)
        pruning = _pruning(kernel, 0.5, steps=4)
        pruning.after_update()
        zeros = _values(kernel) == 0
        self.assertEqual(zeros.sum(), 7)
        kernel.assign_add(tf.fill(kernel.shape, 100.0))
        pruning.after_update()
        self.assertAllEqual(_values(kernel)[zeros], np.zeros(7))
        # The next to go is the smallest of what they have become.
        self.assertAllEqual(
            np.flatnonzero(_values(kernel) == 0),
            np.flatnonzero(zeros | (_SIXTEEN == -14)))

    @parameterized.parameters((1000, 10, 500), (1010, 11, 495), (1, 1, 1))
    def test_it_prunes_in_strokes_and_the_last_is_one(
            self, steps, first, last):
        kernel = _kernel(_SIXTEEN)
        pruning = _pruning(kernel, 0.75, steps)
        zeros = [0]
        for _ in range(last):
            pruning.after_update()
            zeros.append(int(np.sum(_values(kernel) == 0)))
        changes = np.flatnonzero(np.diff(zeros)) + 1
        self.assertEqual(changes[0], first)
        self.assertAllEqual(changes % first, np.zeros(len(changes)))
        self.assertEqual(zeros[-1], 12)

    def test_sparsity_of_0_prunes_nothing(self):
        kernel = _kernel(_SIXTEEN)
        pruning = _pruning(kernel, 0.0, steps=2)
        for _ in range(2):
            pruning.after_update()
        self.assertAllEqual(_values(kernel), _SIXTEEN)

    def test_zeros_that_were_there_stay_even_if_fewer_are_asked_for(self):
        before = np.where(abs(_SIXTEEN) > 12, _SIXTEEN, 0)
        kernel = _kernel(before)
        pruning = _pruning(kernel, 0.25, steps=2)
        for _ in range(2):
            kernel.assign_add(tf.ones(kernel.shape))
            pruning.after_update()
        self.assertAllEqual(_values(kernel), np.where(before, before + 2, 0))

    def test_every_kernel_is_pruned_by_itself(self):
        small, large = _kernel(_SIXTEEN), _kernel(1000 * _SIXTEEN)
        pruning = compression.Pruning(
            [small, large], phases.Schedule(sparsity=0.5), steps=1)
        pruning.begin()
        pruning.after_update()
        for kernel in (small, large):
            self.assertEqual(np.sum(_values(kernel) == 0), 8)

    def test_it_begins_anew(self):
        kernel = _kernel(_SIXTEEN)
        pruning = _pruning(kernel, 0.5, steps=2)
        pruning.after_update()
        kernel.assign(_SIXTEEN.reshape(kernel.shape))
        pruning.begin()
        pruning.hold()
        self.assertAllEqual(_values(kernel), _SIXTEEN)
        pruning.after_update()
        self.assertEqual(np.sum(_values(kernel) == 0), 8)


class ClusteringTest(tf.test.TestCase, parameterized.TestCase):

    def test_values_are_means_by_hand_and_zeros_stay(self):
        kernel = _kernel([0, 1, 1.2, -3, 5, 5.4, 0])
        _clustering(kernel, 4)
        self.assertAllClose(
            _values(kernel), [0, 1.1, 1.1, -3, 5.2, 5.2, 0])

    def test_without_zeros_all_values_are_for_the_weights(self):
        kernel = _kernel([1, 1.2, -3, 5, 5.4])
        _clustering(kernel, 3)
        self.assertAllClose(_values(kernel), [1.1, 1.1, -3, 5.2, 5.2])

    def test_a_cluster_moves_by_the_mean_of_its_updates(self):
        kernel = _kernel([0, 1, 1, -3, 5, 5, 0])
        clustering = _clustering(kernel, 4)
        # The zeros are pushed as well, and past the others.
        kernel.assign_add(tf.reshape(
            tf.constant([9, 1, 2, 0.5, -1, -3, -9]), kernel.shape))
        clustering.after_update()
        self.assertAllClose(_values(kernel), [0, 2.5, 2.5, -2.5, 3, 3, 0])

    def test_members_do_not_change_when_clusters_meet(self):
        kernel = _kernel([1, 1, 2, 2])
        clustering = _clustering(kernel, 2)
        for updates in ([1, 1, -1, -1], [-4, -4, 0, 0]):
            kernel.assign_add(tf.reshape(
                tf.constant(updates, tf.float32), kernel.shape))
            clustering.after_update()
        self.assertAllClose(_values(kernel), [-2, -2, 1, 1])

    @parameterized.parameters(2, 5, 16)
    def test_never_more_than_asked_and_exactly_equal(self, count):
        draw = np.random.default_rng(count).normal(size=999)
        for zeros in (0, 500):
            kernel = _kernel(np.where(np.arange(999) < zeros, 0, draw))
            clustering = _clustering(kernel, count)
            for _ in range(3):
                kernel.assign_add(tf.reshape(
                    tf.constant(draw / 7, tf.float32), kernel.shape))
                clustering.after_update()
            self.assertLen(np.unique(_values(kernel)), count)
            self.assertAllEqual(
                np.flatnonzero(_values(kernel) == 0), np.arange(zeros))

    def test_k_means_does_not_stop_at_its_start(self):
        # From 0 and 10, 4.8 is nearer to 0; from the means of what these
        # attract, 2.4 and 6.16, to the second.
        found = compression.clustered(
            np.float32([0.1, 4.8, 5.2, 5.2, 5.2, 5.2, 10]), 2)
        self.assertAllEqual(found, [1, 2, 2, 2, 2, 2, 2])

    def test_few_enough_values_are_kept(self):
        for values in ([7, 0.001, 7, 0, 0.002], [5, 5, 5], [0, 0]):
            kernel = _kernel(values)
            _clustering(kernel, 4)
            self.assertAllEqual(_values(kernel), np.float32(values))


class ReplicaTest(tf.test.TestCase):

    def test_variables_of_a_strategy_are_changed_in_and_between_steps(self):
        strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
        with strategy.scope():
            kernel = tf.Variable(_SIXTEEN.reshape([1, 1, 1, -1]))
            schedule = phases.Schedule(sparsity=0.5, clusters=3)
            pruning, clustering = (
                kind([kernel], schedule, 1) for kind in (
                    compression.Pruning, compression.Clustering))

        def push():
            kernel.assign(tf.convert_to_tensor(kernel) + 1)

        def step():
            pruning.after_update()
            clustering.after_update()

        pruning.begin()
        tf.function(lambda: strategy.run(pruning.after_update))()
        pruned = np.where(abs(_SIXTEEN) > 8, _SIXTEEN, 0)
        self.assertAllEqual(_values(kernel), pruned)
        push()
        pruning.hold()
        self.assertAllEqual(_values(kernel), np.where(pruned, pruned + 1, 0))
        clustering.begin()
        values = [np.mean(pruned[pruned < 0]), 0, np.mean(pruned[pruned > 0])]
        self.assertAllClose(
            _values(kernel), np.choose(np.sign(pruned).astype(int) + 1, [
                values[0] + 1, 0, values[2] + 1]))
        push()
        tf.function(lambda: strategy.run(step))()
        self.assertAllClose(
            _values(kernel), np.choose(np.sign(pruned).astype(int) + 1, [
                values[0] + 2, 0, values[2] + 2]))


class CompressionsTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = network.Network(network.NetworkConfig(
            depth=8, image_shape=(16, 16, 3), exits=False))
        cls.kernels = kernels.of(cls.net)
        cls.initial = [variable.numpy() for variable in cls.net.variables]

    def setUp(self):
        super().setUp()
        for variable, value in zip(self.net.variables, self.initial):
            variable.assign(value)

    def _make(self, *planned, sparsity=0.5):
        return compression.Compressions(
            self.net, planned,
            phases.Schedule(sparsity=sparsity, clusters=8),
            {phase.name: 2 for phase in planned})

    def _push(self):
        for kernel in self.kernels:
            kernel.assign_add(0.1 * tf.random.stateless_normal(
                kernel.shape, [1, 2]))

    def _zeros(self):
        return [kernel.numpy() == 0 for kernel in self.kernels]

    def test_what_a_phase_did_is_kept_by_those_after_it(self):
        made = self._make(_PRUNE, _CLUSTER, _AFTER)
        made.begin(_PRUNE)
        for _ in range(2):
            made.after_update(_PRUNE)
        pruned = self._zeros()
        for zeros in pruned:
            self.assertAllClose(zeros.mean(), 0.5, atol=1e-3)
        for phase in (_CLUSTER, _AFTER):
            made.begin(phase)
            for _ in range(3):
                self._push()
                made.after_update(phase)
            self._push()
            made.hold(phase)
            for ours, theirs in zip(self._zeros(), pruned):
                self.assertAllEqual(ours, theirs)
            for kernel in self.kernels:
                self.assertLen(np.unique(kernel), 8)

    def test_only_both_convolutions_of_every_block_change(self):
        made = self._make(_PRUNE, _CLUSTER)
        for phase in (_PRUNE, _CLUSTER):
            made.begin(phase)
            made.after_update(phase)
        changed = {variable.name for variable, value in zip(
            self.net.variables, self.initial)
            if not np.array_equal(variable, value)}
        self.assertEqual(changed, {kernel.name for kernel in self.kernels})
        self.assertLen(self.kernels, 2 * len(self.net.blocks))

    def test_nothing_happens_before_its_phase(self):
        made = self._make(_AFTER, _PRUNE)
        made.begin(_AFTER)
        made.after_update(_AFTER)
        made.hold(_AFTER)
        for variable, value in zip(self.net.variables, self.initial):
            self.assertAllEqual(variable, value)
        self.assertEqual(made.record(_AFTER), {})

    def test_a_record_says_how_sparse_the_kernels_are(self):
        made = self._make(_PRUNE, sparsity=0.75)
        made.begin(_PRUNE)
        self.assertEqual(made.record(_PRUNE), {"sparsity": 0.0})
        for _ in range(2):
            made.after_update(_PRUNE)
        self.assertAllClose(made.record(_PRUNE), {"sparsity": 0.75}, atol=1e-3)

    def test_compiled_it_does_the_same(self):
        made = self._make(_PRUNE, _CLUSTER)
        made.begin(_PRUNE)
        made.after_update(_PRUNE)
        expected = [kernel.numpy() for kernel in self.kernels]
        self.setUp()
        made.begin(_PRUNE)
        tf.function(lambda: made.after_update(_PRUNE), jit_compile=True)()
        for kernel, value in zip(self.kernels, expected):
            self.assertAllEqual(kernel, value)
        made.begin(_CLUSTER)
        self._push()
        tf.function(lambda: made.after_update(_CLUSTER), jit_compile=True)()
        for kernel, value in zip(self.kernels, expected):
            self.assertLen(np.unique(kernel), 8)
            self.assertAllEqual(kernel == 0, value == 0)

    def test_a_checkpoint_holds_where_it_is(self):
        def run(made, steps):
            for _ in range(steps):
                self._push()
                made.after_update(_PRUNE)

        made = self._make(_PRUNE)
        made.begin(_PRUNE)
        run(made, 1)
        prefix = tf.train.Checkpoint(network=self.net, made=made).write(
            f"{self.get_temp_dir()}/half")
        run(made, 1)
        expected = [kernel.numpy() for kernel in self.kernels]
        again = self._make(_PRUNE)
        tf.train.Checkpoint(network=self.net, made=again).read(
            prefix).assert_consumed()
        run(again, 1)
        for kernel, value in zip(self.kernels, expected):
            self.assertAllEqual(kernel, value)


if __name__ == "__main__":
    tf.test.main()
