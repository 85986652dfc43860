"""Keeps TensorFlow's chatter out of our commands' output.

Commands import this module first: it loads TensorFlow with its start-up lines
(written before its logging can be configured) sent nowhere, and on x86-64 with
the kernels of oneDNN, whatever the processor.
"""

import contextlib
import logging
import os
import pathlib
import platform
import warnings

# Packages whose own log lines users see; other packages' only from WARNING on.
_OURS = pathlib.Path(__file__).parent.parent

# The TFLite converter warns about a call that has no replacement, freezing a
# single function, and of inputs and outputs that stay float32 in int8 graphs,
# where they are meant to.
_CONVERTERS = ("lite", "util")


@contextlib.contextmanager
def _no_stderr():
    """Sends what native code writes to standard error nowhere."""
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if platform.machine() == "x86_64":
    # TensorFlow takes them by itself where there is AVX512_VNNI or AMX alone.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with _no_stderr():
    import tensorflow  # noqa: F401 (for its start-up lines)


def tensorflow_logs():
    """Drops what TensorFlow, TFDS and the converter log and no user needs."""
    logging.getLogger("absl").addFilter(_matters)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpr")


def _matters(record):
    if _OURS in pathlib.Path(record.pathname).parents and (
            "site-packages" not in record.pathname):
        return True
    return record.levelno >= logging.WARNING and (
        record.module not in _CONVERTERS)
