"""One subgraph as a .tflite file's bytes, proven equal to its function."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ddi_tf import errors

# Largest difference between TFLite and Keras, relative to the largest value.
TOLERANCE = 1e-4


class Converted(NamedTuple):
    """A subgraph after conversion."""

    content: bytes
    inputs: list   # interpreter details, in the file's order
    outputs: list
    difference: float  # largest relative difference to Keras on random inputs


def convert(subgraph):
    """`Converted` of a `subgraphs.Subgraph`, float32.

    Raises:
        ExportError: the converter refuses, reorders tensors, or computes
            something else than the Keras function.
    """
    signature = [tf.TensorSpec(shape, tf.float32, name)
                 for name, shape in subgraph.inputs.items()]

    @tf.function(input_signature=signature)
    def function(*inputs):
        return subgraph.function(*inputs)

    concrete = function.get_concrete_function()
    try:
        content = tf.lite.TFLiteConverter.from_concrete_functions(
            [concrete]).convert()
    except Exception as error:  # the converter raises whatever MLIR gave it
        raise errors.ExportError(
            f"{subgraph.name}: TensorFlow's converter refused it: "
            f"{str(error).splitlines()[0]}") from error
    return _proven(subgraph, concrete, content)


def _proven(subgraph, concrete, content):
    """`Converted`, after running both on the same random inputs."""
    interpreter = tf.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    inputs = interpreter.get_input_details()
    outputs = interpreter.get_output_details()
    names = [detail["name"].split(":")[0] for detail in inputs]
    if names != list(subgraph.inputs):
        raise errors.ExportError(
            f"{subgraph.name}: expected inputs {list(subgraph.inputs)} in this "
            f"order, the converter made {names}.")
    values = _samples(subgraph)
    expected = tf.nest.flatten(concrete(*map(tf.constant, values)))
    for detail, value in zip(inputs, values):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    found = [interpreter.get_tensor(detail["index"]) for detail in outputs]
    difference = max(
        _difference(subgraph.name, tensor.numpy(), array)
        for tensor, array in zip(expected, found, strict=True))
    if not difference <= TOLERANCE:
        raise errors.ExportError(
            f"{subgraph.name}: TFLite differs from Keras by {difference:.2e} "
            f"of the largest value; {TOLERANCE:.0e} is allowed.")
    return Converted(content, inputs, outputs, difference)


def _samples(subgraph):
    """Fixed random inputs; features are not negative, as after a ReLU."""
    random = np.random.default_rng(0)
    return [np.abs(random.standard_normal(shape)).astype(np.float32)
            for shape in subgraph.inputs.values()]


def _difference(name, expected, found):
    """`max |expected - found| / max(1, max |expected|)`."""
    if expected.shape != found.shape:
        raise errors.ExportError(
            f"{name}: Keras returns {expected.shape}, TFLite {found.shape}.")
    scale = max(1.0, float(np.abs(expected).max()))
    return float(np.abs(expected - found).max()) / scale
