"""device.measure: what runs in a round, with which inputs, for how long.

The clock is not a real one: a graph takes as many milliseconds as it has MACs,
and taking one of its outputs a microsecond.
"""

import itertools
import json
import pathlib

import hypothesis
import numpy as np
from absl.testing import absltest
from absl.testing import parameterized

from device import bundle
from device import controller
from device import measure
from device import runtime
import fakes
import strategies

_BUNDLE = pathlib.Path(__file__).parents[1] / "testdata" / "digits_resnet8"

IMAGES = np.arange(36, dtype=np.uint8).reshape(3, *fakes.IMAGE)
MASKED = fakes.Block(layer_gate=4, skip=None, groups=3, channel_gate=6,
                     variants=((40, (0, 1, 2), True), (25, (0, 2), True)))
FIXED = fakes.Block(variants=((9, (0,), False),), skippable=False)
MANIFEST = fakes.manifest([fakes.GATED, MASKED, FIXED], stem=100, head=3)
# Of the plan above: in every walk, in its three walks, and the full path.
ALWAYS_MS = 100 + (1 + 2 + 5 + 7) + (4 + 6) + 9 + 3
WALKS_MS = 3 * ALWAYS_MS + (10 + 11 + 20) + (40 + 25 + 40)
FULL_MS = 100 + 20 + 40 + 9 + 3


class Clock:
    """Nanoseconds that pass when they are told to."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now


class TimedGraph:
    """A `fakes.FakeGraph` that takes time."""

    def __init__(self, graph, macs, clock):
        self._graph, self._macs, self._clock = graph, macs, clock
        self.slower_by_ms = 0  # every time

    def run(self, *inputs):
        self._graph.run(*inputs)
        self._clock.now += 1_000_000 * self._macs
        self._macs += self.slower_by_ms

    def view(self, output=0):
        self._clock.now += 1000
        return self._graph.view(output)

    def read(self, output=0):
        self._clock.now += 1000
        return self._graph.read(output)


class MeasureTest(parameterized.TestCase):

    def setUp(self):
        super().setUp()
        self.use(MANIFEST)

    def use(self, manifest, script=None):
        """Makes `self.device`, its `self.runtime`, `self.graphs`."""
        self.clock, self.runtime = Clock(), fakes.FakeRuntime(script)
        self.graphs = {}

        def make_graph(spec, content):
            self.graphs[spec.name] = TimedGraph(
                self.runtime.make_graph(spec, content), spec.macs, self.clock)
            return self.graphs[spec.name]

        self.device = controller.Controller(
            fakes.in_memory(manifest), make_graph=make_graph)

    def measure(self, **options):
        return measure.measure(
            self.device, IMAGES,
            **{"runs": 2, "seconds": 1e9, "clock": self.clock, **options})

    def calls(self, name):
        """The inputs of every run of a graph."""
        return [inputs for called, inputs in self.runtime.calls
                if called == name]

    def number(self, name):
        """What the fakes fill the features of a graph with."""
        return list(self.graphs).index(name)


class TimesTest(MeasureTest):

    def test_a_graph_s_time_is_run_and_what_the_controller_takes(self):
        times = self.measure()
        macs = {graph.name: graph.macs for graph in MANIFEST.graphs}
        self.assertEqual(set(times.graphs), set(macs))
        for name, found in times.graphs.items():
            # The probability and the state; features, logits or groups.
            taken = 2 if "layer_gate" in name else 1
            np.testing.assert_array_equal(
                found, macs[name] + 0.001 * taken, name)

    def test_the_full_path_is_timed_as_a_whole(self):
        times = self.measure()
        np.testing.assert_allclose(
            times.full_path, [FULL_MS + 0.001 * 5] * 2, rtol=1e-12)
        self.assertEqual(times.full_path_graphs, (
            "stem", "block0_way2", "block1_way0", "block2_way0", "head"))

    def test_warm_up_rounds_are_not_counted(self):
        # Seven times a round: in three walks of two, and in the full path.
        self.graphs["stem"].slower_by_ms = 1
        times = self.measure(runs=3)
        self.assertEqual((times.rounds, times.warmup), (3, measure.WARMUP))
        # The second of two walks is counted.
        np.testing.assert_allclose(
            times.graphs["stem"], 100.001 + np.array(
                [71, 73, 75, 78, 80, 82, 85, 87, 89]), rtol=1e-12)
        np.testing.assert_allclose(times.full_path - times.full_path[0],
                                   [0, 7, 14], atol=1e-9)

    def test_a_variant_counts_when_its_walk_comes(self):
        times = self.measure(runs=5)
        self.assertEqual(
            {name: len(times.graphs[name]) for name in (
                "stem", "block0_way1", "block1_way0", "block1_way1")},
            {"stem": 15, "block0_way1": 5, "block1_way0": 10,
             "block1_way1": 5})

    def test_a_shared_graph_counts_whenever_it_runs(self):
        self.use(fakes.with_step(MANIFEST, 1, layer_gate="block0_layer_gate"))
        times = self.measure(runs=5)
        self.assertLen(times.graphs["block0_layer_gate"], 30)
        self.assertLen(times.graphs["stem"], 15)
        # What the plan does not run is not measured.
        self.assertNotIn("block1_layer_gate", times.graphs)

    def test_runs_below_one_are_refused(self):
        with self.assertRaisesRegex(ValueError, "`runs` must be 1 .*: 0"):
            self.measure(runs=0)


class RoundTest(MeasureTest):

    def test_a_round_walks_every_way_twice_then_takes_the_full_path(self):
        self.measure(runs=1)
        expected = []
        for ways in ((0, 0), (1, 1), (2, 0)):
            expected += 2 * [
                "stem",
                "block0_layer_gate", "block0_channel_gate", "block0_skip",
                f"block0_way{ways[0]}", "block0_exit",
                "block1_layer_gate", "block1_channel_gate",
                f"block1_way{ways[1]}", "block2_way0", "head"]
        expected += ["stem", "block0_way2", "block1_way0", "block2_way0",
                     "head"]
        self.assertEqual(self.runtime.executed,
                         expected * (measure.WARMUP + 1))

    def test_closed_gates_change_nothing(self):
        self.measure(runs=1)
        expected = self.runtime.executed
        self.use(MANIFEST, {"block0_layer_gate": [[0.0]],
                            "block1_channel_gate": [[0.0, 0.0, 0.0]]})
        self.measure(runs=1)
        self.assertEqual(self.runtime.executed, expected)

    def test_features_come_from_the_graph_before(self):
        self.measure(runs=1)
        # In turn where a walk has brought another variant.
        block0 = [f"block0_way{way}" for way in (0, 0, 1, 1, 2, 2)]
        block1 = [f"block1_way{way}" for way in (0, 0, 1, 1, 0, 0)]
        for name, befores in (
                ("block0_layer_gate", ["stem"]), ("block0_skip", ["stem"]),
                ("block0_way0", ["stem"]), ("block0_way2", ["stem"]),
                ("block0_exit", block0), ("block1_layer_gate", block0),
                ("block1_way1", ["block0_way1"]),
                ("block2_way0", [*block1, "block1_way0"]),
                ("head", ["block2_way0"])):
            for inputs, before in zip(
                    self.calls(name), itertools.cycle(befores)):
                np.testing.assert_array_equal(
                    inputs[0], np.full(fakes.FEATURES, self.number(before)))

    def test_the_state_goes_from_gate_to_gate(self):
        self.measure(runs=1)
        for inputs in self.calls("block0_layer_gate"):
            np.testing.assert_array_equal(inputs[1], np.zeros(fakes.STATE))
        for inputs in self.calls("block1_layer_gate"):
            np.testing.assert_array_equal(inputs[1], np.full(
                fakes.STATE, self.number("block0_layer_gate")))

    def test_a_mask_opens_the_variant_s_groups(self):
        self.measure(runs=1)
        for name, mask in (("block1_way0", [[1, 1, 1]]),
                           ("block1_way1", [[1, 1]])):
            for inputs in self.calls(name):
                np.testing.assert_array_equal(inputs[1], mask)

    def test_channels_are_appended_as_the_controller_does(self):
        dense = fakes.Block(layer_gate=4, appended=2)
        self.use(fakes.manifest([dense, FIXED, dense], stem=100, head=3))
        self.measure(runs=1)
        stem, *blocks = map(self.number, (
            "stem", "block0_way0", "block1_way0", "block2_way0"))
        for name, channels in (
                ("block0_way0", [stem] * 4),
                ("block1_way0", [stem] * 4 + [blocks[0]] * 2),
                ("block2_layer_gate", [blocks[1]] * 6),
                ("head", [blocks[1]] * 6 + [blocks[2]] * 2)):
            for inputs in self.calls(name):
                np.testing.assert_array_equal(
                    inputs[0], np.broadcast_to(channels, inputs[0].shape))

    def test_states_of_channel_gates_are_their_own(self):
        both = fakes.Block(layer_gate=4, channel_gate=6,
                           recurrent=("layer_gate", "channel_gate"))
        self.use(fakes.manifest([both, both]))
        self.measure(runs=1)
        for role in both.recurrent:
            for inputs in self.calls(f"block0_{role}"):
                np.testing.assert_array_equal(inputs[1], [[0, 0]])
            for inputs in self.calls(f"block1_{role}"):
                np.testing.assert_array_equal(
                    inputs[1], [[self.number(f"block0_{role}")] * 2])

    def test_images_are_taken_in_turn(self):
        self.measure(runs=5)
        found = [inputs[0] for inputs in self.calls("stem")]
        order = [*(n % 3 for n in range(measure.WARMUP)), 0, 1, 2, 0, 1]
        self.assertLen(found, 7 * len(order))
        for index, image in enumerate(np.repeat(order, 7)):
            np.testing.assert_array_equal(
                found[index], self.device.prepare(IMAGES[image]))


class LimitTest(MeasureTest):
    """A round of this plan takes 1286 ms and some microseconds."""

    def test_no_round_begins_after_the_time(self):
        self.assertEqual(2 * WALKS_MS + FULL_MS, 1286)
        # 46 rounds end after 59.16 s, so one more begins.
        self.clock.now = 7  # it need not begin at zero
        times = self.measure(runs=1000, seconds=60)
        self.assertEqual((times.rounds, times.warmup), (37, 10))
        self.assertBetween(self.clock.now / 1e9, 60, 61.286)

    def test_warm_up_takes_a_quarter_of_the_time(self):
        times = self.measure(runs=1000, seconds=12)
        self.assertEqual((times.rounds, times.warmup), (7, 3))

    def test_there_is_one_round_however_short_the_time(self):
        times = self.measure(runs=1000, seconds=1e-9)
        self.assertEqual((times.rounds, times.warmup), (1, 1))

    @parameterized.parameters((5, 1e9), (1000, 20), (1, 1e-9))
    def test_progress_grows_to_one(self, runs, seconds):
        shares = []
        times = self.measure(runs=runs, seconds=seconds,
                             progress=shares.append)
        self.assertLen(shares, times.rounds)
        self.assertEqual(shares, sorted(shares))
        self.assertGreater(shares[0], 0)
        self.assertEqual(shares[-1], 1)


class AnyPlanTest(MeasureTest):

    @strategies.SETTINGS
    @hypothesis.given(strategies.manifests())
    def test_every_graph_of_a_plan_is_measured(self, manifest):
        self.use(manifest)
        times = self.measure()
        self.assertEqual(set(times.graphs), manifest.plan.graph_names)
        for name in times.full_path_graphs:
            self.assertIn(name, times.graphs)
        # Of a full path nothing but its graphs takes time on this clock.
        whole = sum(times.graphs[name][0] for name in times.full_path_graphs)
        np.testing.assert_allclose(times.full_path, whole, atol=1e-9)


class StatisticsTest(absltest.TestCase):

    def test_numbers_by_hand(self):
        # Between 2 and 4; 0.85 of the way from 4 to 9.
        self.assertEqual(
            measure.statistics(np.array([1.0, 9.0, 2.0, 4.0])),
            {"median_ms": 3.0, "p95_ms": 8.25, "mean_ms": 4.0, "count": 4})

    def test_numbers_are_json_of_nanoseconds(self):
        values = measure.statistics(np.array([1 / 3]))
        self.assertEqual(json.dumps(values), '{"median_ms": 0.333333, '
                         '"p95_ms": 0.333333, "mean_ms": 0.333333, "count": 1}')


class RealGraphsTest(absltest.TestCase):

    def test_every_graph_of_a_bundle_takes_time(self):
        loaded = bundle.load(_BUNDLE)
        images = np.random.default_rng(0).integers(
            0, 256, [2, *loaded.manifest.input.shape], np.uint8)
        with controller.Controller(loaded, make_graph=runtime.Graph) as device:
            times = measure.measure(device, images, runs=3, seconds=60)
        self.assertEqual(set(times.graphs), set(loaded.graphs))
        for name, found in times.graphs.items():
            self.assertTrue(np.isfinite(found).all(), name)
            self.assertGreater(found.min(), 0, name)
        # No run of a whole is shorter than the quickest runs of its parts.
        self.assertGreater(times.full_path.min(), sum(
            times.graphs[name].min() for name in ("stem", "head")))


if __name__ == "__main__":
    absltest.main()
