"""What stem and blocks compute in while they learn."""

import contextlib

import tf_keras

NAMES = ("float32", "mixed_bfloat16")  # policies of Keras


@contextlib.contextmanager
def computing_in(name):
    """Layers made inside compute in the precision `name`."""
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        tf_keras.mixed_precision.set_global_policy(before)
