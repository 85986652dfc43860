"""The simulated battery keeps account of every joule."""

import math

from absl.testing import absltest
from absl.testing import parameterized
import hypothesis
from hypothesis import strategies as st

from device import errors
from device.power import discharge
from device.power import simulated
from tests.device import power_fakes


class BatteryTest(parameterized.TestCase):

    def test_idling_empties_it_when_capacity_over_draw_says(self):
        battery = simulated.Battery(10.0, idle_w=2.5)
        battery.advance(4 * 3600 - 1)
        self.assertAlmostEqual(battery.truth_j, 2.5)
        self.assertFalse(battery.dead)
        battery.advance(1)
        self.assertTrue(battery.dead)
        self.assertEqual(battery.read().charge, 0.0)

    def test_use_and_idling_add_up(self):
        battery = simulated.Battery(1.0, charge=0.5, idle_w=2.0)
        battery.use(300.0)
        battery.advance(100.0)
        self.assertEqual(battery.truth_j, 1800.0 - 300.0 - 200.0)
        self.assertEqual(battery.read().draw_w, 5.0)
        battery.advance(10.0)
        self.assertEqual(battery.read().draw_w, 2.0)  # since the last reading
        self.assertEqual(battery.read().draw_w, 2.0)

    def test_a_charger_fills_it_and_no_further(self):
        battery = simulated.Battery(1.0, charge=0.5, idle_w=2.0)
        battery.charge_with(20.0)
        battery.advance(50.0)
        self.assertEqual(battery.truth_j, 1800.0 + 50 * 18.0)
        reading = battery.read()
        self.assertEqual((reading.draw_w, reading.charging), (-18.0, True))
        battery.advance(1e6)
        self.assertEqual(battery.truth_j, 3600.0)
        battery.charge_with(0.0)
        self.assertFalse(battery.read().charging)

    # 43 degrees are half of it: 10.75 an eighth, 21.5 a quarter.
    @parameterized.parameters((40.0, 1.0), (25.0, 1.0), (14.25, 0.875),
                              (3.5, 0.75), (-18.0, 0.5), (-61.0, 0.0),
                              (-80.0, 0.0))
    def test_cold_withholds(self, temperature_c, share):
        self.assertAlmostEqual(simulated.usable(temperature_c), share)
        battery = simulated.Battery(1.0, temperature_c=temperature_c)
        self.assertAlmostEqual(battery.truth_j, 3600.0 * share)

    def test_warmth_brings_back_what_cold_withheld(self):
        battery = simulated.Battery(1.0, charge=0.3)
        battery.warm(-18.0)
        self.assertTrue(battery.dead)
        battery.use(100.0)  # there is nothing to draw
        self.assertEqual((battery.truth_j, battery.read().charge), (0.0, 0.0))
        battery.warm(25.0)
        self.assertAlmostEqual(battery.truth_j, 0.3 * 3600.0)

    def test_a_charger_fills_also_what_is_dead_of_cold(self):
        battery = simulated.Battery(1.0, charge=0.3)
        battery.warm(-18.0)  # 720 J lie below what can be drawn
        battery.charge_with(10.0)
        battery.advance(72.0)
        self.assertAlmostEqual(battery.truth_j, 0.0)
        battery.advance(10.0)
        self.assertAlmostEqual(battery.truth_j, 100.0)

    def test_the_gauge_rounds(self):
        battery = simulated.Battery(1.0, charge=0.6149)
        self.assertAlmostEqual(battery.read().charge, 0.61)
        fine = simulated.Battery(1.0, charge=0.6149, resolution=0.0)
        self.assertEqual(fine.read().charge, 0.6149)

    def test_the_gauge_is_noisy_the_same_way_for_a_seed(self):
        def charges(seed):
            battery = simulated.Battery(1.0, charge=0.5, noise=0.02,
                                        resolution=0.0, seed=seed)
            return [battery.read().charge for _ in range(2000)]
        first = charges(1)
        self.assertEqual(first, charges(1))
        self.assertNotEqual(first, charges(2))
        mean = sum(first) / len(first)
        deviation = math.sqrt(sum((c - mean) ** 2 for c in first) / len(first))
        self.assertAlmostEqual(mean, 0.5, delta=0.002)
        self.assertAlmostEqual(deviation, 0.02, delta=0.002)

    def test_voltage_follows_the_charge(self):
        battery = simulated.Battery(1.0, charge=0.5, cells=2)
        self.assertAlmostEqual(battery.read().voltage_v, 2 * 3.805)

    @parameterized.parameters(
        dict(capacity_wh=0.0), dict(capacity_wh=math.nan), dict(charge=1.1),
        dict(idle_w=-1.0), dict(resolution=1.0), dict(noise=-0.1),
        dict(cells=0))
    def test_impossible_batteries_are_refused(self, **wrong):
        (name,) = wrong
        with self.assertRaisesRegex(errors.PowerError, name):
            simulated.Battery(**{"capacity_wh": 1.0, **wrong})

    _step = st.one_of(
        st.tuples(st.just("use"), st.floats(0, 2000)),
        st.tuples(st.just("advance"), st.floats(0, 2000)),
        st.tuples(st.just("charge_with"), st.floats(0, 20)),
        st.tuples(st.just("warm"), st.floats(-70, 50)))

    @hypothesis.given(steps=st.lists(_step, max_size=30))
    @hypothesis.settings(max_examples=100, deadline=None)
    def test_nothing_comes_from_nowhere(self, steps):
        battery = simulated.Battery(1.0, charge=0.5, idle_w=1.0)
        brought_j, warmest = 1800.0, 3600.0
        for name, value in steps:
            before_j = battery.truth_j
            if name == "advance":
                brought_j += 20.0 * value  # the largest charger
            getattr(battery, name)(value)
            self.assertBetween(battery.truth_j, 0.0, warmest)
            if name == "use":
                self.assertAlmostEqual(before_j - battery.truth_j,
                                       min(value, before_j))
            self.assertBetween(battery.read().charge, 0.0, 1.0)
        self.assertLessEqual(battery.truth_j, brought_j)


class LiveTest(absltest.TestCase):

    def test_it_ages_with_the_clock(self):
        clock = power_fakes.Clock(77.0)
        live = simulated.Live(simulated.Battery(1.0, idle_w=3.6), clock)
        clock.advance(500.0)
        reading = live.read()
        self.assertAlmostEqual(reading.charge, 0.5)
        self.assertAlmostEqual(reading.draw_w, 3.6)


class DischargeTest(parameterized.TestCase):

    @parameterized.parameters((3.4, 0.0), (3.605, 0.05), (3.805, 0.5),
                              (4.185, 1.0), (2.9, 0.0), (4.25, 1.0),
                              (3.8855, 0.6430))
    def test_the_curve(self, volts, charge):
        self.assertAlmostEqual(discharge.charge(volts), charge, places=4)
        self.assertAlmostEqual(discharge.charge(3 * volts, 3), charge, places=4)

    @hypothesis.given(st.floats(0, 1), st.integers(1, 4))
    def test_there_and_back(self, charge, cells):
        volts = discharge.voltage_v(charge, cells)
        self.assertAlmostEqual(discharge.charge(volts, cells), charge)

    @hypothesis.given(st.floats(0, 1), st.floats(0, 1))
    def test_more_volts_are_never_less_charge(self, one, other):
        low, high = sorted((one, other))
        self.assertLessEqual(discharge.voltage_v(low),
                             discharge.voltage_v(high))

    def test_load_sags(self):
        self.assertAlmostEqual(discharge.at_rest_v(3.6, 2.0, 0.1), 3.8)
        self.assertAlmostEqual(discharge.at_rest_v(4.2, -1.0, 0.1), 4.1)


if __name__ == "__main__":
    absltest.main()
