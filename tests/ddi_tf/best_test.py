"""Tests of choosing a run's best epoch."""

from absl.testing import absltest

from ddi_tf import best
from ddi_tf import phases

_BASE, _EXITS, _PRUNE = (phase for phase in phases.PHASES
                         if phase.name in ("base", "exits", "prune"))


def _record(step, accuracy, cost, phase="exits"):
    return {"phase": phase, "step": step,
            "tune": {"accuracy": accuracy, "cost": cost}}


class BestTest(absltest.TestCase):

    def _best_step(self, *records, phase=_EXITS):
        return best.epoch(records, phase, 0.5)["step"]

    def test_the_most_accurate_within_the_target_is_best(self):
        self.assertEqual(self._best_step(
            _record(1, 0.80, 0.50), _record(2, 0.82, 0.505),
            _record(3, 0.81, 0.40), _record(4, 0.90, 0.52)), 2)

    def test_where_none_is_within_it_the_nearest_is(self):
        self.assertEqual(self._best_step(
            _record(1, 0.9, 0.7), _record(2, 0.8, 0.6),
            _record(3, 0.95, 0.65)), 2)

    def test_of_equals_it_is_the_latest(self):
        self.assertEqual(self._best_step(
            _record(1, 0.8, 0.5), _record(2, 0.8, 0.4)), 2)

    def test_other_phases_do_not_count(self):
        records = [_record(1, 0.99, 0.5, "skip"), _record(2, 0.8, 0.5)]
        self.assertEqual(self._best_step(*records), 2)
        self.assertIsNone(best.epoch(records[:1], _EXITS, 0.5))

    def test_epochs_that_have_not_pruned_to_the_end_do_not_count(self):
        records = [{**_record(step, accuracy, 0.5, "prune"),
                    "sparsity": sparsity} for step, accuracy, sparsity in (
                        (1, 0.9, 0.3), (2, 0.7, 0.6), (3, 0.8, 0.6),
                        (4, 0.6, 0.6))]
        self.assertEqual(self._best_step(*records, phase=_PRUNE), 3)

    def test_the_base_phase_has_no_target(self):
        self.assertEqual(self._best_step(
            _record(1, 0.9, 1.0, "base"), _record(2, 0.8, 1.0, "base"),
            phase=_BASE), 1)


if __name__ == "__main__":
    absltest.main()
