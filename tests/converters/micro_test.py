"""`python -m converters.micro`: what it checks, writes and refuses."""

import dataclasses
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from unittest import mock

import numpy as np
import tensorflow as tf

from converters import c_plan
from converters import c_sources
from converters import memory_plan
from converters import rehearsal
from converters import tflm
from converters import tflm_ops
from ddi_tf import errors
from device import bundle as bundle_lib
from device import controller as controller_lib
import fakes
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


def setUpModule():
    global _folder, _bundle_path, _images_path
    _folder = pathlib.Path(tempfile.mkdtemp())
    _bundle_path = _folder / "bundle"
    micro_cases.write_bundle(_bundle_path)
    _images_path = _folder / "images.npz"
    np.savez(_images_path, images=parity_test.random_images(2 * _IMAGES))


def tearDownModule():
    shutil.rmtree(_folder)


def micro(output, *extra, bundle=None):
    """The finished `python -m converters.micro`."""
    return subprocess.run(
        [sys.executable, "-m", "converters.micro",
         f"--bundle={bundle or _bundle_path}", f"--output={output}",
         f"--micro_check_images={_IMAGES}", *extra],
        capture_output=True, text=True)


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
        for output in (self.output, self.temp / "again"):
            result = micro(output, f"--input={_images_path}")
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
        bundle = bundle_lib.load(_bundle_path)
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
            example + "\nTfLiteStatus start() { return ddi_add_ops(resolver); }")
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
            r"flash: [\d,]+ bytes .* are [\d,]+ more than --micro_flash_kb=100; "
            r"the largest graphs are stage3_block1_groups_0_1 [\d,]+, .*RAM: "
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


class WriteTest(tf.test.TestCase):

    def test_an_error_while_writing_leaves_nothing(self):
        temp = pathlib.Path(self.create_tempdir().full_path)
        with self.assertRaises(UnicodeEncodeError):
            c_sources.write(temp / "c", {"a.c": "fine", "b.c": "\ud800"})
        self.assertEmpty(list(temp.iterdir()))

    def test_interrupt_while_writing_leaves_nothing(self):
        class Interrupted(dict):

            def items(self):
                yield "a.c", "fine"
                raise KeyboardInterrupt

        temp = pathlib.Path(self.create_tempdir().full_path)
        with self.assertRaises(KeyboardInterrupt):
            c_sources.write(temp / "c", Interrupted())
        self.assertEmpty(list(temp.iterdir()))

    def test_names_cannot_break_the_sources(self):
        self.assertEqual(c_sources._text('a"b\\é??'),
                         '"a\\042b\\134\\303\\251\\077\\077"')
        self.assertEqual(c_sources._comment("a*/ b\n"), "a__ b_")
        self.assertEqual([c_sources._real(v) for v in (1, 0.1, 1e-9, 3e38)], [
            "1.0f", "0.100000001f", "9.99999972e-10f", "3.00000001e+38f"])


class OperationsTest(tf.test.TestCase):

    def _bundle(self, function, shape):
        """A bundle whose head is this function."""
        concrete = tf.function(function).get_concrete_function(
            tf.TensorSpec(shape, tf.float32))
        content = tf.lite.TFLiteConverter.from_concrete_functions(
            [concrete]).convert()
        stem = bundle_lib.load(_bundle_path).content("stem")
        manifest = fakes.manifest()
        return bundle_lib.Bundle(pathlib.Path("toy"), manifest,
                                 {"stem": stem, "head": content})

    def test_operation_that_tflm_lacks_is_named_with_its_graph(self):
        bundle = self._bundle(lambda x: tf.tile(x, [1, 3]), [1, 4])
        with self.assertRaisesRegex(
                errors.ExportError, r"head: .* has no TILE \(https://github"):
            tflm_ops.of_bundle(bundle)

    def test_operations_of_all_graphs_are_found(self):
        bundle = self._bundle(lambda x: tf.tanh(tf.exp(x)), [1, 4])
        self.assertEqual(tflm_ops.of_bundle(bundle),
                         ("CONV_2D", "EXP", "TANH"))

    def test_table_names_operations_of_the_schema(self):
        for name, method in tflm_ops.ADD_METHODS.items():
            self.assertTrue(hasattr(tflm.schema.BuiltinOperator, name), name)
            self.assertEqual(method.upper(), "ADD" + name.replace("_", ""))

    def test_graph_that_tflm_refuses_is_an_error(self):
        content = self._bundle(
            lambda x: tf.tile(x, [1, 3]), [1, 4]).content("head")
        spec = dataclasses.replace(
            fakes.manifest().graphs[-1], inputs=fakes.tensors([1, 4]))
        with self.assertRaisesRegex(errors.ExportError, "head: .*TILE"):
            tflm.Graph(spec, content)


class RehearsalTest(tf.test.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bundle = bundle_lib.load(_bundle_path)
        cls.images = parity_test.random_images(12)
        cls.rehearsal = rehearsal.Rehearsal(cls.bundle)
        cls.decisions = [cls.rehearsal.run(image) for image in cls.images]
        cls.plan = c_plan.make(cls.bundle)
        cls.memory = memory_plan.memory(cls.bundle, cls.plan, {
            name: graph.arena for name, graph in cls.rehearsal.graphs.items()})
        cls.paths = memory_plan.Paths(cls.bundle, cls.memory)

    def test_every_graph_is_compared_on_every_image(self):
        runs = {name: comparison.runs for name, comparison
                in self.rehearsal.comparisons.items()}
        self.assertEqual(min(runs.values()), len(self.images))
        self.rehearsal.check()

    def test_differences_are_counted_by_hand(self):
        found = rehearsal.Difference()
        found.add(np.array([1, -128, 5], np.int8), np.array([1, 127, 4], np.int8))
        self.assertEqual((found.differing, found.largest), (2, 255))
        found = rehearsal.Difference()
        found.add(np.float32([2.0, 0.0]), np.float32([2.0, 1e-6]))
        self.assertEqual(found.differing, 0)
        found.add(np.float32([2.0, 0.0]), np.float32([2.0, 1e-5]))
        self.assertEqual(found.differing, 1)
        self.assertAllClose(found.largest, 5e-6)

    def test_another_result_than_the_reference_kernels_is_an_error(self):
        made = rehearsal.Rehearsal(self.bundle)
        made.run(self.images[0])
        made.comparisons["stem"].reference.add(
            np.zeros(3, np.int8), np.int8([0, 2, 0]))
        with self.assertRaisesRegex(
                errors.ExportError, "stem: .*in 1 of 16,384 numbers "
                r"\(1 runs\) by up to 2, expected 0 at most"):
            made.check()

    def test_paths_cost_what_the_controller_spends(self):
        python = controller_lib.Controller(
            self.bundle, make_graph=tflm.Graph)
        for point in self.bundle.manifest.operating_points:
            answers = [python.classify(image, thresholds=point.thresholds)
                       for image in self.images]
            mean, shares = self.paths.mean(self.decisions, point.thresholds)
            self.assertAllClose(
                mean.macs, np.mean([answer.macs for answer in answers]))
            self.assertAllClose(shares, [
                np.mean([answer.exit == name for answer in answers])
                for name in (*self.bundle.exits, "head")])
        self.assertEqual(self.paths.cheapest().macs, python.costs.cheapest)
        everything = python.classify(
            self.images[0], forced=[(0, 1)] * 3).macs
        asked = sum(
            self.bundle.graphs[name].macs
            for step in self.bundle.manifest.plan.steps
            for name in (step.layer_gate, step.channel_gate, step.exit))
        self.assertEqual(self.paths.full().macs, everything + asked)

    def test_arena_is_that_of_the_largest_graph_and_enough(self):
        totals = [arena.total for arena in self.memory.arenas.values()]
        self.assertBetween(self.memory.arena, max(totals), max(totals) + 15)
        for arena in self.memory.arenas.values():
            self.assertEqual(arena.total, arena.head + arena.tail)
        self.assertEqual(self.paths.full().ram, max(totals)
                         + self.memory.work + self.memory.image)

    def test_bundle_that_the_c_structs_cannot_hold_is_refused(self):
        with self.assertRaisesRegex(
                errors.ExportError, "graph stem reads and leaves .*float32"):
            c_plan.make(bundle_lib.load(_FLOAT))
        heavy = dataclasses.replace(self.bundle.manifest, graphs=tuple(
            dataclasses.replace(graph, macs=1 << 28)
            for graph in self.bundle.manifest.graphs))
        with self.assertRaisesRegex(errors.ExportError, "MACs, expected"):
            c_plan.make(bundle_lib.Bundle(self.bundle.folder, heavy, {}))


class MissingTest(tf.test.TestCase):

    def test_missing_interpreter_is_an_error_with_the_remedy(self):
        with mock.patch.object(tflm, "runtime", None):
            with self.assertRaisesRegex(errors.ExportError, r"\.\[micro\]"):
                tflm.require()


if __name__ == "__main__":
    tf.test.main()
