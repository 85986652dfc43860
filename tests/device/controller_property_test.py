"""device.controller on random plans: what holds for any gates and costs."""

import types

import hypothesis
import numpy as np
from absl.testing import absltest
from hypothesis import strategies as st

from device import anytime
from device import controller
from device import errors
import fakes
import rules
import strategies

IMAGE = np.zeros(fakes.IMAGE, np.uint8)
EXTRA = st.integers(0, 3000)  # MACs above the smallest budget


def run(case, extra=None):
    """(answer, names of what ran); `extra` MACs above the smallest budget."""
    device, runtime = rules.open_(case)
    budget = None if extra is None else device.costs.cheapest + extra
    answer = device.classify(IMAGE, thresholds=case.thresholds,
                             max_macs=budget)
    return answer, runtime.executed


class NoBudgetTest(absltest.TestCase):

    @strategies.MANY
    @hypothesis.given(strategies.cases())
    def test_what_the_gates_and_exits_decide_is_what_runs(self, case):
        answer, executed = run(case)
        self.assertEqual((answer.path, executed), rules.expected(case))
        self.assertEqual(answer.exit, executed[-1])
        self.assertEqual(answer.macs, sum(map(case.macs.get, executed)))

    @strategies.SETTINGS
    @hypothesis.given(strategies.cases())
    def test_the_entropy_is_that_of_the_answer(self, case):
        answer, executed = run(case)
        logits, = case.script[executed[-1]]
        np.testing.assert_array_equal(answer.logits, logits)
        self.assertAlmostEqual(
            answer.entropy, case.entropies[logits], places=5)
        self.assertAlmostEqual(answer.probabilities.sum(), 1, places=5)

    @strategies.SETTINGS
    @hypothesis.given(strategies.cases())
    def test_an_ample_budget_changes_nothing(self, case):
        ample, executed = run(case, extra=sum(case.macs.values()))
        self.assertEqual((ample.path, executed), rules.expected(case))


class BudgetTest(absltest.TestCase):

    @strategies.MANY
    @hypothesis.given(strategies.cases(), EXTRA)
    def test_every_budget_is_kept_and_answered(self, case, extra):
        device, runtime = rules.open_(case)
        budget = device.costs.cheapest + extra
        answer = device.classify(IMAGE, thresholds=case.thresholds,
                                 max_macs=budget)
        self.assertLessEqual(answer.macs, budget)
        self.assertEqual(answer.macs,
                         sum(map(case.macs.get, runtime.executed)))
        self.assertEqual(answer.exit, runtime.executed[-1])
        self.assertEqual(answer.probabilities.shape, (len(fakes.LABELS),))

    @strategies.SETTINGS
    @hypothesis.given(strategies.cases())
    def test_the_smallest_budget_works(self, case):
        answer, executed = run(case, extra=0)
        self.assertLessEqual(sum(map(case.macs.get, executed)),
                             rules.open_(case)[0].costs.cheapest)
        self.assertEqual(answer.exit, executed[-1])

    @strategies.SETTINGS
    @hypothesis.given(strategies.cases(), st.integers(1, 5000))
    def test_less_is_refused_with_the_smallest_that_works(self, case, less):
        device, runtime = rules.open_(case)
        smallest = device.costs.cheapest
        with self.assertRaisesRegex(
                errors.BudgetError,
                f"smallest that works is {smallest:,} MACs\\."):
            device.classify(IMAGE, max_macs=smallest - less)
        self.assertEmpty(runtime.executed)

    @strategies.SETTINGS
    @hypothesis.given(strategies.cases(), EXTRA)
    def test_a_block_runs_what_is_wanted_or_the_least(self, case, extra):
        answer, executed = run(case, extra)
        for step, groups in zip(case.manifest.plan.steps, answer.path):
            wish, _ = rules.wanted(case, step)
            self.assertIn(groups, [wish, rules.least(step)])
            ran = [name for name in executed if name == step.skip
                   or name in [way.graph for way in step.variants]]
            self.assertEqual(ran, rules.block(case, step, groups))

    @strategies.SETTINGS
    @hypothesis.given(strategies.cases(), st.none() | EXTRA)
    def test_nothing_runs_twice_or_out_of_order(self, case, extra):
        _, executed = run(case, extra)
        order = ["stem"]
        for step in case.manifest.plan.steps:
            order += [step.layer_gate, step.channel_gate, step.skip,
                      *(way.graph for way in step.variants), step.exit]
        places = list(map([*order, "head"].index, executed))
        self.assertEqual(places, sorted(set(places)))

    @strategies.SETTINGS
    @hypothesis.given(strategies.cases(), st.none() | EXTRA)
    def test_a_closed_layer_gate_spares_the_channel_gate(self, case, extra):
        _, executed = run(case, extra)
        for step in case.manifest.plan.steps:
            if step.layer_gate and step.channel_gate in executed:
                self.assertEqual(rules.is_open(case, step.layer_gate), (0,))
                self.assertIn(step.layer_gate, executed)

    @strategies.SETTINGS
    @hypothesis.given(strategies.cases(), st.none() | EXTRA)
    def test_an_exit_that_is_off_runs_only_to_answer(self, case, extra):
        answer, executed = run(case, extra)
        exits = [step.exit for step in case.manifest.plan.steps if step.exit]
        thresholds = case.thresholds or [None] * len(exits)
        for name, threshold in zip(exits, thresholds):
            if threshold is None and name in executed:
                self.assertEqual(answer.exit, name)
                self.assertIsNotNone(extra)

    @strategies.SETTINGS
    @hypothesis.given(strategies.cases(), EXTRA)
    def test_forced_blocks_keep_to_the_budget_too(self, case, extra):
        device, runtime = rules.open_(case)
        budget = device.costs.cheapest + extra
        forced = [step.variants[-1].groups if step.settled is None
                  else step.settled for step in case.manifest.plan.steps]
        answer = device.classify(IMAGE, forced=forced, max_macs=budget)
        for step, groups, ran in zip(
                case.manifest.plan.steps, forced, answer.path):
            self.assertIn(ran, [groups, rules.least(step)])
        self.assertLessEqual(answer.macs, budget)
        self.assertEqual(answer.macs,
                         sum(map(case.macs.get, runtime.executed)))
        self.assertEmpty([name for name in runtime.executed if "gate" in name])


class SeveralBudgetsTest(absltest.TestCase):

    @strategies.MANY
    @hypothesis.given(strategies.cases(), EXTRA, EXTRA)
    def test_macs_and_energy_are_kept_at_once(self, case, more, more_pj):
        device, runtime = rules.open_(case)
        max_macs = device.tariff.macs.cheapest + more
        max_pj = device.tariff.energy_pj.cheapest + more_pj
        answer = device.classify(
            IMAGE, thresholds=case.thresholds, max_macs=max_macs,
            max_energy_mj=max_pj / 1e9)
        self.assertLessEqual(answer.macs, max_macs)
        self.assertLessEqual(answer.energy_mj, max_pj / 1e9)
        self.assertEqual(answer.energy_pj, sum(
            map(case.energy_pj.get, runtime.executed)))
        self.assertEqual(answer.exit, runtime.executed[-1])

    @strategies.SETTINGS
    @hypothesis.given(strategies.cases())
    def test_the_smallest_energy_works_and_less_is_refused(self, case):
        device, runtime = rules.open_(case)
        smallest = device.tariff.energy_pj.cheapest
        answer = device.classify(IMAGE, max_energy_mj=smallest / 1e9)
        self.assertLessEqual(answer.energy_pj, smallest)
        ran = len(runtime.executed)
        with self.assertRaisesRegex(
                errors.BudgetError,
                f"smallest that works is {smallest / 1e9:.9f} mJ"):
            device.classify(IMAGE, max_energy_mj=(smallest - 1) / 1e9)
        self.assertLen(runtime.executed, ran)

    @strategies.SETTINGS
    @hypothesis.given(strategies.cases(), EXTRA, st.integers(1, 4))
    def test_no_answer_is_late_if_no_graph_is_slow(self, case, more_ms, haste):
        # A graph takes as many milliseconds as it has MACs, or less.
        graphs = [types.SimpleNamespace(name=name, p95_ms=float(macs))
                  for name, macs in case.macs.items()]
        profile = types.SimpleNamespace(
            graphs=graphs, full_path=types.SimpleNamespace(median_ms=0.0),
            parts_ms=0.0)
        runtime = fakes.FakeRuntime(case.script)
        device = controller.Controller(
            fakes.in_memory(case.manifest), make_graph=runtime.make_graph,
            profile=profile, clock=lambda: 10**6 * sum(
                case.macs[name] // haste for name in runtime.executed))
        answer = device.classify(
            IMAGE, thresholds=case.thresholds,
            deadline_ms=device.costs.cheapest + more_ms)
        self.assertFalse(answer.late)
        self.assertEqual(answer.exit, runtime.executed[-1])

    @strategies.MANY
    @hypothesis.given(strategies.cases(), st.integers(0, 12), EXTRA)
    def test_an_answer_can_be_wanted_at_any_moment(self, case, moment, extra):
        device, runtime = rules.open_(case)
        ongoing = anytime.Ongoing()
        runtime.on_run = lambda: (
            len(runtime.calls) > moment and ongoing.stop())
        answer = device.classify(
            IMAGE, thresholds=case.thresholds, ongoing=ongoing,
            max_macs=device.costs.cheapest + extra)
        self.assertLessEqual(answer.macs, device.costs.cheapest + extra)
        self.assertEqual(answer.macs,
                         sum(map(case.macs.get, runtime.executed)))
        # Once there was an answer, nothing more ran than was running.
        answered = runtime.executed.index(answer.exit)
        self.assertLessEqual(len(runtime.executed) - 1, max(answered, moment))


if __name__ == "__main__":
    absltest.main()
