"""device.measure_energy: a machine whose watts and seconds are made up.

A graph takes as many milliseconds as it has MACs, and the machine draws 2 W, or
2.5 W while a graph runs: half a millijoule per MAC, where the bundle models
half a nanojoule.
"""

import numpy as np
from absl.testing import absltest
from absl.testing import parameterized

from device import controller
from device import errors
from device import measure_energy
from device.power import reading
import fakes

IMAGES = np.arange(36, dtype=np.uint8).reshape(3, *fakes.IMAGE)
MANIFEST = fakes.manifest([fakes.GATED, fakes.GATED], stem=100, head=3)
# stem, blocks (20: whole, 5: passed by), and head or first exit.
MACS = {"full": 100 + 20 + 20 + 3, "half": 100 + 20 + 5 + 3,
        "cheapest": 100 + 5 + 7}


class Machine:
    """A clock, a meter, and the graphs that let time pass."""

    name = "a meter"

    def __init__(self, manifest=MANIFEST, *, idle_w=2.0, added_w=0.5,
                 noise_w=0.0):
        self.idle_w, self.added_w, self.noise_w = idle_w, added_w, noise_w
        self.now_s, self.phases = 7.0, []  # time need not begin at zero
        self._random = np.random.default_rng(0)
        self._draws = []
        runtime = fakes.FakeRuntime()
        self.controller = controller.Controller(
            fakes.in_memory(manifest), make_graph=lambda spec, content: _Timed(
                runtime.make_graph(spec, content), spec.macs, self))

    def wait(self, seconds):
        """Nothing is done for so long."""
        self.phases.append("idle")
        self._pass(seconds, self.idle_w)

    def compute(self, seconds):
        self._pass(seconds, self.idle_w + self.added_w)

    def read(self):
        return reading.Reading(draw_w=self.idle_w)

    def read_draw(self, source):
        """For `read_draw`: a reading whenever some time has passed."""
        assert source is self
        self._draws.append(_Draw())
        return self._draws[-1]

    def measure(self, seconds=120.0, **options):
        return measure_energy.measure_energy(
            self.controller, IMAGES, self, seconds=seconds,
            clock=lambda: self.now_s, wait=self.wait, read_draw=self.read_draw,
            **options)

    def _pass(self, seconds, watts):
        # In parts: a phase of sleeping is several readings, too.
        for _ in range(8):
            self.now_s += seconds / 8
            if self._draws:
                self._draws[-1].samples.append(
                    (self.now_s, self._random.normal(watts, self.noise_w)))


class _Draw:
    """What `draw.Draw` is, without a thread."""

    def __init__(self):
        self.samples = []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def watts(self, since_s):
        return np.array([watts for second, watts in self.samples
                         if second >= since_s])


class _Timed:
    """A `fakes.FakeGraph` that takes time."""

    def __init__(self, graph, macs, machine):
        self._graph, self._macs, self._machine = graph, macs, machine
        self.view, self.read = graph.view, graph.read

    def run(self, *inputs):
        self._graph.run(*inputs)
        self._machine.compute(1e-3 * self._macs)


class MeasureTest(parameterized.TestCase):

    def test_joules_by_hand(self):
        found = Machine().measure()
        self.assertEqual(found.source, "a meter")
        self.assertAlmostEqual(found.idle_w, 2.0)
        self.assertEqual([each.name for each in found.workloads], list(MACS))
        for each in found.workloads:
            macs = MACS[each.name]
            self.assertAlmostEqual(each.draw_w, 2.5)
            self.assertAlmostEqual(each.modelled_mj, 0.5e-6 * macs)
            self.assertAlmostEqual(each.real_mj, 0.5 * macs)
            self.assertAlmostEqual(each.real_mj_error, 0, delta=1e-6)
            # Phases of 5 s end with the image in which the time is up.
            self.assertEqual(each.images, 6 * -(-5000 // macs))
            self.assertAlmostEqual(each.seconds, 1e-3 * macs * each.images)
        self.assertAlmostEqual(found.scale / 1e6, 1)
        self.assertAlmostEqual(found.offset_mj, 0, delta=1e-6)
        self.assertAlmostEqual(found.lag, 0)

    def test_what_every_image_costs_on_top_is_the_offset(self):
        machine = Machine()
        classify = machine.controller.classify

        def slow(image, **options):
            machine.compute(0.01)  # 10 ms of half a watt
            return classify(image, **options)

        machine.controller.classify = slow
        found = machine.measure()
        self.assertAlmostEqual(found.offset_mj, 5.0)
        self.assertAlmostEqual(found.scale / 1e6, 1)

    def test_every_other_cycle_runs_backwards(self):
        machine, shares, idled = Machine(), [], []

        def progress(share):
            shares.append(share)
            idled.append(len(machine.phases))

        machine.measure(progress=progress)
        np.testing.assert_allclose(shares, np.arange(1, 25) / 24)
        # Of a cycle of four, idle is the first or the last.
        self.assertEqual(idled[:12], [1, 1, 1, 1, 1, 1, 1, 2, 3, 3, 3, 3])

    def test_it_takes_the_seconds_it_was_given(self):
        machine = Machine()
        machine.measure(seconds=120.0)
        # Each of 18 phases of work ends with an image of at most 143 ms.
        self.assertBetween(machine.now_s, 127.0, 127.0 + 19 * 0.143)

    def test_the_beginning_of_a_phase_is_not_counted(self):
        # Phases of 5 s, the first second of which is left out.
        machine = Machine()
        wait = machine.wait

        def settling(seconds):
            machine.idle_w = 5.0
            machine.compute(0.9)
            machine.idle_w = 2.0
            wait(seconds)

        machine.wait = settling
        self.assertAlmostEqual(machine.measure().idle_w, 2.0)

    def test_ways_of_one_cost_are_measured_once(self):
        plain = fakes.manifest([fakes.Block(skippable=False)], stem=100)
        found = Machine(plain).measure()
        self.assertEqual([each.name for each in found.workloads], ["full"])
        self.assertAlmostEqual(found.scale / 1e6, 1)

    def test_a_network_without_exits_is_cheapest_at_its_head(self):
        block = fakes.Block(skip=5)
        found = Machine(fakes.manifest([block, block], stem=100)).measure()
        # 100, two blocks of 10 or 5, a head of 1.
        self.assertEqual([each.modelled_mj for each in found.workloads],
                         [0.5e-6 * macs for macs in (121, 116, 111)])

    def test_noise_is_told_and_no_difference_is_refused(self):
        found = Machine(noise_w=0.1).measure()
        self.assertBetween(found.workloads[0].real_mj_error, 0.01, 5)
        self.assertBetween(found.workloads[0].real_mj, 60, 83)
        with self.assertRaisesRegex(errors.PowerError, "not measurable"):
            Machine(noise_w=0.1, added_w=0.0).measure()

    def test_a_source_that_cannot_measure_is_refused_at_once(self):
        machine = Machine()
        machine.read = lambda: reading.Reading(charge=0.5)
        with self.assertRaisesRegex(errors.PowerError, "tells no watts"):
            machine.measure()
        self.assertEqual(machine.now_s, 7.0)


if __name__ == "__main__":
    absltest.main()
