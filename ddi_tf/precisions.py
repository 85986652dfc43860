"""What stem and blocks compute in while they learn."""

import contextlib
import pathlib

import tensorflow as tf
import tf_keras
from absl import logging

NAMES = ("float32", "mixed_bfloat16")  # policies of Keras

# What Linux calls instructions for bfloat16: of x86-64, and of aarch64.
_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}

_CPUINFO = pathlib.Path("/proc/cpuinfo")


@contextlib.contextmanager
def computing_in(name):
    """Layers made inside compute in the precision `name`."""
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        tf_keras.mixed_precision.set_global_policy(before)


def warn_if_slow(name):
    """Warns where a precision is emulated, as bfloat16 is on most CPUs.

    ResNet14, 64 images, an AVX2 core: a step of the base phase took 14 times
    as long in bfloat16 as in float32 (3.7 and 0.26 s).

    Args:
        name: of NAMES.
    """
    if name != "float32" and _is_cpu_alone() and not _has_bfloat16():
        logging.warning(
            "this processor has no instructions for bfloat16 (none of %s): "
            "with --train_precision=%s a step takes many times as long. Stop, "
            "and give --train_precision=float32 and another --run.",
            ", ".join(sorted(_BFLOAT16)), name)


def _is_cpu_alone():
    return all(device.device_type == "CPU"
               for device in tf.config.list_logical_devices())


def _has_bfloat16():
    """Whether the CPU has such instructions; True where Linux does not say."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return True
    found = {word for line in lines
             if line.lower().startswith(("flags", "features"))
             for word in line.partition(":")[2].split()}
    return not found or bool(found & _BFLOAT16)
