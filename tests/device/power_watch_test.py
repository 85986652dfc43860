"""A watched source never raises, and is believed only when it can be true."""

import math
import threading
import time
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import hypothesis
from hypothesis import strategies as st
import numpy as np

from device import errors
from device.power import reading
from device.power import watch
from tests.device import power_fakes

_GOOD = power_fakes.charged(0.8, draw_w=2.5, voltage_v=3.9, charging=False)


class WatchCase(parameterized.TestCase):
    """A watched fake of 10 Wh (36,000 J), read in the test's own thread."""

    def setUp(self):
        super().setUp()
        self.clock = power_fakes.Clock(1000.0)
        self.source = power_fakes.Source(_GOOD)
        self.warnings = []
        self.watched = self.watch(capacity_wh=10.0)

    def watch(self, **options):
        return watch.Watched(self.source, **{
            "patience_s": None, "clock": self.clock,
            "warn": self.warnings.append, **options})

    def look(self, says, after_s=1.0, used_j=0.0):
        """The look at a source that says this some seconds later."""
        self.source.says = says
        self.clock.advance(after_s)
        return self.watched.look(used_j)


class HealthTest(WatchCase):

    def test_a_good_reading_is_passed_on(self):
        self.assertEqual(self.watched.look(),
                         watch.Look(_GOOD, 0.0, "good", ""))
        self.assertEmpty(self.warnings)

    @parameterized.parameters(
        (errors.PowerError("gone."), "gone."),
        (OSError(5, "I/O error"), "I/O error"),
        (ValueError(), "ValueError"),
        (None, "NoneType"),
        (0.5, "float"),
        (reading.Reading(), "nothing"),
        (power_fakes.charged(math.nan), "charge is nan"),
        (power_fakes.charged(math.inf), "charge is inf"),
        (power_fakes.charged(2.5), "charge is 2.5"),
        (power_fakes.charged(-0.3), "charge is -0.3"),
        (power_fakes.charged("80%"), "charge is a str"),
        (power_fakes.charged(True), "charge is a bool"),
        (power_fakes.charged(10 ** 400), "charge is inf"),
        (power_fakes.charged(np.array([0.1, 0.2])), "charge is a ndarray"),
        (power_fakes.charged(0.8, draw_w=1e4), "draw is 1e"),
        (power_fakes.charged(0.8, voltage_v=0.0), "voltage is 0"),
        (power_fakes.charged(0.8, voltage_v=-3.0), "voltage is -3"),
        (power_fakes.charged(0.8, charging="yes"), "charging is a str"))
    def test_nonsense_is_held_then_lost_then_forgotten(self, says, note):
        self.watched.look()
        look = self.look(says, 10.0)
        self.assertEqual((look.reading, look.age_s, look.health),
                         (_GOOD, 10.0, "held"))
        self.assertIn(note, look.note)
        self.assertEqual(self.look(says, 290.0).health, "held")
        self.assertEqual(self.look(says, 1.0).health, "lost")
        self.assertEqual(self.look(_GOOD), watch.Look(_GOOD, 0.0, "good", ""))

    def test_without_any_good_reading_it_is_lost(self):
        look = self.look(OSError("no"))
        self.assertEqual(look, watch.Look(None, math.inf, "lost", "no."))

    def test_warns_once_per_change(self):
        for says in [_GOOD] * 3 + [OSError("no")] * 400 + [_GOOD] * 3:
            self.look(says)
        self.assertEqual(self.warnings, [
            "Battery: no. The last good reading holds for 300 s.",
            "Battery: no. The charge is unknown.",
            "Battery: fake is well again."])

    def test_a_source_that_comes_and_goes_is_warned_of_once_a_minute(self):
        for index in range(600):
            self.look(OSError("no") if index % 2 else _GOOD)
        self.assertBetween(len(self.warnings), 5, 11)

    def test_reads_no_more_often_than_its_period(self):
        for _ in range(50):
            self.look(_GOOD, 0.1)
        self.assertEqual(self.source.reads, 5)

    def test_looked_at_seldom_it_is_good(self):
        self.watched.look()
        self.assertEqual(self.look(power_fakes.charged(0.7), 3600.0).health,
                         "good")

    def test_it_is_good_until_it_is_read_again(self):
        self.watched = self.watch(period_s=100.0, hold_s=10.0)
        self.watched.look()
        self.assertEqual(self.look(_GOOD, 99.0).health, "good")

    def test_an_interrupt_is_passed_on(self):
        self.source.says = KeyboardInterrupt()
        with self.assertRaises(KeyboardInterrupt):
            self.watched.look()

    def test_rounding_is_tolerated_and_undone(self):
        self.assertEqual(self.look(power_fakes.charged(1.004)).reading.charge,
                         1.0)
        charge = self.look(power_fakes.charged(np.float32(1))).reading.charge
        self.assertIs(type(charge), float)

    def test_everything_read_is_recorded(self):
        heard = []
        self.watched = self.watch(record=heard.append)
        nonsense = power_fakes.charged(2.5)
        for says in (_GOOD, nonsense, OSError("no"), None):
            self.look(says)
        self.assertEqual(heard, [_GOOD, nonsense])

    def test_closes_its_source_and_bears_its_errors(self):
        self.watched.close()
        self.assertEqual(self.source.closed, 1)
        self.source.close = lambda: 1 / 0
        self.watched.close()

    def test_what_the_source_remembers_passes_through(self):
        self.assertEqual(self.watched.memory(), {})
        self.watched.recall({"charge": 0.5})
        self.source.memory = lambda: {"charge": 0.5}
        self.assertEqual(self.watched.memory(), {"charge": 0.5})


class JumpTest(WatchCase):

    def setUp(self):
        super().setUp()
        self.look(_GOOD)

    def test_a_jump_is_not_believed_at_once(self):
        look = self.look(power_fakes.charged(0.3))
        self.assertEqual((look.reading, look.health), (_GOOD, "held"))
        self.assertEqual(look.note, "fake jumps from 80% to 30%.")
        self.assertEqual(self.look(_GOOD).health, "good")

    def test_a_swapped_battery_is_believed_after_five_readings(self):
        charges = [0.3, 0.31, 0.3, 0.29, 0.3]
        healths = [self.look(power_fakes.charged(charge)).health
                   for charge in charges]
        self.assertEqual(healths, ["held"] * 4 + ["good"])

    def test_jumps_that_disagree_are_never_believed(self):
        for index in range(50):
            look = self.look(power_fakes.charged(0.1 + 0.2 * (index % 3)))
            self.assertEqual(look.reading, _GOOD)

    # In 100 s 30 W are 3,000 of 36,000 J: 8.3%, and 5% are allowed besides.
    @parameterized.parameters((0.67, "good"), (0.66, "held"),
                              (0.93, "good"), (0.94, "held"))
    def test_what_power_and_time_allow_is_no_jump(self, charge, health):
        self.assertEqual(self.look(power_fakes.charged(charge), 100.0).health,
                         health)

    # 7,200 J are 20%.
    @parameterized.parameters((0.56, "good"), (0.54, "held"))
    def test_what_was_used_is_no_jump(self, charge, health):
        look = self.look(power_fakes.charged(charge), used_j=7200.0)
        self.assertEqual(look.health, health)

    # Of 900 s to all of it, 90 s are 10%.
    @parameterized.parameters((0.66, "good"), (0.64, "held"))
    def test_without_a_capacity_time_alone_allows(self, charge, health):
        self.watched = self.watch()
        self.look(_GOOD)
        self.assertEqual(self.look(power_fakes.charged(charge), 90.0).health,
                         health)


class FrozenTest(WatchCase):

    def setUp(self):
        super().setUp()
        self.look(_GOOD)

    # 5% of 36,000 J are 1,800 J: 720 s of 2.5 W.
    def test_the_same_draw_for_too_long_is_frozen(self):
        self.assertEqual(self.look(_GOOD, 719.0).health, "good")
        look = self.look(_GOOD, 2.0)
        self.assertEqual(look.health, "held")
        self.assertIn("said the same for 721 s", look.note)
        self.assertEqual(self.look(power_fakes.charged(0.79)).health, "good")

    def test_the_same_while_much_is_used_is_frozen(self):
        says = power_fakes.charged(0.8)
        self.assertEqual(self.look(says).health, "good")
        self.assertEqual(self.look(says, 60.0, used_j=1799.0).health, "good")
        self.assertEqual(self.look(says, 60.0, used_j=2.0).health, "held")

    @parameterized.parameters(
        power_fakes.charged(1.0, draw_w=-0.5, charging=True),  # full
        power_fakes.charged(0.8, draw_w=0.0, charging=False),
        power_fakes.charged(0.0, draw_w=2.5, charging=False),
        power_fakes.charged(0.8, charging=True))
    def test_what_has_no_reason_to_move_is_not_frozen(self, says):
        self.look(says, 3600.0)
        self.assertEqual(self.look(says, 86400.0).health, "good")

    def test_charging_that_goes_nowhere_is_frozen(self):
        says = power_fakes.charged(0.8, draw_w=-10.0, charging=True)
        self.look(says)
        self.assertEqual(self.look(says, 181.0).health, "held")

    def test_without_a_capacity_nothing_is_frozen(self):
        self.watched = self.watch()
        self.look(_GOOD)
        self.assertEqual(self.look(_GOOD, 86400.0).health, "good")


class HangTest(parameterized.TestCase):
    """With a real clock and a thread."""

    def setUp(self):
        super().setUp()
        self.gate = threading.Event()
        self.gate.set()
        self.addCleanup(self.gate.set)
        self.source = power_fakes.Source(self._wait)
        self.watched = watch.Watched(self.source, period_s=0.0, patience_s=0.05,
                                     warn=lambda text: None)

    def _wait(self):
        self.gate.wait()
        return _GOOD

    def timed_look(self):
        began_s = time.monotonic()
        look = self.watched.look()
        return look, time.monotonic() - began_s

    def test_a_hang_is_waited_for_once_and_ends_by_itself(self):
        self.assertEqual(self.watched.look().health, "good")
        self.gate.clear()
        look, first_s = self.timed_look()
        self.assertEqual(look.note, "fake does not answer.")
        self.assertEqual(look.health, "held")
        reads = self.source.reads
        _, others_s = zip(*[self.timed_look() for _ in range(20)])
        self.assertGreaterEqual(first_s, 0.04)
        self.assertLess(sorted(others_s)[10], 0.01)
        self.assertEqual(self.source.reads, reads)  # nothing piles up
        self.watched.close()
        self.assertEqual(self.source.closed, 0)  # that would hang, too
        self.gate.set()
        self.assertTrue(self._becomes_good())

    def _becomes_good(self):
        for _ in range(500):
            if self.watched.look().health == "good":
                return True
            time.sleep(0.01)
        return False

    def test_an_answer_that_came_long_ago_is_lost(self):
        clock = power_fakes.Clock()
        self.watched = watch.Watched(self.source, clock=clock, patience_s=0.02,
                                     warn=lambda text: None)
        self.gate.clear()
        self.assertEqual(self.watched.look().health, "lost")
        self.gate.set()
        time.sleep(0.05)
        self.gate.clear()
        clock.advance(1000.0)
        self.assertEqual(self.watched.look(), watch.Look(
            _GOOD, 1000.0, "lost", "fake was read 1000 s ago."))

    def test_a_system_out_of_threads(self):
        with mock.patch.object(threading.Thread, "start",
                               side_effect=RuntimeError("no new thread")):
            self.assertEqual(self.watched.look().note, "no new thread.")
        self.assertEqual(self.watched.look().health, "good")

    def test_a_slow_source_is_not_waited_for_but_read(self):
        self.source.says = lambda: time.sleep(0.08) or _GOOD
        looks = [self.timed_look() for _ in range(3)]
        for _ in range(30):
            time.sleep(0.01)
            looks.append(self.timed_look())
        self.assertEqual(looks[-1][0].reading, _GOOD)
        waits = sum(seconds > 0.04 for _, seconds in looks)
        self.assertLessEqual(waits, 6)  # of 33


_numbers = st.one_of(
    st.none(), st.floats(), st.floats(-0.2, 1.2), st.integers(), st.booleans(),
    st.text(max_size=3), st.fractions(), st.floats(width=32).map(np.float32))
_says = st.one_of(
    st.builds(reading.Reading, _numbers, _numbers, _numbers, _numbers),
    st.builds(reading.Reading, st.floats(0, 1), st.floats(-5, 5),
              st.floats(3, 4.2), st.booleans()),
    st.sampled_from([OSError(121, "Remote I/O error"), ValueError("bad"),
                     errors.PowerError("gone"), RecursionError(), EOFError()]),
    st.none(), st.integers(), st.text(max_size=3))


class PropertyTest(parameterized.TestCase):

    @hypothesis.given(
        steps=st.lists(st.tuples(_says, st.floats(0, 1000), st.floats(0, 1e4)),
                       max_size=30),
        capacity_wh=st.one_of(st.none(), st.floats(0.01, 1000)),
        patience_s=st.sampled_from([None, 60.0]))
    @hypothesis.settings(max_examples=100, deadline=None)
    def test_whatever_it_says_looks_are_sound_and_it_recovers(
            self, steps, capacity_wh, patience_s):
        clock, source = power_fakes.Clock(), power_fakes.Source()
        watched = watch.Watched(
            source, capacity_wh=capacity_wh, clock=clock,
            patience_s=patience_s, warn=lambda text: None)
        for says, after_s, used_j in steps:
            source.says = says
            clock.advance(after_s)
            self._check(watched.look(used_j))
        for index in range(6):  # well again: believed at the latest now
            source.says = power_fakes.charged(0.5 + 0.001 * index)
            clock.advance(1.5)
            look = watched.look()
        self.assertEqual((look.reading, look.health), (source.says, "good"))

    def _check(self, look):
        self.assertEqual(look.note == "", look.health == "good")
        self.assertNotIn("\n", look.note)
        self.assertGreaterEqual(look.age_s, 0.0)
        if look.reading is None:
            self.assertEqual(look.health, "lost")
            return
        charge, draw_w, voltage_v, charging = (
            look.reading.charge, look.reading.draw_w, look.reading.voltage_v,
            look.reading.charging)
        self.assertTrue(charge is None or 0.0 <= charge <= 1.0)
        self.assertTrue(draw_w is None or abs(draw_w) <= 200.0)
        self.assertTrue(voltage_v is None or 0.0 < voltage_v <= 100.0)
        self.assertIn(charging, (None, True, False))
        self.assertNotEqual(look.reading, reading.Reading())


if __name__ == "__main__":
    absltest.main()
