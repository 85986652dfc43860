"""Keeps TensorFlow's chatter out of our commands' output.

Commands import this module first: it loads TensorFlow with its start-up lines
(written before its logging can be configured) sent nowhere.
"""

import contextlib
import logging
import os
import warnings

# Modules of TensorFlow that log through absl what no user can act on.
_CHATTY = ("functional_saver", "lite", "save")


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
with _no_stderr():
    import tensorflow  # noqa: F401 (for its start-up lines)


def tensorflow_logs():
    """Drops log lines and warnings of the saver and the TFLite converter."""
    logging.getLogger("absl").addFilter(
        lambda record: record.module not in _CHATTY)
    # `from_concrete_functions` and `tf.lite.Interpreter` are deprecated in
    # favour of paths that cannot freeze a single function.
    warnings.filterwarnings("ignore", message=".*tf.lite.Interpreter")
