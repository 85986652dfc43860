"""The C controller = the Python controller, on real and on random plans."""

import math
import pathlib
import tempfile

import hypothesis
import numpy as np
import tensorflow as tf
from hypothesis import strategies as st

from converters import tflm
from device import bundle as bundle_lib
from device import controller as controller_lib
import fakes
import micro_cases
import parity_test
import strategies

_IMAGES = 500


@micro_cases.needs_gcc
class CControllerTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bundle = bundle_lib.load(micro_cases.shared_bundle())
        cls.images = parity_test.random_images(_IMAGES)
        cls.python = controller_lib.Controller(cls.bundle)
        cls.c = micro_cases.CController(cls.bundle)

    def assert_same(self, image, thresholds=None, max_macs=None,
                    python=None, c=None, where=""):
        """Compares everything; returns the Python controller's answer."""
        c = c or self.c
        expected = (python or self.python).classify(
            image, thresholds=thresholds, max_macs=max_macs)
        status, found, path = c.classify(image, thresholds, max_macs)
        self.assertEqual(status, micro_cases.OK)
        self.assertEqual(
            (found.label, c.exit_name(found), path, found.macs),
            (expected.label, expected.exit, expected.path, expected.macs),
            where)
        self.assertAllClose(found.entropy, expected.entropy, atol=1e-5)
        self.assertAllClose(found.probability, expected.probabilities.max())
        return expected

    def test_same_answer_with_all_exits_off(self):
        paths = {self.assert_same(image, where=f"image {n}").path
                 for n, image in enumerate(self.images)}
        self.assertGreater(len(paths), 5)

    def test_same_answer_at_every_operating_point(self):
        for point in self.bundle.manifest.operating_points:
            exits = {self.assert_same(
                image, point.thresholds, where=f"{point.name}, image {n}").exit
                for n, image in enumerate(self.images)}
            if point.name == "default":
                self.assertGreater(len(exits), 1)

    def test_same_answer_under_hard_budgets(self):
        cheapest = self.python.costs.cheapest
        thresholds = self.bundle.operating_point("default").thresholds
        for max_macs in np.linspace(cheapest, 17_000_000, 6).astype(int):
            for n, image in enumerate(self.images[:100]):
                for limits in (None, thresholds):
                    self.assert_same(image, limits, int(max_macs),
                                     where=f"{max_macs}, image {n}")

    def test_same_answer_under_any_budget(self):
        cheapest = self.python.costs.cheapest

        @strategies.MANY
        @hypothesis.given(
            st.integers(0, _IMAGES - 1),
            st.none() | st.integers(cheapest, 17_000_000),
            st.lists(st.none() | st.floats(0, 2.3), min_size=3, max_size=3))
        def check(image, max_macs, thresholds):
            answer = self.assert_same(self.images[image], thresholds, max_macs)
            self.assertLessEqual(answer.macs, max_macs or math.inf)

        check()

    def test_same_answer_with_masked_graphs(self):
        with tempfile.TemporaryDirectory() as folder:
            bundle = micro_cases.write_bundle(
                pathlib.Path(folder) / "b", groups=4, exits=False)
        python = controller_lib.Controller(bundle)
        c = micro_cases.CController(bundle)
        [variant] = c.plan.steps[0].variants
        self.assertEqual((variant.closed, variant.open), (-128, 127))
        paths = {self.assert_same(image, python=python, c=c).path
                 for image in self.images[:30]}
        self.assertGreater(len(paths), 1)

    @micro_cases.needs_tflm
    def test_same_answer_in_tflm(self):
        python = controller_lib.Controller(
            self.bundle, make_graph=tflm.Graph)
        c = micro_cases.CController(self.bundle, tflm.Graph)
        for image in self.images[:30]:
            self.assert_same(image, [1.0, None, 0.9], python=python, c=c)

    def test_prepared_image_needs_no_pixels(self):
        image = self.images[0]
        _, expected, path = self.c.classify(image)
        _, found, same_path = self.c.classify(
            None, prepared=self.python.prepare(image))
        self.assertEqual((found.label, found.entropy, path),
                         (expected.label, expected.entropy, same_path))

    def test_budget_for_no_answer_is_an_error(self):
        cheapest = self.c.plan.cheapest_macs
        self.assertEqual(cheapest, self.python.costs.cheapest)
        image = self.images[0]
        status, answer, _ = self.c.classify(image, max_macs=cheapest - 1)
        self.assertEqual((status, answer.macs), (micro_cases.ERROR_BUDGET, 0))
        status, answer, _ = self.c.classify(image, max_macs=cheapest)
        self.assertEqual((status, answer.macs), (micro_cases.OK, cheapest))

    def test_failing_graph_ends_with_an_error(self):
        try:
            for number, spec in enumerate(self.bundle.graphs.values()):
                self.c.failing_graph = number
                asked = {self.c.classify(image, [0.0, 0.0, 0.0], macs)[0]
                         for image in self.images[:20]
                         for macs in (None, 12_000_000)}
                self.assertLessEqual(
                    asked, {micro_cases.OK, micro_cases.ERROR_GRAPH})
                if spec.role in ("stem", "layer_gate", "exit"):
                    self.assertIn(micro_cases.ERROR_GRAPH, asked, spec.name)
        finally:
            self.c.failing_graph = None


@micro_cases.needs_gcc
class RandomPlanTest(tf.test.TestCase):

    def test_any_plan_is_walked_as_python_does(self):
        with tempfile.TemporaryDirectory() as folder:
            compiled = micro_cases.compile_controller(folder)

            @hypothesis.settings(strategies.SETTINGS, max_examples=60)
            @hypothesis.given(strategies.cases(), st.lists(
                st.none() | st.integers(0, 3000), min_size=2, max_size=6))
            def check(case, spare):
                self._compare(case, spare, compiled)

            check()

    def _compare(self, case, spare, compiled):
        """`spare`: budgets, in MACs above the cheapest answer."""
        bundle = fakes.in_memory(micro_cases.as_int8(case.manifest))
        fake, c_fake = (micro_cases.Int8Runtime(case.script) for _ in range(2))
        python = controller_lib.Controller(bundle, make_graph=fake.make_graph)
        c = micro_cases.CController(bundle, c_fake.make_graph, compiled)
        image = np.arange(12, dtype=np.uint8).reshape(fakes.IMAGE)
        for more in spare:
            budget = None if more is None else max(
                1, python.costs.cheapest + more)
            fake.calls.clear()
            c_fake.calls.clear()
            expected = python.classify(
                image, thresholds=case.thresholds, max_macs=budget)
            status, found, path = c.classify(image, case.thresholds, budget)
            self.assertEqual(status, micro_cases.OK)
            self.assertEqual(
                (found.label, c.exit_name(found), path, found.macs),
                (expected.label, expected.exit, expected.path, expected.macs))
            self.assertEqual(c_fake.executed, fake.executed)
            for (name, inputs), (_, same) in zip(c_fake.calls, fake.calls):
                self.assertAllEqual(
                    np.concatenate([x.ravel() for x in inputs]),
                    np.concatenate([x.ravel() for x in same]), name)


if __name__ == "__main__":
    tf.test.main()
