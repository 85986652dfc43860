"""Tests of precisions: who is warned of one that is emulated."""

import contextlib
import pathlib
from unittest import mock

import tensorflow as tf
from absl import logging
from absl.testing import parameterized

from ddi_tf import precisions

_AVX2 = "model name\t: x\nflags\t\t: fpu sse avx avx2\n"
_AVX512_BF16 = "flags\t\t: fpu avx2 avx512_bf16 amx_tile\n"
_ARM = "Features\t: fp asimd bf16 i8mm\n"


class WarnIfSlowTest(tf.test.TestCase, parameterized.TestCase):

    @parameterized.parameters(
        ("mixed_bfloat16", _AVX2, True), ("float32", _AVX2, False),
        ("mixed_bfloat16", _AVX512_BF16, False),
        ("mixed_bfloat16", _ARM, False),
        # It does not say.
        ("mixed_bfloat16", "processor\t: 0\n", False),
        ("mixed_bfloat16", None, False))
    def test_where_a_cpu_has_no_instructions_for_it(
            self, name, cpuinfo, warned):
        file = pathlib.Path(self.create_tempdir().full_path) / "cpuinfo"
        if cpuinfo is not None:
            file.write_text(cpuinfo)
        with mock.patch.object(precisions, "_CPUINFO", file), \
                self._warnings() as lines:
            precisions.warn_if_slow(name)
        self.assertLen(lines, warned)
        if warned:
            self.assertRegex(
                lines[0], "no instructions for bfloat16.*--train_precision="
                "mixed_bfloat16.*--train_precision=float32")

    def test_a_gpu_is_no_reason(self):
        file = self.create_tempfile(content=_AVX2).full_path
        device = mock.Mock(device_type="GPU")
        with mock.patch.object(precisions, "_CPUINFO", pathlib.Path(file)), \
                mock.patch.object(tf.config, "list_logical_devices",
                                  return_value=[device]), \
                self._warnings() as lines:
            precisions.warn_if_slow("mixed_bfloat16")
        self.assertEmpty(lines)

    @contextlib.contextmanager
    def _warnings(self):
        """Collects what is warned of, in words."""
        lines = []
        with mock.patch.object(logging, "warning", lambda text, *values:
                               lines.append(text % values)):
            yield lines


if __name__ == "__main__":
    tf.test.main()
