"""Kernels rounded to int8 so that their errors cancel, without any image.

To the nearest step each, a kernel's weights err by up to half a step, all alike
or not; features are smooth, so what nine neighbouring weights err by together
passes as brightness does, where the kernel may be one that looks for edges.
SQuant (Guo et al. 2022, arXiv:2202.07471, Section 3) turns those weights to the
other side that were nearest to it, until a kernel's errors add up to half a
step at most.
"""

import numpy as np

from ddi_tf import quantization

_STEPS = 127


def apply(network):
    """Rounds every kernel that int8 graphs round; they then leave it as it is.

    Args:
        network: `network.Network` with ranges (`ranges.attach`).
    """
    for layer in network.submodules:
        if getattr(layer, "range", None) is None:
            continue
        if hasattr(layer, "dense"):
            kernel = layer.dense.kernel
            kernel.assign(rounded(kernel.numpy()[np.newaxis, np.newaxis])[0, 0])
        elif hasattr(layer, "mixes_channels"):
            # Of a depthwise convolution, outputs are the third axis.
            axes = (0, 1, 2, 3) if layer.mixes_channels else (0, 1, 3, 2)
            kernel = layer.kernel
            kernel.assign(
                rounded(kernel.numpy().transpose(axes)).transpose(axes))


def rounded(kernel):
    """A kernel on the steps that `quantization.rounded_kernel` has for it.

    Args:
        kernel: [H, W, C, F] float32.

    Returns:
        The same shape; every weight is less than a step away, and what is 0
        stays 0. The errors of each of the C x F kernels, or, of one pixel, of
        each of the F outputs, add up to half a step at most.
    """
    height, width, channels, filters = kernel.shape
    steps = quantization.kernel_bounds(kernel).numpy() / _STEPS
    counted = np.divide(
        kernel, steps, out=np.zeros_like(kernel), where=steps > 0)
    rows = counted.transpose(3, 2, 0, 1)           # [F, C, H, W]
    count = filters if height * width == 1 else filters * channels
    whole = _cancelled(rows.reshape(count, -1)).reshape(rows.shape)
    return (whole.transpose(2, 3, 1, 0) * steps).astype(np.float32)


def _cancelled(rows):
    """[R, N] whole numbers next to those given, of about the same sums."""
    nearest = np.round(rows)
    errors = nearest - rows
    excess = np.round(errors.sum(axis=1, keepdims=True))
    # Those that err most in the direction of the sum come first.
    towards = np.sign(excess) * errors
    rank = np.argsort(np.argsort(-towards, axis=1, kind="stable"), axis=1)
    return nearest - np.where(rank < np.abs(excess), np.sign(excess), 0)
