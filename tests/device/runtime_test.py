"""device.runtime: one real .tflite file behind run, view and read."""

import dataclasses
import pathlib
from unittest import mock

import numpy as np
from absl.testing import absltest
from absl.testing import parameterized

from device import bundle
from device import errors
from device import runtime
import fakes

_BUNDLE = pathlib.Path(__file__).parents[1] / "testdata" / "digits_resnet8"


class GraphTest(parameterized.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bundle = bundle.load(_BUNDLE)

    def graph(self, name, **options):
        return runtime.Graph(self.bundle.graphs[name],
                             self.bundle.content(name), **options)

    def features(self, name):
        """Random input number 0 of a graph, [1, ...] float32 in [0, 1)."""
        shape = self.bundle.graphs[name].inputs[0].shape
        return np.random.default_rng(0).random(shape, np.float32)

    def layer_gate(self):
        """(name of the first layer gate, a zero state for it)."""
        spec = next(spec for spec in self.bundle.graphs.values()
                    if spec.role == "layer_gate")
        return spec.name, np.zeros(spec.inputs[1].shape, np.float32)

    def test_an_output_has_the_manifest_s_shape_and_type(self):
        graph = self.graph("stem")
        graph.run(self.features("stem"))
        self.assertEqual(graph.name, "stem")
        self.assertEqual(graph.view().shape,
                         self.bundle.graphs["stem"].outputs[0].shape)
        self.assertEqual(graph.view().dtype, np.float32)

    def test_the_head_is_linear(self):
        graph, features = self.graph("head"), self.features("head")
        outputs = []
        for factor in (0, 1, 3):
            graph.run(factor * features)
            outputs.append(graph.read()[0])
        np.testing.assert_allclose(
            outputs[2] - outputs[0], 3 * (outputs[1] - outputs[0]), atol=1e-4)
        self.assertGreater(np.ptp(outputs[1] - outputs[0]), 0)

    def test_view_and_read_are_the_same_numbers(self):
        graph = self.graph("stem")
        graph.run(self.features("stem"))
        np.testing.assert_array_equal(graph.view(), graph.read())

    def test_a_view_is_the_interpreter_s_memory(self):
        graph = self.graph("stem")
        self.assertTrue(np.shares_memory(graph.view(), graph.view()))

    def test_a_copy_outlives_the_next_run(self):
        graph, features = self.graph("head"), self.features("head")
        graph.run(features)
        copy = graph.read()
        kept = copy.copy()
        graph.run(2 * features)
        np.testing.assert_array_equal(copy, kept)
        self.assertFalse(np.array_equal(graph.read(), kept))

    def test_a_graph_does_not_run_while_its_view_is_held(self):
        graph, features = self.graph("head"), self.features("head")
        graph.run(features)
        view = graph.view()
        with self.assertRaisesRegex(RuntimeError, "reference"):
            graph.run(features)
        del view
        graph.run(features)
        self.assertTrue(np.isfinite(graph.read()).all())

    def test_a_view_is_the_next_graph_s_input(self):
        stem, gate = self.graph("stem"), self.graph(self.layer_gate()[0])
        stem.run(self.features("stem"))
        gate.run(stem.view(), self.layer_gate()[1])
        self.assertBetween(gate.read()[0, 0], 0, 1)

    def test_some_channels_of_an_array_are_read_as_they_are(self):
        graph, features = self.graph("head"), self.features("head")
        room = np.full((*features.shape[:-1], 3 * features.shape[-1]), 7,
                       np.float32)
        some = room[..., 5:5 + features.shape[-1]]
        some[...] = features
        self.assertFalse(some.flags.c_contiguous)
        graph.run(features)
        expected = graph.read()
        graph.run(some)
        np.testing.assert_array_equal(graph.read(), expected)

    def test_outputs_are_in_the_manifest_s_order(self):
        name, state = self.layer_gate()
        graph = self.graph(name)
        graph.run(self.features(name), state)
        self.assertEqual(graph.read(0).shape, (1, 1))
        self.assertEqual(graph.view(1).shape, state.shape)

    def test_inputs_are_in_the_manifest_s_order(self):
        name, state = self.layer_gate()
        graph = self.graph(name)
        with self.assertRaisesRegex(ValueError, "(?i)dimension"):
            graph.run(state, self.features(name))

    def test_threads_do_not_change_the_numbers(self):
        step, results = self.bundle.manifest.plan.steps[0], []
        name = step.variants[-1].graph
        for num_threads in (1, 2):
            graph = self.graph(name, num_threads=num_threads)
            graph.run(self.features(name))
            results.append(graph.read())
        np.testing.assert_allclose(*results, atol=1e-5)


class RefusedTest(parameterized.TestCase):

    def setUp(self):
        super().setUp()
        loaded = bundle.load(_BUNDLE)
        self.spec, self.content = loaded.graphs["head"], loaded.content("head")
        self.other = loaded.content("stem")

    @parameterized.parameters(b"", b"not a flatbuffer")
    def test_what_is_no_tflite_file_is_refused(self, content):
        with self.assertRaisesRegex(
                errors.BundleError,
                r"(?s)graphs/head\.tflite: the interpreter does not accept it "
                r"\(.+\)\. Export again, or install a newer interpreter"):
            runtime.Graph(self.spec, content)

    def test_the_file_of_another_graph_is_refused(self):
        with self.assertRaisesRegex(
                errors.BundleError, r"graphs/head\.tflite: expected inputs .*64"
                r".*, found .*\(1, 32, 32, 3\), 'float32'.*Export again"):
            runtime.Graph(self.spec, self.other)

    def test_another_type_is_refused(self):
        spec = dataclasses.replace(self.spec, inputs=fakes.tensors(
            self.spec.inputs[0].shape, dtype="int8"))
        with self.assertRaisesRegex(
                errors.BundleError, "expected inputs .*int8.*found .*float32"):
            runtime.Graph(spec, self.content)

    def test_other_outputs_are_refused(self):
        spec = dataclasses.replace(self.spec, outputs=fakes.tensors((1, 7)))
        with self.assertRaisesRegex(
                errors.BundleError,
                r"expected outputs .*\(1, 7\).*found .*\(1, 10\).*Export "
                "again"):
            runtime.Graph(spec, self.content)

    def test_another_number_of_inputs_is_refused(self):
        spec = dataclasses.replace(self.spec, inputs=2 * self.spec.inputs)
        with self.assertRaisesRegex(errors.BundleError, "expected inputs"):
            runtime.Graph(spec, self.content)

    def test_a_missing_interpreter_is_named_with_its_remedy(self):
        with mock.patch.object(runtime, "Interpreter", None):
            with self.assertRaisesRegex(
                    errors.RuntimeMissingError,
                    "no TFLite interpreter .*pip install ai-edge-litert.*"
                    "pip install tflite-runtime"):
                runtime.Graph(self.spec, self.content)


if __name__ == "__main__":
    absltest.main()
