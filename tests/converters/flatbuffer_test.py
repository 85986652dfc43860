"""One subgraph to .tflite bytes."""

import numpy as np
import tensorflow as tf

from converters import flatbuffer
from ddi_tf import errors
from ddi_tf import layers
from ddi_tf import recurrent_gates
from ddi_tf import subgraphs
from ddi_tf import work


def subgraph(function, **inputs):
    return subgraphs.Subgraph("piece", "block", function, inputs, work.Work())


class FlatbufferTest(tf.test.TestCase):

    def test_one_convolution_is_one_folded_graph(self):
        layer = layers.ConvBN(8, 3)
        layer(tf.zeros([1, 8, 8, 4]))
        result = flatbuffer.convert(subgraph(layer, features=(1, 8, 8, 4)))
        interpreter = tf.lite.Interpreter(model_content=result.content)
        operations = [op["op_name"] for op in interpreter._get_ops_details()
                      if op["op_name"] != "DELEGATE"]
        self.assertEqual(operations, ["CONV_2D"])
        self.assertLess(result.difference, 1e-6)

    def test_inputs_and_outputs_keep_their_order(self):
        gate = recurrent_gates.RecurrentGate([4], {"a": 1})
        result = flatbuffer.convert(subgraph(
            lambda features, state: gate(features, state, "a"),
            features=(1, 8, 8, 4), state=(1, 20)))
        self.assertEqual([d.name for d in result.inputs],
                         ["features", "state"])
        self.assertEqual([d.shape for d in result.outputs],
                         [(1, 1), (1, 20)])

    def test_a_graph_that_computes_something_else_is_refused(self):
        # Keras answers differently every time, so no graph can equal it.
        counter = tf.Variable(1.0)

        def unsteady(x):
            return x * counter.assign_add(1.0)

        with self.assertRaisesRegex(errors.ExportError, "piece: .*"):
            flatbuffer.convert(subgraph(unsteady, features=(1, 4)))

    def test_an_operation_without_tflite_kernel_is_refused(self):
        with self.assertRaisesRegex(errors.ExportError,
                                    "piece: TensorFlow's converter refused"):
            flatbuffer.convert(subgraph(tf.linalg.svd, features=(1, 4, 4)))

    def test_difference_is_relative_to_the_largest_value(self):
        self.assertAlmostEqual(flatbuffer._difference(
            "x", np.array([100.0, 1.0]), np.array([100.0, 2.0])), 0.01)
        self.assertAlmostEqual(flatbuffer._difference(
            "x", np.array([0.1]), np.array([0.2])), 0.1)


if __name__ == "__main__":
    tf.test.main()
