"""Tests of one training step, phase by phase, on eight random images."""

from unittest import mock

import numpy as np
import tensorflow as tf
import tf_keras
from absl.testing import parameterized

from ddi_tf import costs
from ddi_tf import crops as crops_lib
from ddi_tf import data
from ddi_tf import deciding
from ddi_tf import losses
from ddi_tf import energy
from ddi_tf import gates
from ddi_tf import network
from ddi_tf import precisions
from ddi_tf import phases
from ddi_tf import steering
from ddi_tf import step

# Phases that compress kernels have the losses of the exits phase.
_PHASES = _BASE, _WARMUP, _SKIP, _RESTORE, _REINFORCE, _EXITS = tuple(
    phase for phase in phases.PHASES if not phase.compression)
_BATCH, _TARGET = 8, 0.5
_STEPS = 12  # enough to learn the images, whatever the order of float sums
_SCALING = data.Scaling((127.0,) * 3, (64.0,) * 3)


def _build(**settings):
    tf_keras.utils.set_random_seed(1)
    return network.Network(network.NetworkConfig(
        depth=8, image_shape=(16, 16, 3), **settings))


def _make(net, phase, schedule, momentum=0.9):
    optimizer = tf_keras.optimizers.SGD(
        0.1, momentum=momentum, nesterov=momentum > 0)
    optimizer.build(net.trainable_variables)
    return step.make(net, optimizer, steering.Steering(schedule.alpha), phase,
                     schedule, net.costs, _SCALING)


def _batch():
    """What a step takes, from a data set of twelve images."""
    generator = np.random.default_rng(0)
    return (tf.constant(generator.integers(0, 256, [12, 16, 16, 3]), tf.uint8),
            tf.constant(generator.integers(0, 10, 12), tf.int32),
            tf.constant(generator.permutation(12)[:_BATCH], tf.int32),
            tf.constant(generator.integers(0, 9, [_BATCH, 2]), tf.int32),
            tf.constant(generator.random(_BATCH) < 0.5),
            tf.fill([_BATCH, 3 + 3 * 2], 0.5),
            tf.constant(0.01), tf.constant(_TARGET))


def _seen(batch):
    """(images as the network sees them, labels, thresholds, rate)."""
    images, labels, indices, crops, flips, thresholds, rate, _ = batch
    return data.training_batch(
        images, indices, crops, flips, crops_lib.Shift(), _SCALING
    ), tf.gather(labels, indices), thresholds, rate


def _no_loss(net, *_):
    """Stands for `step.loss_terms` where all gradients are to be 0."""
    sums = [tf.reduce_sum(variable) for variable in net.trainable_variables]
    return {"accuracy_loss": 0 * tf.add_n(sums)}, [], {}


class PhasesTest(tf.test.TestCase, parameterized.TestCase):
    """Some steps of every phase; the network goes on from phase to phase."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = _build()
        cls.frozen, cls.metrics = {}, {}
        schedule = phases.Schedule(target_cost=0.5)
        for phase in _PHASES:
            before = {v.ref(): v.numpy() for v in cls.net.variables}
            function, batch = _make(cls.net, phase, schedule), _batch()
            cls.metrics[phase] = [function(*batch) for _ in range(_STEPS)]
            cls.frozen[phase] = {
                ref for ref, value in before.items()
                if np.array_equal(ref.deref().numpy(), value)}

    @parameterized.parameters(*_PHASES)
    def test_metrics_are_finite_scalars(self, name, *_):
        phase, = (p for p in _PHASES if p.name == name)
        for metrics in self.metrics[phase]:
            for key, value in metrics.items():
                self.assertEqual(value.shape, (), key)
                self.assertTrue(np.isfinite(value.numpy()), f"{key} {value}")
            self.assertBetween(float(metrics["accuracy"]), 0, 1)

    def test_terms_add_up_to_the_loss(self):
        for phase in _PHASES:
            for metrics in self.metrics[phase]:
                terms = [value for key, value in metrics.items()
                         if key.endswith("_loss")]
                self.assertAllClose(metrics["loss"], tf.add_n(terms))

    def test_phases_report_what_they_are_about(self):
        keys = {phase.name: set(self.metrics[phase][0])
                for phase in _PHASES}
        base = {"loss", "accuracy_loss", "accuracy"}
        gated = base | {"cost", "skip_ratio", "alpha"}
        priced = gated | {"resource_loss"}
        self.assertEqual(keys, {
            "base": base, "warmup": gated | {"open_loss"}, "skip": priced,
            "restore": priced, "reinforce": priced | {"policy_loss"},
            "exits": priced})

    @parameterized.parameters((_SKIP, 1), (_RESTORE, 1), (_EXITS, 4))
    def test_work_is_priced_once_per_answer(self, phase, answers):
        metrics = {key: float(value)
                   for key, value in self.metrics[phase][0].items()}
        # The running means began at 1; more than 10% above the target, the
        # weight is twice alpha.
        cost = (metrics["cost"] - 0.95) / 0.05
        self.assertGreater(metrics["cost"], 1.1 * _TARGET)
        self.assertAllClose(
            metrics["resource_loss"], answers * 2 * metrics["alpha"] * cost,
            rtol=1e-4)

    def test_cost_is_that_of_the_network(self):
        table = self.net.costs
        for phase in (_WARMUP, _SKIP, _RESTORE, _EXITS):
            cost = (float(self.metrics[phase][0]["cost"]) - 0.95) / 0.05
            self.assertBetween(
                cost, (table.stem + sum(table.answers)) / table.base,
                table.everything / table.base + 1e-4)

    def test_same_images_are_learnt(self):
        for phase in (_BASE, _EXITS):
            first, *_, last = self.metrics[phase]
            self.assertLess(
                float(last["accuracy_loss"]), float(first["accuracy_loss"]))

    def test_warmup_leaves_the_backbone_bit_for_bit(self):
        parts = [self.net.stem, *self.net.blocks, self.net.head,
                 *self.net.exits.values()]
        backbone = {v.ref() for part in parts for v in part.variables}
        statistics = [ref for ref in backbone if not ref.deref().trainable]
        # Two per convolution: stem, two per block, two projections, exits.
        self.assertLen(statistics, 2 * (1 + 6 + 2 + 3))
        self.assertLessEqual(backbone, self.frozen[_WARMUP])

    @parameterized.parameters(_WARMUP, _SKIP, _RESTORE, _EXITS)
    def test_gates_learn(self, *phase):
        self._assert_changed(
            phases.Phase(*phase), self.net.gate_variables)

    @parameterized.parameters(_WARMUP, _SKIP, _RESTORE, _EXITS)
    def test_gates_that_learn_keep_the_statistics_of_their_batches(
            self, *phase):
        self._assert_changed(phases.Phase(*phase), [
            variable for gate in self.net.channel_gates.values()
            for variable in gate.non_trainable_variables])

    @parameterized.parameters(_BASE, _SKIP, _RESTORE, _EXITS)
    def test_weights_learn(self, *phase):
        self._assert_changed(
            phases.Phase(*phase), self.net.base_variables)

    def test_base_phase_knows_neither_gates_nor_exits(self):
        self._assert_frozen(
            _BASE, [*self.net.gate_variables, *self.net.exit_variables])

    def test_exits_learn_in_their_own_phase_only(self):
        for phase in (_WARMUP, _SKIP, _RESTORE):
            self._assert_frozen(phase, self.net.exit_variables)
        self._assert_changed(_EXITS, self.net.exit_variables)

    def _assert_changed(self, phase, variables):
        self.assertNotEmpty(variables)
        for variable in variables:
            self.assertNotIn(
                variable.ref(), self.frozen[phase], variable.name)

    def _assert_frozen(self, phase, variables):
        self.assertNotEmpty(variables)
        self.assertLessEqual(
            {v.ref() for v in variables}, self.frozen[phase])


class LossTermsTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.net = _build()
        cls.images = tf.random.stateless_normal([_BATCH, 16, 16, 3], [0, 1])

    def _terms(self, phase, prices, thresholds, net=None):
        """(terms, metrics, steering), and the decisions that were taken."""
        state, net = steering.Steering(0.1), net or self.net
        terms, _, metrics = step.loss_terms(
            net, phase, phases.Schedule(), prices, self.images,
            tf.range(_BATCH), state, tf.constant(_TARGET), thresholds)
        # Batch norm is by the batch, so the same again.
        outputs = net(self.images, training=True, thresholds=thresholds)
        return terms, metrics, state, outputs.decisions

    def test_the_price_is_that_of_the_table_that_was_given(self):
        # Different decisions per image, so that the unit matters.
        thresholds = tf.constant(gates.draw_thresholds(
            [_BATCH, 9], 1.0, seed=0, step=0))
        for prices in (self.net.costs, self.net.work.priced(
                energy.model("horowitz", "int8").energy)):
            terms, metrics, state, decisions = self._terms(
                _SKIP, prices, thresholds)
            full_path = costs.full_path(prices, costs.spent(prices, decisions))
            cost = np.mean(full_path) / prices.base
            self.assertAllClose(state.cost, 0.95 + 0.05 * cost)
            self.assertAllClose(metrics["cost"], state.cost)
            again = steering.Steering(0.1)
            again.reset(0.95 + 0.05 * cost, skip_ratio=0.0)
            weight = again.weight(tf.constant(_TARGET))
            self.assertAllClose(terms["resource_loss"], weight * cost)

    def test_energy_and_macs_are_other_prices(self):
        thresholds = tf.ones([_BATCH, 9])
        macs, pico = (
            float(self._terms(_SKIP, prices, thresholds)[0]["resource_loss"])
            for prices in (self.net.costs, self.net.work.priced(
                energy.model("horowitz", "int8").energy)))
        self.assertGreater(abs(macs - pico), 0.01 * macs)

    def test_thresholds_decide_what_is_run(self):
        for threshold, skipped in ((0.0, 0.0), (1.0, 1.0)):
            _, _, state, decisions = self._terms(
                _SKIP, self.net.costs, tf.fill([_BATCH, 9], threshold))
            self.assertAllEqual(
                decisions.layers, tf.fill([_BATCH, 3], 1 - skipped))
            self.assertAllClose(state.skip_ratio, 0.95 + 0.05 * skipped)

    def test_where_no_gate_is_asked_work_has_no_price(self):
        names = [block.name for block in self.net.blocks]
        settled = [("layer_gate", name, (1,)) for name in names] + [
            ("channel_gate", name, (1, 0)) for name in names]
        thresholds = tf.fill([_BATCH, 9], 0.5)
        for gates_settled, priced in ((settled, False), (settled[1:], True)):
            net = _build(settled=tuple(gates_settled))
            terms, metrics, state, _ = self._terms(
                _EXITS, net.costs, thresholds, net)
            self.assertEqual("resource_loss" in terms, priced)
            self.assertEqual(float(state.alpha) != np.float32(0.1), priced)
            self.assertLess(float(metrics["cost"]), 1)


class ArgumentsTest(tf.test.TestCase):

    def test_prices_and_thresholds_reach_the_loss(self):
        net, seen = _build(), {}

        def loss_terms(net, phase, schedule, prices, *rest):
            seen.update(prices=prices, phase=phase)
            _, _, _, _, thresholds, *_ = rest
            terms, *_ = _no_loss(net)
            return terms, [], {"thresholds": tf.reduce_sum(thresholds)}
        function = _make(net, _SKIP, phases.Schedule())
        batch = list(_batch())
        with mock.patch.object(step, "loss_terms", loss_terms):
            for value in (0.25, 1.0):
                batch[5] = tf.fill([_BATCH, 9], value)
                self.assertAllClose(
                    function(*batch)["thresholds"], _BATCH * 9 * value)
        self.assertIs(seen["prices"], net.costs)
        self.assertEqual(seen["phase"], _SKIP)


class AnswerLossesTest(tf.test.TestCase, parameterized.TestCase):

    def setUp(self):
        super().setUp()
        generator = np.random.default_rng(2)
        self.head, self.exit, self.teacher = (
            tf.constant(generator.normal(size=[4, 10]), tf.float32)
            for _ in range(3))
        self.labels = tf.constant([1, 2, 3, 4])

    def _losses(self, teacher, **schedule):
        return step.answer_losses(
            [self.head, self.exit], teacher, self.labels, phases.Schedule(**schedule))

    def test_labels_alone_without_a_teacher(self):
        expected = [losses.cross_entropy(logits, self.labels, 0.1)
                    for logits in (self.head, self.exit)]
        for found in self._losses(None, label_smoothing=0.1):
            self.assertAllClose(found, expected)

    def test_base_network_teaches_the_head_and_the_head_the_exits(self):
        soft = [losses.distillation(self.head, self.teacher, 3.0),
                losses.distillation(self.exit, self.head, 1.0)]
        hard, _ = self._losses(None)
        found, of_labels = self._losses(
            self.teacher, distill=0.25, distill_temperature=3.0)
        self.assertAllClose(
            found, [0.75 * h + 0.25 * s for h, s in zip(hard, soft)])
        self.assertAllClose(of_labels, hard)

    @parameterized.parameters(_BASE, _RESTORE)
    def test_a_training_step_asks_the_teacher_s_base_network(self, *phase):
        phase, = (p for p in _PHASES if p == phase)
        net, teacher = _build(), _build()
        teacher.head.dense.bias.assign(tf.range(10.0))
        schedule = phases.Schedule(distill=1.0)
        images, labels = tf.ones([2, 16, 16, 3]), tf.constant([0, 1])
        terms, *_ = step.loss_terms(
            net, phase, schedule, net.costs, images, labels,
            steering.Steering(0.1), tf.constant(_TARGET), None, teacher)
        logits = (net.base(images, training=True) if phase == _BASE else
                  net(images, training=True, with_exits=False).logits)
        self.assertAllClose(
            terms["accuracy_loss"], losses.distillation(
                logits, teacher.base(images), 4.0), rtol=1e-3)


class WeightDecayTest(tf.test.TestCase):

    def test_kernels_of_weights_and_exits_decay_and_nothing_else_does(self):
        net = _build()
        variables = net.trainable_variables
        before = [variable.numpy() for variable in variables]
        function = _make(
            net, _EXITS, phases.Schedule(weight_decay=0.5), momentum=0)
        with mock.patch.object(step, "loss_terms", _no_loss):
            function(*_batch())
        decaying = {v.ref() for v in net.base_variables + net.exit_variables
                    if "kernel" in v.name}
        self.assertLen(decaying, (1 + 6 + 2 + 1) + 3 * 2)
        for variable, value in zip(variables, before):
            kept = 1 - 0.01 * 0.5 if variable.ref() in decaying else 1
            self.assertAllClose(
                variable, kept * value, atol=1e-7, msg=variable.name)


def _linear_loss(net, phase, schedule, prices, images, *_):
    """Stands for `step.loss_terms`: its mean over parts is that of all."""
    del phase, schedule, prices
    sums = [tf.reduce_sum(variable) for variable in net.trainable_variables]
    loss = tf.reduce_mean(images) * tf.add_n(sums)
    return {"accuracy_loss": loss}, [loss], {}


class PartsTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(2, 4, 8)
    def test_parts_of_a_batch_make_the_update_of_the_whole(self, parts):
        results = []
        with mock.patch.object(step, "loss_terms", _linear_loss):
            for count in (1, parts):
                net = _build()
                function = _make(
                    net, _EXITS, phases.Schedule(accumulate=count), momentum=0)
                results.append((function(*_batch())["loss"],
                                [v.numpy() for v in net.trainable_variables]))
        (loss, expected), (found_loss, found) = results
        self.assertAllClose(found_loss, loss)
        for ours, theirs in zip(found, expected):
            self.assertAllClose(ours, theirs, rtol=1e-5, atol=1e-6)

    def test_every_part_is_normalised_and_priced_by_itself(self):
        net, function = _build(), None
        steered = steering.Steering(0.1)
        optimizer = tf_keras.optimizers.SGD(0.1)
        optimizer.build(net.trainable_variables)
        function = step.make(
            net, optimizer, steered, _SKIP, phases.Schedule(accumulate=2),
            net.costs, _SCALING)
        parts = []
        with mock.patch.object(
                step, "skip_ratio", side_effect=lambda decisions: parts.append(
                    decisions.layers.shape) or tf.constant(0.0)):
            function(*_batch())
        self.assertEqual(parts, [(_BATCH // 2, 3)] * 2)
        # Two halves of a step move the running mean as one step does.
        self.assertAllClose(steered.skip_ratio, 0.95)


class PrecisionTest(tf.test.TestCase):

    def test_bfloat16_learns_what_float32_does(self):
        losses_of = {}
        for precision in precisions.NAMES:
            tf_keras.utils.set_random_seed(1)
            net = network.Network(network.NetworkConfig(
                depth=8, image_shape=(16, 16, 3)), precision)
            function, batch = _make(net, _EXITS, phases.Schedule()), _batch()
            losses_of[precision] = [
                float(function(*batch)["accuracy_loss"]) for _ in range(4)]
        exact, rounded = losses_of.values()
        self.assertNotEqual(exact[0], rounded[0])
        self.assertAllClose(exact, rounded, rtol=0.05)
        self.assertLess(rounded[-1], rounded[0])


class TrainedVariablesTest(tf.test.TestCase):

    def test_each_phase_trains_its_parts(self):
        net = _build()
        weights, gates, exits = (
            net.base_variables, net.gate_variables, net.exit_variables)
        for phase, *expected in (
                (_BASE, weights, []), (_WARMUP, gates, []),
                (_SKIP, weights + gates, []), (_RESTORE, weights + gates, []),
                (_EXITS, weights + gates, exits)):
            for found, those in zip(
                    step.trained_variables(net, phase), expected, strict=True):
                self.assertEqual([v.ref() for v in found],
                                 [v.ref() for v in those], phase.name)


class ExitsGradientTest(tf.test.TestCase):

    def test_exits_learn_at_their_own_loss_and_pull_at_others_by_eq_4(self):
        net, batch = _build(), _batch()
        seen, labels, thresholds, rate = _seen(batch)
        with tf.GradientTape(persistent=True) as tape:
            outputs = net(seen, training=True, thresholds=thresholds)
            head, *exits = [
                losses.cross_entropy(logits, labels)
                for logits in (outputs.logits, *outputs.exit_logits)]
            # Eq. 4, its weights out of the gradient.
            total = head + tf.add_n([
                float(head) / float(loss) * loss for loss in exits])
        last = net.blocks[0].convolutions[0].kernel
        shared = tape.gradient(total, last)
        own = tape.gradient(exits, net.exit_variables)
        before = [v.numpy() for v in (last, *net.exit_variables)]
        # Without gates that are priced, and without momentum or decay.
        function = _make(net, _EXITS, phases.Schedule(
            weight_decay=0.0, alpha=0.0), momentum=0)
        with mock.patch.object(
                steering.Steering, "weight", return_value=tf.constant(0.0)):
            function(*batch)
        for variable, value, gradient in zip(
                (last, *net.exit_variables), before, (shared, *own)):
            self.assertAllClose(variable, value - rate * gradient,
                                atol=2e-6, msg=variable.name)


    def test_alone_they_learn_of_labels_and_head_as_a_device_runs_both(self):
        net, batch = _build(), _batch()
        seen, labels, thresholds, rate = _seen(batch)
        with tf.GradientTape() as tape:
            outputs = net(seen, thresholds=thresholds, train_exits=True)
            exits = [
                0.75 * losses.cross_entropy(logits, labels)
                + 0.25 * losses.distillation(logits, outputs.logits, 1.0)
                for logits in outputs.exit_logits]
        own = tape.gradient(exits, net.exit_variables)
        head = losses.cross_entropy(outputs.logits, labels)
        before = [v.numpy() for v in net.exit_variables]
        schedule = phases.Schedule(
            epochs={"exits": 1}, weight_decay=0.0, distill=0.25,
            exits_alone=True)
        [alone] = phases.planned(net.config, schedule)
        metrics = _make(net, alone, schedule, momentum=0)(*batch)
        for variable, value, gradient in zip(
                net.exit_variables, before, own, strict=True):
            self.assertAllClose(variable, value - rate * gradient,
                                atol=2e-6, msg=variable.name)
        weights = [float(head) / float(losses.cross_entropy(logits, labels))
                   for logits in outputs.exit_logits]
        self.assertAllClose(metrics["loss"], 0.75 * head + tf.add_n(
            [w * loss for w, loss in zip(weights, exits)]), rtol=1e-4)


class SkipRatioTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.named_parameters(
        ("all_open", [[1, 1]], [[1, 1]], [[1]], 0.0),
        ("all_closed", [[0, 0]], [[1, 1]], [[1]], 1.0),
        # Executed: 1 * 0.5, 0 * 1; 1 * 0.25, 1 * 1 of four.
        ("some", [[1, 0], [1, 1]], [[1, 0, 1, 0], [0, 0, 0, 1]],
         [[1], [1]], 1 - 1.75 / 4))
    def test_value_by_hand(self, layers, first, second, expected):
        decisions = deciding.Decisions(
            tf.constant(layers, tf.float32),
            (tf.constant(first, tf.float32), tf.constant(second, tf.float32)))
        self.assertAllClose(step.skip_ratio(decisions), expected)


if __name__ == "__main__":
    tf.test.main()
