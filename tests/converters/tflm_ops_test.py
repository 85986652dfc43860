"""Which operations a bundle needs, and what TFLM lacks."""

import dataclasses
import pathlib
from unittest import mock

import tensorflow as tf

from converters import tflm
from converters import tflm_ops
from ddi_tf import errors
from device import bundle as bundle_lib
import fakes
import micro_cases


@micro_cases.needs_tflm
class OperationsTest(tf.test.TestCase):

    def _bundle(self, function, shape):
        """A bundle whose head is this function."""
        concrete = tf.function(function).get_concrete_function(
            tf.TensorSpec(shape, tf.float32))
        content = tf.lite.TFLiteConverter.from_concrete_functions(
            [concrete]).convert()
        stem = bundle_lib.load(micro_cases.shared_bundle()).content("stem")
        manifest = fakes.manifest()
        return bundle_lib.Bundle(pathlib.Path("toy"), manifest,
                                 {"stem": stem, "head": content})

    def test_operation_that_tflm_lacks_is_named_with_its_graph(self):
        bundle = self._bundle(lambda x: tf.tile(x, [1, 3]), [1, 4])
        with self.assertRaisesRegex(
                errors.ExportError, r"head: .* has no TILE \(https://github"):
            tflm_ops.of_bundle(bundle)

    def test_operations_of_all_graphs_are_found(self):
        bundle = self._bundle(lambda x: tf.tanh(tf.exp(x)), [1, 4])
        self.assertEqual(tflm_ops.of_bundle(bundle),
                         ("CONV_2D", "EXP", "TANH"))

    def test_table_names_operations_of_the_schema(self):
        for name, method in tflm_ops.ADD_METHODS.items():
            self.assertTrue(hasattr(tflm.schema.BuiltinOperator, name), name)
            self.assertEqual(method.upper(), "ADD" + name.replace("_", ""))

    def test_graph_that_tflm_refuses_is_an_error(self):
        content = self._bundle(
            lambda x: tf.tile(x, [1, 3]), [1, 4]).content("head")
        spec = dataclasses.replace(
            fakes.manifest().graphs[-1], inputs=fakes.tensors([1, 4]))
        with self.assertRaisesRegex(errors.ExportError, "head: .*TILE"):
            tflm.Graph(spec, content)


class MissingTest(tf.test.TestCase):

    def test_missing_interpreter_is_an_error_with_the_remedy(self):
        with mock.patch.object(tflm, "runtime", None):
            with self.assertRaisesRegex(errors.ExportError, r"\.\[micro\]"):
                tflm.require()


if __name__ == "__main__":
    tf.test.main()
