"""int8 numbers and what they stand for: `value = scale (q - zero_point)`.

As TensorFlow Lite has it: https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec
"""

import numpy as np

LOWEST, HIGHEST = -128, 127


def encode(values, tensor):
    """Float values as a `bundle.Tensor` holds them; saturates.

    Args:
        values: float array.
        tensor: whose dtype, scale and zero point to take.

    Returns:
        The same shape; float32, or int8.
    """
    if tensor.scale is None:
        return values.astype(tensor.dtype)
    steps = np.rint(values / tensor.scale) + tensor.zero_point
    return np.clip(steps, LOWEST, HIGHEST).astype(tensor.dtype)


def decode(numbers, tensor):
    """What the numbers of a `bundle.Tensor` stand for, float32."""
    if tensor.scale is None:
        return numbers
    # int8 minus int8 does not fit int8.
    steps = numbers.astype(np.int32) - tensor.zero_point
    return (steps * np.float32(tensor.scale)).astype(np.float32)


def mask(groups, open_groups, tensor):
    """What a graph that takes a mask is given: [1, G], 1 where a group is open.

    Args:
        groups: the channel groups that the graph computes, ascending.
        open_groups: those that shall run.
        tensor: `bundle.Tensor` of the graph's mask.
    """
    is_open = np.isin(groups, open_groups)[np.newaxis]
    return encode(is_open.astype(np.float32), tensor)


def pixels(settings, tensor):
    """What every value of a pixel becomes at the stem's input.

    Args:
        settings: `bundle.Input`.
        tensor: `bundle.Tensor` of the stem's input.

    Returns:
        [C, 256], of the tensor's type: `(v - mean) / std` per channel.
    """
    values = np.arange(256, dtype=np.float32)
    scaled = [(values - np.float32(mean)) / np.float32(std)
              for mean, std in zip(settings.mean, settings.std, strict=True)]
    return encode(np.stack(scaled), tensor)


def encoding(details):
    """`bundle.Tensor.encoding` of what an interpreter says of a tensor."""
    scale, zero_point = details["quantization"]
    return (tuple(int(n) for n in details["shape"]),
            np.dtype(details["dtype"]).name,
            *((float(scale), int(zero_point)) if scale else (None, None)))
