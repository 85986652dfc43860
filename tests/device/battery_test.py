"""The budget that follows a battery: learning, faults, chargers, restarts."""

import json
import math
from typing import NamedTuple

from absl.testing import absltest
from absl.testing import parameterized

from device import battery
from device import bundle
from device import errors
from device import task
from device.power import reading
from device.power import watch


class Cost(NamedTuple):
    """Of an answer, what a battery's budget looks at."""

    energy_mj: float
    latency_ms: float


# An image costs 1, 2 or 4 J if a modelled joule is one.
POINTS = tuple(
    bundle.OperatingPoint(name, (), accuracy, 1e3 * macs)
    for name, macs, accuracy in (("a", 1, 0.5), ("b", 2, 0.7), ("c", 4, 0.8)))
COSTS_MJ = {"a": 1e3, "b": 2e3, "c": 4e3}

TASK = task.Task(capacity_wh=10.0, runtime_hours=1.0, reserve=0.1, idle_w=2.0,
                 energy_scale=1.0)


class World:
    """A device that answers an image a second, and its battery."""

    name = "toy battery"

    def __init__(self, *, charge=1.0, scale=1.0, idle_w=2.0):
        self.now_s, self.charge = 0.0, charge
        self.scale, self.idle_w = scale, idle_w
        self.reading = {}    # instead of what is true
        self.broken = False

    def clock(self):
        return self.now_s

    def read(self):
        if self.broken:
            raise errors.PowerError("unplugged")
        return reading.Reading(**{
            "charge": round(self.charge, 2), **self.reading})

    def close(self):
        """There is nothing to free."""

    def budget(self, asked=TASK):
        return battery.BatteryBudget(
            POINTS, watch.Watched(
                self, capacity_wh=asked.capacity_wh, patience_s=None,
                clock=self.clock, warn=lambda text: None),
            asked, mj_per_mac=1.0, clock=self.clock)

    def run(self, budget, seconds):
        """Names of the points chosen."""
        names = []
        for _ in range(seconds):
            self.now_s += 1.0
            names.append(budget.choose().name)
            cost_mj = COSTS_MJ[names[-1]]
            budget.spent(Cost(cost_mj, latency_ms=0.5 * cost_mj))
            drawn_j = self.idle_w + self.scale * cost_mj / 1e3
            self.charge = max(self.charge - drawn_j / 36000, 0.0)
        return names


class LastsTest(parameterized.TestCase):

    @parameterized.product(scale=(1.0, 1.3, 0.8), idle_w=(2.0, 3.0))
    def test_it_lasts_as_asked_whatever_the_model_got_wrong(
            self, scale, idle_w):
        # 5 W are there; images may draw what resting leaves of them.
        world = World(scale=scale, idle_w=idle_w, charge=0.6)
        budget = world.budget()
        names = world.run(budget, 3600)
        self.assertBetween(world.charge, 0.1, 0.12)
        # All of it: nearly what a plan of known numbers gives.
        cost_j = sum(COSTS_MJ[name] for name in names) / 3600 / 1e3
        self.assertAlmostEqual(cost_j, (5 - idle_w) / scale, delta=0.25)

    def test_idle_watts_and_joules_that_nobody_gave_are_found_out(self):
        # Images take 0.5 s per modelled joule. At 2 W that is 1 J; it is 1.5 J.
        world = World(charge=0.8, scale=1.5, idle_w=1.0)
        world.run(world.budget(task.Task(10.0, 1.0, 0.1, active_w=2.0)), 3600)
        self.assertBetween(world.charge, 0.1, 0.12)

    def test_where_all_can_be_afforded_the_best_point_is_taken(self):
        world = World()
        names = world.run(world.budget(task.Task(
            100.0, 1.0, 0.1, idle_w=2.0, energy_scale=1.0)), 100)
        self.assertEqual(set(names[5:]), {"c"})

    def test_where_nothing_lasts_the_cheapest_is_taken_and_hours_are_told(self):
        world = World(charge=0.2)
        budget = world.budget()
        names = world.run(budget, 100)
        self.assertEqual(set(names), {"a"})
        # 10% of 10 Wh at 3 W.
        self.assertRegex(
            budget.status().battery.note,
            "even the cheapest operating point lasts only 0.3 of the 1.0 hours")

    def test_expected_frames_are_believed_instead_of_counted(self):
        world = World()
        asked = task.Task(10.0, 1.0, 0.1, idle_w=2.0, energy_scale=1.0,
                          frames_per_hour=10 * 3600.0)
        self.assertEqual(set(world.run(world.budget(asked), 60)), {"a"})

    def test_energy_of_every_image_beside_the_modelled_is_planned_for(self):
        # 9 W less 2 W at rest less 3 J: 4 J, of which c takes all.
        world = World()
        asked = task.Task(10.0, 1.0, 0.1, idle_w=2.0, energy_scale=1.0,
                          offset_mj=4000.0)
        budget = world.budget(asked)
        world.run(budget, 60)
        self.assertAlmostEqual(budget.status().target_mj, 2500, delta=550)


class StatusTest(absltest.TestCase):

    def test_it_tells_charge_draw_and_hours(self):
        world = World(charge=0.6)
        budget = world.budget()
        world.run(budget, 1200)
        status = budget.status()
        found = status.battery
        self.assertEqual(
            (found.source, found.health, found.charging, found.reserve,
             found.note), ("toy battery", "good", False, 0.1, ""))
        self.assertAlmostEqual(found.charge, world.charge, delta=0.01)
        self.assertAlmostEqual(found.hours_asked, 0.667, delta=0.01)
        self.assertAlmostEqual(found.hours_left, 0.667, delta=0.06)
        self.assertAlmostEqual(found.draw_w, 5.0, delta=0.5)
        self.assertAlmostEqual(status.target_mj, 3000, delta=300)

    def test_draw_that_is_measured_is_told(self):
        world = World()
        world.reading = {"draw_w": 7.5}
        budget = world.budget()
        world.run(budget, 10)
        self.assertEqual(budget.status().battery.draw_w, 7.5)


class FaultTest(absltest.TestCase):

    def test_a_lost_gauge_means_the_frugal_point_until_it_is_well(self):
        world = World(charge=0.9)
        budget = world.budget()
        self.assertIn("c", world.run(budget, 300))
        world.broken = True
        held = world.run(budget, 290)
        self.assertIn("c", held)
        self.assertEqual(budget.status().battery.health, "held")
        world.run(budget, 30)
        self.assertEqual(set(world.run(budget, 60)), {"a"})
        found = budget.status().battery
        self.assertEqual((found.health, found.note), ("lost", "unplugged."))
        self.assertAlmostEqual(found.charge, world.charge, delta=0.02)
        world.broken = False
        world.run(budget, 60)
        self.assertIn("c", world.run(budget, 60))
        self.assertEqual(budget.status().battery.health, "good")

    def test_a_gauge_that_never_answers_means_the_frugal_point(self):
        world = World()
        world.broken = True
        budget = world.budget()
        self.assertEqual(set(world.run(budget, 60)), {"a"})
        self.assertEqual(budget.status().battery.health, "lost")
        self.assertIsNone(budget.status().battery.charge)

    def test_a_source_without_charge_is_said_to_be_none(self):
        world = World()
        world.reading = {"charge": None, "draw_w": 3.0}
        budget = world.budget()
        self.assertEqual(set(world.run(budget, 60)), {"a"})
        self.assertIn("toy battery does not tell its charge",
                      budget.status().battery.note)


class ChargerTest(absltest.TestCase):

    def test_a_charger_lifts_the_limit_and_its_end_brings_it_back(self):
        world = World(charge=0.3)
        budget = world.budget()
        self.assertEqual(set(world.run(budget, 100)[10:]), {"a"})
        world.reading = {"charging": True, "draw_w": -10.0}
        world.idle_w = -8.0
        world.run(budget, 70)
        self.assertEqual(set(world.run(budget, 100)), {"c"})
        found = budget.status()
        self.assertTrue(found.battery.charging)
        self.assertIsNone(found.target_mj)
        self.assertIsNone(found.battery.hours_left)
        world.reading, world.idle_w = {}, 2.0
        world.run(budget, 70)
        self.assertEqual(set(world.run(budget, 100)), {"a"})

    def test_a_charger_that_does_not_suffice_lifts_nothing(self):
        world = World(charge=0.3)
        world.reading = {"charging": True, "draw_w": 1.0}
        self.assertEqual(set(world.run(world.budget(), 200)), {"a"})

    def test_nothing_is_learnt_of_the_drain_while_it_charges(self):
        world = World(charge=0.3, idle_w=-4.0)
        world.reading = {"charging": True}
        budget = world.budget()
        world.run(budget, 1000)
        drain = budget.memory()["drain"]
        self.assertEqual((drain["scale"], drain["idle_w"]), (1.0, 2.0))
        self.assertAlmostEqual(drain["charge"], world.charge, delta=0.01)


class IdleTest(absltest.TestCase):

    def test_the_battery_is_told_while_no_image_comes(self):
        world = World(charge=0.5)
        budget = world.budget()
        self.assertAlmostEqual(budget.status().battery.charge, 0.5)
        for _ in range(360):  # half an hour at 2 W: a tenth of 10 Wh
            world.now_s += 5.0
            world.charge -= 2.0 * 5.0 / 36000
            found = budget.status().battery
        self.assertAlmostEqual(found.charge, 0.4, delta=0.02)
        self.assertAlmostEqual(found.hours_asked, 0.5, delta=0.01)


class RestartTest(parameterized.TestCase):

    def half(self, **changes):
        """A world after half an hour, and the memory of its budget."""
        world = World(charge=0.6, scale=1.3, **changes)
        budget = world.budget()
        world.run(budget, 1800)
        return world, json.loads(json.dumps(budget.memory()))

    def hours_asked(self, budget):
        return budget.status().battery.hours_asked

    def test_time_goes_on_where_it_was_whatever_the_clock_says(self):
        world, memory = self.half()
        for now_s in (world.now_s - 3600.0, 0.0, 1e9):
            world.now_s = now_s
            budget = world.budget()
            budget.recall(memory)
            world.run(budget, 1)
            self.assertAlmostEqual(self.hours_asked(budget), 0.5, delta=0.01)

    def test_after_a_restart_it_still_lasts(self):
        world, memory = self.half()
        budget = world.budget()
        budget.recall(memory)
        self.assertEqual(budget.memory(), memory)
        world.run(budget, 1800)
        self.assertBetween(world.charge, 0.1, 0.12)

    def test_a_battery_that_comes_back_fuller_begins_a_new_time(self):
        world, memory = self.half()
        world.charge = 1.0
        budget = world.budget()
        budget.recall(memory)
        world.run(budget, 1)
        self.assertAlmostEqual(self.hours_asked(budget), 1.0)
        # What was learnt of the drain is kept.
        self.assertEqual(budget.memory()["drain"]["scale"],
                         memory["drain"]["scale"])

    @parameterized.parameters({"elapsed_s": 3600.0}, {"runtime_hours": 2.0})
    def test_a_time_that_is_over_or_another_begins_anew(self, **changes):
        world, memory = self.half()
        budget = world.budget()
        budget.recall({**memory, **changes})
        world.run(budget, 1)
        self.assertAlmostEqual(self.hours_asked(budget), 1.0)

    @parameterized.parameters(
        {"drain": 3}, {"elapsed_s": math.nan}, {"elapsed_s": "1"},
        {"workload": {}}, {"points": 1})
    def test_a_memory_that_is_damaged_is_ignored(self, **changes):
        world, memory = self.half()
        budget = world.budget()
        budget.recall({**memory, **changes})
        self.assertEqual(budget.memory(), world.budget().memory())

    @parameterized.parameters(None, 3, "text", [[]], {"memory": {}})
    def test_nonsense_is_ignored(self, memory):
        budget = World().budget()
        budget.recall(memory)
        self.assertEqual(budget.memory(), World().budget().memory())

    def test_a_drain_that_cannot_be_is_ignored(self):
        world, memory = self.half()
        budget = world.budget()
        budget.recall({**memory, "drain": {**memory["drain"], "scale": -1.0}})
        self.assertIsNone(budget.memory()["drain"])


if __name__ == "__main__":
    absltest.main()
