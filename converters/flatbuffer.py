"""One subgraph as a .tflite file's bytes, proven equal to its function."""

import warnings
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ddi_tf import errors
from ddi_tf import quantization as quantization_lib
from device import bundle as bundle_lib
from device import quantization

# Largest difference between TFLite and Keras that each kind of numbers may
# make, relative to the largest value. Of int8, Keras rounds as TFLite does;
# they differ where a sum lies between two steps (0.4% of a range each).
TOLERANCES = {"none": 1e-4, "float16": 1e-2, "dynamic": 0.1, "int8": 0.05}

# In an int8 range.
_STEPS = quantization.HIGHEST - quantization.LOWEST


class Converted(NamedTuple):
    """A subgraph after conversion."""

    content: bytes
    inputs: tuple   # of `bundle.Tensor`, in the file's order
    outputs: tuple
    difference: float  # largest relative difference to Keras on random inputs


def convert(subgraph, numbers="none"):
    """`Converted` of a `subgraphs.Subgraph`.

    Args:
        subgraph: the subgraph; for int8 its network's ranges must be found and
            rounding (`ranges.find`).
        numbers: what the graph computes with, a key of TOLERANCES.

    Raises:
        ExportError: the converter refuses, reorders tensors, or computes
            something else than the Keras function.
    """
    signature = [tf.TensorSpec(shape, tf.float32, name)
                 for name, shape in subgraph.inputs.items()]

    @tf.function(autograph=False, input_signature=signature)
    def function(*inputs):
        return subgraph.function(*(
            quantization_lib.rounded(x, subgraph.ranges.get(name))
            for name, x in zip(subgraph.inputs, inputs)))

    concrete = function.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    _set(converter, numbers)
    try:
        # What the converter says of int8 graphs without images of its own.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            content = converter.convert()
    except Exception as error:  # the converter raises whatever MLIR gave it
        raise errors.ExportError(
            f"{subgraph.name}: TensorFlow's converter refused it: "
            f"{str(error).splitlines()[0]}") from error
    return _proven(subgraph, numbers, concrete, content)


def _set(converter, numbers):
    if numbers == "none":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if numbers == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if numbers == "int8":
        # Inputs and outputs without a range stay float32.
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8


def _proven(subgraph, numbers, concrete, content):
    """`Converted`, after running both on the same random inputs."""
    interpreter = tf.lite.Interpreter(model_content=content)
    try:
        interpreter.allocate_tensors()
    except RuntimeError as error:
        raise errors.ExportError(
            f"{subgraph.name}: the interpreter does not accept its graph "
            f"({error}).") from None
    details = interpreter.get_input_details()
    # Of int8 the converter renames them; that the order is kept shows below,
    # where both compute the same.
    shapes = [tuple(map(int, detail["shape"])) for detail in details]
    if shapes != list(map(tuple, subgraph.inputs.values())):
        raise errors.ExportError(
            f"{subgraph.name}: expected inputs {subgraph.inputs} in this "
            f"order, the converter made {shapes}.")
    inputs = _tensors(details, subgraph.inputs)
    outputs = _tensors(interpreter.get_output_details())
    values = _samples(inputs)
    expected = _keras(concrete, inputs, values)
    for detail, value in zip(details, values):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    found = [quantization.decode(
        interpreter.get_tensor(detail["index"]), tensor) for detail, tensor
        in zip(interpreter.get_output_details(), outputs)]
    difference = _largest_difference(subgraph.name, outputs, expected, found)
    allowed = TOLERANCES[numbers]
    if numbers == "int8" and difference > allowed:
        # Batch norms of a block that no image runs blow up any step.
        allowed = max(allowed, _largest_difference(
            subgraph.name, outputs, expected,
            _keras(concrete, inputs, _moved(inputs, values))))
    if not difference <= allowed:
        raise errors.ExportError(
            f"{subgraph.name}: TFLite differs from Keras by {difference:.2e} "
            f"of the largest value; {allowed:.0e} is allowed.")
    return Converted(content, inputs, outputs, difference)


def _keras(concrete, tensors, values):
    """The outputs of a Keras function, as arrays; `values` are encoded."""
    return [output.numpy() for output in tf.nest.flatten(concrete(*(
        tf.constant(quantization.decode(value, tensor))
        for value, tensor in zip(values, tensors))))]


def _moved(tensors, values):
    """int8 values, each moved by one step up or down or not at all."""
    random = np.random.default_rng(1)
    return [value if tensor.scale is None else np.clip(
        value + random.integers(-1, 2, value.shape), quantization.LOWEST,
        quantization.HIGHEST).astype(np.int8)
        for tensor, value in zip(tensors, values)]


def _largest_difference(name, tensors, expected, found):
    return max(
        _difference(name, value, array, _width(tensor))
        for value, array, tensor in zip(expected, found, tensors, strict=True))


def _tensors(details, names=None):
    """`bundle.Tensor`s of an interpreter's details."""
    names = names or [f"output{index}" for index in range(len(details))]
    return tuple(bundle_lib.Tensor(name, *quantization.encoding(detail))
                 for name, detail in zip(names, details))


def _samples(tensors):
    """Fixed random inputs."""
    random = np.random.default_rng(0)
    return [quantization.encode(
        random.standard_normal(tensor.shape).astype(np.float32), tensor)
        for tensor in tensors]


def _width(tensor):
    """Of an int8 tensor's range; 1 of others, whose values make their own."""
    return 1.0 if tensor.scale is None else _STEPS * tensor.scale


def _difference(name, expected, found, width=1.0):
    """`max |expected - found| / max(width, max |expected|)`."""
    if expected.shape != found.shape:
        raise errors.ExportError(
            f"{name}: Keras returns {expected.shape}, TFLite {found.shape}.")
    scale = max(width, float(np.abs(expected).max()))
    return float(np.abs(expected - found).max()) / scale
