"""device.draw: a thread that reads, and what it makes of bad sources."""

import math
import threading
from unittest import mock

import numpy as np
from absl.testing import absltest
from absl.testing import parameterized

from device import draw
from device import errors
from device.power import reading


class Meter:
    """Tells the readings of a list, or raises them; then the last for ever."""

    name = "a meter"

    def __init__(self, *readings):
        self._readings = [
            reading.Reading(draw_w=each) if isinstance(each, float) else each
            for each in readings]
        self.count = 0
        self.seen = threading.Event()  # all of them were read

    def read(self):
        found = self._readings[min(self.count, len(self._readings) - 1)]
        self.count += 1
        if self.count > len(self._readings):
            self.seen.set()
        if isinstance(found, Exception):
            raise found
        return found


GONE = errors.PowerError("a meter: gone")


class DrawTest(parameterized.TestCase):

    def readings(self, meter, clock=lambda: 0.0):
        """The `draw.Draw` that has read all of a meter."""
        with draw.Draw(meter, interval_s=1e-4, clock=clock) as found:
            self.assertTrue(meter.seen.wait(10))
        return found

    def test_every_reading_is_there(self):
        watts = self.readings(Meter(2.0, 2.5, 3.0, 2.0, 7.0)).watts(0.0)
        np.testing.assert_array_equal(watts[:5], [2.0, 2.5, 3.0, 2.0, 7.0])
        self.assertEqual(watts.dtype, np.float64)

    def test_what_was_read_before_is_left_out(self):
        seconds = iter(range(10**6))
        readings = self.readings(Meter(*map(float, range(9))),
                                 clock=lambda: next(seconds))
        np.testing.assert_array_equal(readings.watts(3)[:6],
                                      [3, 4, 5, 6, 7, 8])

    def test_reading_ends_with_the_block(self):
        meter = Meter(2.0)
        self.readings(meter)
        count = meter.count
        meter.seen.clear()
        self.assertFalse(meter.seen.wait(0.01))
        self.assertEqual(meter.count, count)

    def test_a_failure_now_and_then_is_passed_over(self):
        watts = self.readings(Meter(
            2.0, GONE, 2.5, reading.Reading(draw_w=math.nan), 3.0,
            reading.Reading(charge=0.5), 3.5, 4.0)).watts(0.0)
        np.testing.assert_array_equal(watts[:5], [2.0, 2.5, 3.0, 3.5, 4.0])

    @parameterized.named_parameters(
        ("error", GONE, "a meter: gone"),
        ("infinite", reading.Reading(draw_w=math.inf),
         "a meter: expected watts, found inf. Check its wiring"),
        ("charge_alone", reading.Reading(charge=0.5),
         r"a meter tells no watts, .*percent.*ina219.*without --power"))
    def test_a_source_that_fails_half_way_is_an_error(self, failure, message):
        failures = [failure] * 4
        with self.assertRaisesRegex(errors.PowerError, message):
            self.readings(Meter(2.0, 2.0, 2.0, *failures)).watts(0.0)

    @parameterized.named_parameters(
        ("said", reading.Reading(draw_w=2.0, charging=True)),
        ("seen", reading.Reading(draw_w=-0.5)))
    def test_charging_once_is_an_error(self, charging):
        readings = self.readings(Meter(2.0, 2.0, charging, *[2.0] * 9))
        with self.assertRaisesRegex(
                errors.PowerError, "a meter says that the battery is charging "
                ".*Unplug the charger"):
            readings.watts(0.0)

    def test_hardly_any_readings_are_an_error(self):
        seconds = iter([0, 0, 0, 0, 0, 1, 1, 1, *[0] * 10**4])
        readings = self.readings(Meter(*[2.0] * 8), lambda: next(seconds))
        with self.assertRaisesRegex(
                errors.PowerError, "a meter: expected at least 4 readings in a "
                "phase, found 3. Raise --energy_seconds"):
            readings.watts(1)

    def test_a_source_that_does_not_answer_is_an_error(self):
        asked, answer = threading.Event(), threading.Event()
        self.addCleanup(answer.set)

        class Hanging(Meter):
            def read(self):
                asked.set()
                answer.wait()
                return super().read()

        self.enter_context(mock.patch.object(draw, "_ANSWER_S", 0.01))
        with draw.Draw(Hanging(2.0), interval_s=1e-4) as readings:
            self.assertTrue(asked.wait(10))
        with self.assertRaisesRegex(errors.PowerError,
                                    "a meter has not answered for 0.01 sec"):
            readings.watts(0.0)


class NowTest(parameterized.TestCase):

    def test_watts_of_now(self):
        self.assertEqual(draw.now_w(Meter(2.25)), 2.25)
        self.assertEqual(draw.now_w(Meter(0.0)), 0.0)

    def test_a_source_of_charge_alone_has_a_reading_but_no_watts(self):
        meter = Meter(reading.Reading(charge=0.5))
        self.assertEqual(draw.reading(meter).charge, 0.5)
        with self.assertRaisesRegex(errors.PowerError, "tells no watts"):
            draw.now_w(meter)

    def test_a_charger_is_refused_by_both(self):
        for look in (draw.reading, draw.now_w):
            with self.assertRaisesRegex(errors.PowerError, "charging"):
                look(Meter(reading.Reading(charge=0.5, charging=True)))


if __name__ == "__main__":
    absltest.main()
