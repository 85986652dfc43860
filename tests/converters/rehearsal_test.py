"""TFLM against LiteRT on images, and what memory and paths then cost."""

import dataclasses
import pathlib
import types
from unittest import mock

import hypothesis
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from converters import c_plan
from converters import memory_plan
from converters import rehearsal
from converters import tflm
from ddi_tf import errors
from device import bundle as bundle_lib
from device import controller as controller_lib
import fakes
import micro_cases
import parity_test
import strategies

_FLOAT = pathlib.Path(__file__).parent.parent / "testdata" / "digits_resnet8"


@micro_cases.needs_tflm
class RehearsalTest(tf.test.TestCase, parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bundle = bundle_lib.load(micro_cases.shared_bundle())
        cls.images = parity_test.random_images(12)
        cls.rehearsal = rehearsal.Rehearsal(cls.bundle)
        cls.decisions = [cls.rehearsal.run(image) for image in cls.images]
        cls.plan = c_plan.make(cls.bundle)
        cls.memory = memory_plan.memory(cls.bundle, cls.plan, {
            name: graph.arena for name, graph in cls.rehearsal.graphs.items()})
        cls.paths = memory_plan.Paths(cls.bundle, cls.memory)

    def test_every_graph_is_compared_on_every_image(self):
        runs = {name: comparison.runs for name, comparison
                in self.rehearsal.comparisons.items()}
        self.assertEqual(min(runs.values()), len(self.images))
        self.rehearsal.check()

    def test_differences_are_counted_by_hand(self):
        found = rehearsal.Difference()
        found.add(np.int8([1, -128, 5]), np.int8([1, 127, 4]))
        self.assertEqual((found.differing, found.largest), (2, 255))
        found = rehearsal.Difference()
        found.add(np.float32([2.0, 0.0]), np.float32([2.0, 1e-6]))
        self.assertEqual(found.differing, 0)
        found.add(np.float32([2.0, 0.0]), np.float32([2.0, 1e-5]))
        self.assertEqual(found.differing, 1)
        self.assertAllClose(found.largest, 5e-6)

    def test_another_result_than_the_reference_kernels_is_an_error(self):
        made = rehearsal.Rehearsal(self.bundle)
        made.run(self.images[0])
        made.comparisons["stem"].reference.add(
            np.zeros(3, np.int8), np.int8([0, 2, 0]))
        with self.assertRaisesRegex(
                errors.ExportError, "stem: .*in 1 of 16,384 numbers "
                r"\(1 runs\) by up to 2, expected 0 at most"):
            made.check()

    @parameterized.parameters("shannon", "min")
    def test_means_are_of_what_the_controller_spends(self, entropy):
        bundle = bundle_lib.Bundle(
            self.bundle.folder,
            dataclasses.replace(self.bundle.manifest, entropy=entropy),
            {name: self.bundle.content(name) for name in self.bundle.graphs})
        python = controller_lib.Controller(bundle, make_graph=tflm.Graph)
        paths = memory_plan.Paths(bundle, self.memory)
        for point in bundle.manifest.operating_points:
            answers = [python.classify(image, thresholds=point.thresholds)
                       for image in self.images]
            mean, shares = paths.mean(self.decisions, point.thresholds)
            self.assertAllClose(
                mean.macs, np.mean([answer.macs for answer in answers]))
            self.assertAllClose(shares, [
                np.mean([answer.exit == name for answer in answers])
                for name in (*bundle.exits, "head")])

    def test_paths_cost_what_the_controller_spends(self):
        python = controller_lib.Controller(
            self.bundle, make_graph=tflm.Graph)
        self.assertEqual(self.paths.cheapest().macs, python.costs.cheapest)
        everything = python.classify(
            self.images[0], forced=[(0, 1)] * 3).macs
        asked = sum(
            self.bundle.graphs[name].macs
            for step in self.bundle.manifest.plan.steps
            for name in (step.layer_gate, step.channel_gate, step.exit))
        self.assertEqual(self.paths.full().macs, everything + asked)

    def test_arena_is_that_of_the_largest_graph_and_enough(self):
        totals = [arena.total for arena in self.memory.arenas.values()]
        self.assertBetween(self.memory.arena, max(totals), max(totals) + 15)
        for arena in self.memory.arenas.values():
            self.assertEqual(arena.total, arena.head + arena.tail)
        self.assertEqual(self.paths.full().ram, max(totals)
                         + self.memory.work + self.memory.image)

    def test_bundle_that_the_c_structs_cannot_hold_is_refused(self):
        with self.assertRaisesRegex(
                errors.ExportError, "graph stem reads and leaves .*float32"):
            c_plan.make(bundle_lib.load(_FLOAT))
        heavy = dataclasses.replace(self.bundle.manifest, graphs=tuple(
            dataclasses.replace(graph, macs=1 << 28)
            for graph in self.bundle.manifest.graphs))
        with self.assertRaisesRegex(errors.ExportError, "MACs, expected"):
            c_plan.make(bundle_lib.Bundle(self.bundle.folder, heavy, {}))


class ToyGraph:
    """A toy graph whose outputs outlive its next run, as of TFLM's."""

    def __init__(self, graph):
        self.run, self.read = graph.run, graph.read
        self.view = lambda output=0: graph.view(output).copy()


class ToyRuntime:
    """What runs an int8 toy plan in place of TFLM and of LiteRT."""

    def __init__(self, bundle, script):
        self._bundle, self._script = bundle, script

    def tflm(self, spec, content):
        return ToyGraph(micro_cases.Int8Runtime(self._script).make_graph(
            spec, content))

    def litert(self, content, reference):
        del reference
        spec = next(spec for spec in self._bundle.graphs.values()
                    if self._bundle.content(spec.name) == content)
        graph = self.tflm(spec, content)

        def outputs(inputs):
            graph.run(*inputs)
            return [graph.view(n) for n in range(len(spec.outputs))]

        return types.SimpleNamespace(outputs=outputs)


class AnyPlanTest(tf.test.TestCase):

    @strategies.SETTINGS
    @hypothesis.given(strategies.cases())
    def test_an_image_takes_the_way_of_the_controller(self, case):
        bundle = fakes.in_memory(micro_cases.as_int8(case.manifest))
        toy = ToyRuntime(bundle, case.script)
        with mock.patch.multiple(tflm, Graph=toy.tflm, LiteRTGraph=toy.litert):
            rehearsed = rehearsal.Rehearsal(bundle)
        fake = micro_cases.Int8Runtime(case.script)
        controller = controller_lib.Controller(
            bundle, make_graph=fake.make_graph)
        for image in np.zeros([2, *fakes.IMAGE], np.uint8):
            fake.calls.clear()
            expected = controller.classify(image)
            found = rehearsed.run(image)
            self.assertEqual(
                tuple(passed.groups for passed in found.passed), expected.path)
            self.assertEqual(
                ["stem", *(name for passed in found.passed
                           for name in passed.graphs), "head"], fake.executed)
            self.assertAllEqual(found.logits[-1], expected.logits)
        rehearsed.check()


if __name__ == "__main__":
    tf.test.main()
