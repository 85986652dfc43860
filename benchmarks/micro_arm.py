"""The C controller on a Cortex-M4: flash, stack, and the same decisions.

    python benchmarks/micro_arm.py --bundle=INT8_BUNDLE --input=TEST.npz

Cross-compiles the controller and the plan, and walks the plan in QEMU. Graphs
are not run there: they answer what TFLM's kernels gave on this machine, once
the inputs are the recorded ones, byte for byte.
"""

import itertools
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import numpy as np
from absl import app
from absl import flags

from converters import c_plan
from converters import c_sources
from converters import tflm
from device import bundle as bundle_lib
from device import controller as controller_lib
from device import images as images_lib

_BUNDLE = flags.DEFINE_string("bundle", None, "int8 bundle.", required=True)
_INPUT = flags.DEFINE_string(
    "input", None, "Images: folder, file or .npz.", required=True)
_IMAGES = flags.DEFINE_integer("images", 5, "Images to walk with.",
                               lower_bound=1)

_HARNESS = pathlib.Path(__file__).parent / "arm"
_TOOLS = ("arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm")
_CORE = ("-mcpu=cortex-m4", "-mthumb")
# Without and with the core's unit for float32.
_FLOATS = {"soft": ("-mfloat-abi=soft",),
           "hard": ("-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")}
_WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Werror")
_MOST_RECORDED = 3 << 20  # bytes, of the 4 MB that the board has for code
_LIMIT_S = 120


class _Recorder:
    """A graph of TFLM that remembers its runs, in the order of all graphs.

    Args:
        number: of the graph.
        graph: `tflm.Graph`.
        outputs: how many it has.
        runs: bytearray that all graphs write to.
    """

    def __init__(self, number, graph, outputs, runs):
        self._number, self._graph, self._runs = number, graph, runs
        self._outputs = outputs
        self.view, self.read = graph.view, graph.read

    def run(self, *inputs):
        self._graph.run(*inputs)
        data = b"".join(self._graph.view(index).tobytes()
                        for index in range(self._outputs))
        read = b"".join(np.ascontiguousarray(x).tobytes() for x in inputs)
        self._runs += struct.pack("<3I", self._number, _hash(read), len(data))
        self._runs += data + bytes(-len(data) % 4)


def main(argv):
    del argv
    if missing := [tool for tool in _TOOLS if not shutil.which(tool)]:
        sys.exit(f"error: {', '.join(missing)} not found. Install Debian's "
                 "gcc-arm-none-eabi, libnewlib-arm-none-eabi, qemu-system-arm.")
    bundle = bundle_lib.load(_BUNDLE.value)
    images = [item.image for item in itertools.islice(
        images_lib.Source(_INPUT.value, bundle.manifest.input.shape),
        _IMAGES.value)]
    plan = c_plan.make(bundle)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        expected = _write(folder, bundle, plan, images)
        results = {name: _measure(folder, options, plan, expected)
                   for name, options in _FLOATS.items()}
    print(json.dumps({
        "core": "Cortex-M4", "compiler": _version("arm-none-eabi-gcc"),
        "emulator": _version("qemu-system-arm"), "options": "-Os",
        "images": len(images), "cases": len(expected),
        "table_bytes_expected": plan.table_bytes, "floats": results}, indent=1))
    sys.exit(any(result["cases_that_differ"] for result in results.values()))


def _write(folder, bundle, plan, images):
    """Writes sources, recorded runs and cases; returns what each case gives."""
    numbers = {name: number for number, name in enumerate(bundle.graphs)}
    runs, expected, rows = bytearray(), [], []
    with controller_lib.Controller(
            bundle, make_graph=lambda spec, content: _Recorder(
                numbers[spec.name], tflm.Graph(spec, content),
                len(spec.outputs), runs)) as controller:
        for number, point, max_macs in _cases(bundle, controller, len(images)):
            rows.append((number, point, max_macs, len(runs)))
            expected.append(_expected(bundle, controller.classify(
                images[number], max_macs=max_macs or None, thresholds=None
                if point is None else
                bundle.manifest.operating_points[point].thresholds)))
    if len(runs) > _MOST_RECORDED:
        sys.exit(f"error: {len(runs):,} bytes of recorded outputs, of which "
                 f"{_MOST_RECORDED:,} fit. Give fewer --images.")
    for name, text in c_sources.files(bundle, plan, (), 0).items():
        (folder / name).write_text(text)
    (folder / "records.bin").write_bytes(runs)
    (folder / "images.bin").write_bytes(np.stack(images).tobytes())
    (folder / "cases.h").write_text(
        '#include "ddi_plan.h"\n#define CASES '
        f"{len(rows)}u\ntypedef struct {{\n    uint32_t image;\n"
        "    const float *thresholds;\n    uint32_t max_macs, record;\n"
        "} ddi_case;\n"
        "static const ddi_case cases[CASES] = {\n" + "".join(
            f"    {{{number}, "
            f"{0 if point is None else f'ddi_thresholds[{point}]'}, "
            f"{max_macs}u, {record}u}},\n"
            for number, point, max_macs, record in rows) + "};\n")
    return expected


def _cases(bundle, controller, images):
    """(image, number of an operating point or None, MACs or 0)."""
    point = 0 if bundle.manifest.operating_points and bundle.exits else None
    cheapest = controller.costs.cheapest
    for number in range(images):
        yield number, None, 0
        yield number, point, 0
        yield number, point, cheapest
        yield number, None, cheapest + (1 + number) * (
            bundle.manifest.base_macs - cheapest) // (1 + images)


def _expected(bundle, answer):
    """(label, exit, MACs, entropy, path) as the C controller gives them."""
    ways_out = (*bundle.exits, bundle.manifest.plan.head)
    return (answer.label, ways_out.index(answer.exit), answer.macs,
            answer.entropy, tuple(sum(1 << group for group in groups)
                                  for groups in answer.path))


def _measure(folder, options, plan, expected):
    """Sizes, stack and the number of cases that end otherwise."""
    compile_ = ("arm-none-eabi-gcc", *_CORE, *options, "-Os", *_WARNINGS,
                "-ffunction-sections", "-fdata-sections")
    sources = ["ddi_controller", "ddi_plan", "ddi_graphs"]
    for name in sources:
        _run([*compile_, "-fstack-usage", "-c", f"{name}.c"], folder)
    linked = ["-nostartfiles", "-specs=nano.specs", "-specs=nosys.specs",
              "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments"]
    _run([*compile_, *linked, "-Wl,-e,ddi_classify", "-Wl,-u,ddi_classify",
          "ddi_controller.o", "-lm", "-o", "controller.elf"], folder)
    _run([*compile_, *linked, "-I.", "-T", _HARNESS / "mps2_an386.ld",
          _HARNESS / "walk.c", "ddi_controller.o", "ddi_plan.o", "-lm", "-o",
          "walk.elf"], folder)
    found = _walked(folder)
    differing = sum(not _same(*pair) for pair in zip(found, expected)) + abs(
        len(found) - len(expected))
    usage = {name: int(size) for name, size in re.findall(
        r":(\w+)\t(\d+)\tstatic", (folder / "ddi_controller.su").read_text())}
    graphs = _size(folder, "ddi_graphs.o")
    return {
        "flash_bytes": {
            "controller": _size(folder, "ddi_controller.o"),
            "controller_with_libm": _size(folder, "controller.elf"),
            "tables": _size(folder, "ddi_plan.o") + 8 * len(plan.graph_macs),
            "graphs": graphs - 8 * len(plan.graph_macs)},
        "stack_bytes": {
            "frames": usage, "all_frames_together": sum(usage.values()),
            "measured_with_replaying_callback": max(
                (line["stack"] for line in found), default=None)},
        "cases_that_differ": differing}


def _walked(folder):
    """What walk.c printed, one dict per case."""
    output = _run(
        ["qemu-system-arm", "-M", "mps2-an386", "-nographic", "-monitor",
         "none", "-serial", "none", "-semihosting-config",
         "enable=on,target=native", "-kernel", "walk.elf"], folder)
    lines = []
    for line in output.splitlines():
        status, label, exit_, macs, steps, bits, stack, *path = map(
            int, line.split())
        [entropy] = struct.unpack("<f", struct.pack("<I", bits))
        assert len(path) == steps
        lines.append({"status": -status, "stack": stack, "answer": (
            label, exit_, macs, entropy, tuple(path))})
    return lines


def _same(line, expected):
    *exact, entropy, path = line["answer"]
    *exact_expected, entropy_expected, path_expected = expected
    return line["status"] == 0 and (exact, path) == (
        exact_expected, path_expected) and (
            abs(entropy - entropy_expected) < 1e-5)


def _size(folder, name):
    """Bytes of code and constants in an object file or program."""
    text, data = _run(["arm-none-eabi-size", name],
                      folder).splitlines()[1].split()[:2]
    return int(text) + int(data)


def _hash(data):
    """FNV-1a, 32 bits, as walk.c has it."""
    value = 2166136261
    for byte in data:
        value = (value ^ byte) * 16777619 & 0xffffffff
    return value


def _version(tool):
    return _run([tool, "--version"], None).splitlines()[0]


def _run(command, folder):
    """Standard output and error of a command; ends the program if it fails."""
    try:
        result = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=_LIMIT_S)
    except subprocess.TimeoutExpired:
        sys.exit(f"error: {command[0]} did not end within {_LIMIT_S} s.")
    if result.returncode:
        sys.exit(f"error: {' '.join(map(str, command))} failed:\n"
                 f"{result.stdout}")
    return result.stdout


if __name__ == "__main__":
    app.run(main)
