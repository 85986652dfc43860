"""`python -m converters.micro`: what it checks, writes and refuses."""

import json
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import tensorflow as tf

from converters import tflm_ops
from device import bundle as bundle_lib
import micro_cases
import parity_test

_FLOAT = pathlib.Path(__file__).parent.parent / "testdata" / "digits_resnet8"
_WRITTEN = {"README.txt", "ddi_controller.c", "ddi_controller.h",
            "ddi_graphs.c", "ddi_graphs.h", "ddi_ops.h", "ddi_plan.c",
            "ddi_plan.h", "report.json"}
_IMAGES = 4

# As much of TFLM's interface as the README's example calls.
_TFLM_STUB = """
#include <stddef.h>
#include <stdint.h>
enum TfLiteStatus { kTfLiteOk, kTfLiteError };
struct TfLiteTensor { union { char *raw; } data; };
namespace tflite {
struct Model;
const Model *GetModel(const void *);
struct MicroOpResolver {};
template <unsigned int N> struct MicroMutableOpResolver : MicroOpResolver {
%s};
struct MicroInterpreter {
    MicroInterpreter(const Model *, const MicroOpResolver &, uint8_t *, size_t);
    TfLiteStatus AllocateTensors();
    TfLiteStatus Invoke();
    TfLiteTensor *input(size_t);
    TfLiteTensor *output(size_t);
};
}
"""


def micro(output, *extra, bundle=None):
    """The finished `python -m converters.micro`."""
    return subprocess.run(
        [sys.executable, "-m", "converters.micro",
         f"--bundle={bundle or micro_cases.shared_bundle()}",
         f"--output={output}",
         f"--micro_check_images={_IMAGES}", *extra],
        capture_output=True, text=True)


@micro_cases.needs_tflm
class CommandTest(tf.test.TestCase):

    def setUp(self):
        super().setUp()
        self.temp = pathlib.Path(self.create_tempdir().full_path)
        self.output = self.temp / "out" / "c"

    def assert_refused(self, result, message):
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertRegex(result.stderr, message)
        self.assertLen(result.stderr.strip().splitlines(), 1)
        self.assertEmpty(list(self.temp.glob("out/.*")))
        self.assertFalse((self.output / "report.json").exists())

    def test_writes_the_same_sources_and_report_twice(self):
        images = self.temp / "images.npz"
        np.savez(images, images=parity_test.random_images(2 * _IMAGES))
        for output in (self.output, self.temp / "again"):
            result = micro(output, f"--input={images}")
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("README.txt", result.stdout)
        self.assertEqual({p.name for p in self.output.iterdir()}, _WRITTEN)
        for name in _WRITTEN:
            self.assertEqual((self.output / name).read_bytes(),
                             (self.temp / "again" / name).read_bytes(), name)
        self._assert_report(json.loads(
            (self.output / "report.json").read_text()))
        self._assert_compiles()
        self._assert_example_compiles()

    def _assert_report(self, report):
        bundle = bundle_lib.load(micro_cases.shared_bundle())
        self.assertEqual([g["name"] for g in report["graphs"]],
                         list(bundle.graphs))
        for graph in report["graphs"]:
            self.assertGreaterEqual(graph["runs_compared"], _IMAGES)
            self.assertLessEqual(graph["reference"]["largest"], 1)
        ram = report["ram_bytes"]
        self.assertEqual(ram["image"], 32 * 32 * 3)
        # 20 numbers of state, 12 bytes of logits, the largest feature map.
        self.assertEqual(ram["features_state_logits"],
                         4 * 20 + 12 + 32 * 32 * 16)
        self.assertEqual(ram["total"], ram["arena"] + ram["image"]
                         + ram["features_state_logits"])
        largest = max(g["arena_bytes"] for g in report["graphs"])
        self.assertBetween(ram["arena"], largest, largest + 15)
        self.assertEqual(set(report["paths"]["mean"]),
                         {"exits off", "default", "quick"})

    def _assert_compiles(self):
        if not shutil.which("gcc"):
            return
        for standard in (micro_cases.STRICT, ("-std=c11", "-Wall", "-Werror")):
            subprocess.run(
                ["gcc", *standard, "-c", *sorted(self.output.glob("*.c"))],
                check=True, cwd=self.create_tempdir().full_path)

    def _assert_example_compiles(self):
        """The README's C++, against TFLM's interface as far as we use it."""
        if not shutil.which("g++"):
            return
        readme = (self.output / "README.txt").read_text()
        [example] = re.findall(r"(?ms)^    #include <string.h>.*?^    }\n\n"
                               r".*?^    }\n", readme)
        methods = "".join(f"    TfLiteStatus {method}();\n"
                          for method in tflm_ops.ADD_METHODS.values())
        for header in re.findall(r'"(tensorflow/.*?)"', example + (
                self.output / "ddi_ops.h").read_text()):
            path = self.temp / header
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("#pragma once\n#include <stub.h>\n")
        (self.temp / "stub.h").write_text(
            "#pragma once\n" + _TFLM_STUB % methods)
        (self.temp / "example.cc").write_text(
            example
            + "\nTfLiteStatus start() { return ddi_add_ops(resolver); }")
        subprocess.run(
            ["g++", "-std=c++11", "-Wall", "-Wextra", "-Werror",
             "-fsyntax-only", f"-I{self.temp}", f"-I{self.output}",
             self.temp / "example.cc"], check=True)

    def test_float_bundle_is_refused_with_the_remedy(self):
        self.assert_refused(micro(self.output, bundle=_FLOAT),
                            "expected graphs of int8, found those of 'none'.*"
                            "--export_quantize=int8")

    def test_too_little_memory_is_refused_with_the_largest_graphs(self):
        self.assert_refused(
            micro(self.output, "--micro_flash_kb=100", "--micro_ram_kb=64"),
            r"flash: [\d,]+ bytes .* are [\d,]+ more than "
            r"--micro_flash_kb=100; the largest graphs are "
            r"stage3_block1_groups_0_1 [\d,]+, .*RAM: "
            r".*more than --micro_ram_kb=64.*stage1_block1_groups_0_1 [\d,]+")

    def test_existing_output_is_left_alone(self):
        self.output.mkdir(parents=True)
        (self.output / "precious").write_text("x")
        self.assert_refused(micro(self.output), "exists already")
        self.assertEqual([p.name for p in self.output.iterdir()], ["precious"])

    def test_missing_bundle_and_images_are_refused(self):
        self.assert_refused(micro(self.output, bundle=self.temp / "none"),
                            "is not a bundle")
        self.assert_refused(micro(self.output, "--input=nowhere.npz"),
                            "nowhere.npz: no such folder or file")

    def test_images_of_another_size_are_refused(self):
        np.savez(self.temp / "small.npz", images=np.zeros(
            [2, 8, 8, 3], np.uint8))
        self.assert_refused(
            micro(self.output, f"--input={self.temp / 'small.npz'}"),
            r"small.npz\[0\]: expected an image of shape \[32, 32, 3\]")

    def test_stray_argument_is_refused(self):
        self.assert_refused(micro(self.output, "bundle"),
                            "unexpected argument 'bundle'")


if __name__ == "__main__":
    tf.test.main()
