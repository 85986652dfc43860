"""An int8 bundle with random weights, and the C controller as a library."""

import atexit
import ctypes
import dataclasses
import functools
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import numpy as np

from converters import bundling
from converters import c_plan
from converters import c_sources
from converters import tflm
from ddi_tf import data
from ddi_tf import network as network_lib
from ddi_tf import ranges
from ddi_tf import subgraphs
from device import bundle as bundle_lib
from device import quantization
from device import runtime
import fakes
import parity_test

SCALING = data.Scaling((120.0, 121.0, 122.0), (60.0, 61.0, 62.0))
LABELS = tuple(str(n) for n in range(10))
POINTS = [
    {"name": "default", "thresholds": [1.0, None, 0.9], "tune_accuracy": 0.5,
     "tune_mean_macs": 1e6},
    {"name": "quick", "thresholds": [1.6, 1.4, 1.3], "tune_accuracy": 0.5,
     "tune_mean_macs": 2e6}]

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")
needs_tflm = unittest.skipIf(
    tflm.runtime is None, "tflite-micro is not installed")
needs_gcc = unittest.skipUnless(shutil.which("gcc"), "gcc is not installed")


# Seeds whose random gates are of many minds.
_SEEDS = {2: 9, 4: 2}


def write_bundle(path, groups=2, exits=True):
    """Writes an int8 bundle of a ResNet8 whose gates say yes and no.

    Of 2 groups, blocks have a graph for each set of them; of 4, one that takes
    a mask.
    """
    network = parity_test.lively(network_lib.NetworkConfig(
        depth=8, groups=groups, exits=exits), _SEEDS[groups])
    images = parity_test.random_images(64)
    ranges.attach(network, SCALING)
    found = ranges.find(network, SCALING, images[:32], images[32:])
    bundling.write(
        network, {"data": {"label_names": list(LABELS),
                           "scaling": SCALING._asdict()}},
        POINTS if exits else [], path, subgraphs.every_set(3),
        bundle_lib.Numbers("int8", bundle_lib.Calibration(
            found.images, found.saturated)))
    return bundle_lib.load(path)


@functools.cache
def shared_bundle():
    """Path of the bundle of 2 groups; made once, for all tests to read."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    path = pathlib.Path(folder) / "bundle"
    write_bundle(path)
    return path


def as_int8(manifest):
    """A toy manifest with the types of an int8 bundle.

    Logits: value = number. In features, a 7 stands for 0.
    """
    def int8(tensors):
        return tuple(dataclasses.replace(
            t, dtype="int8", scale=1.0,
            zero_point=7 if len(t.shape) == 4 else 0) for t in tensors)

    def graph(spec):
        if "gate" in spec.role:
            return dataclasses.replace(
                spec, inputs=int8(spec.inputs[:1]) + spec.inputs[1:])
        return dataclasses.replace(
            spec, inputs=int8(spec.inputs), outputs=int8(spec.outputs))

    return dataclasses.replace(
        manifest, graphs=tuple(map(graph, manifest.graphs)),
        numbers=bundle_lib.Numbers("int8", bundle_lib.Calibration(32, 0.0)))


class Int8Runtime(fakes.FakeRuntime):
    """Toy graphs whose int8 outputs are read as what they stand for."""

    def make_graph(self, spec, content):
        graph = super().make_graph(spec, content)
        read = graph.read
        graph.read = lambda output=0: quantization.decode(
            read(output), spec.outputs[output])
        return graph


class Input(ctypes.Structure):
    """`ddi_input` and `ddi_output`."""

    _fields_ = [("data", ctypes.c_void_p), ("bytes", ctypes.c_uint32)]


class Answer(ctypes.Structure):
    """`ddi_answer`."""

    _fields_ = [
        ("label", ctypes.c_int), ("exit", ctypes.c_int),
        ("entropy", ctypes.c_float), ("probability", ctypes.c_float),
        ("macs", ctypes.c_uint32), ("steps", ctypes.c_int),
        ("path", ctypes.POINTER(ctypes.c_uint64)),
        ("logits", ctypes.POINTER(ctypes.c_int8))]


_RUN_GRAPH = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(Input),
    ctypes.c_int, ctypes.POINTER(Input), ctypes.c_int)

OK, ERROR_BUDGET, ERROR_GRAPH = 0, -1, -2

# Behind the work memory, to see that nothing writes there.
_SENTINEL, _GUARD = 12345.0, 64


class CController:
    """ddi_controller.c with a bundle's ddi_plan.c, compiled for this machine.

    Args:
        bundle: `bundle.Bundle`.
        make_graph: callable (spec, content) -> what the callback runs, with
            `run` and `view` as `runtime.Graph` has them.
        controller: path of a compiled ddi_controller.c; None to compile it.
    """

    def __init__(self, bundle, make_graph=runtime.Graph, controller=None):
        self._bundle, self.plan = bundle, c_plan.make(bundle)
        self._graphs = [(spec, make_graph(spec, bundle.content(name)))
                        for name, spec in bundle.graphs.items()]
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            for name, text in c_sources.files(bundle, self.plan, (), 0).items():
                (folder / name).write_text(text)
            controller = controller or compile_controller(folder)
            library = folder / "ddi.so"
            subprocess.run(
                ["gcc", *STRICT, "-fPIC", "-shared", f"-I{folder}",
                 folder / "ddi_plan.c", controller, "-o", library, "-lm"],
                check=True)
            self._library = ctypes.CDLL(str(library))
        self._library.ddi_features.restype = ctypes.c_void_p
        self._bundle_plan = ctypes.byref(
            ctypes.c_byte.in_dll(self._library, "ddi_bundle_plan"))
        self._callback = _RUN_GRAPH(self._run)
        self._problem = None       # ctypes swallows what a callback raises
        self.failing_graph = None  # number of a graph whose run fails

    def classify(self, image, thresholds=None, max_macs=None, prepared=None):
        """(what ddi_classify returned, `Answer`, path as of the controller).

        Args:
            image: [H, W, 3] uint8, or None: the stem's input is `prepared`.
            thresholds: nats or None per exit; None: all off.
            max_macs: hard budget, or None.
            prepared: int8 array.
        """
        work = np.full(self.plan.work_floats + _GUARD, _SENTINEL, np.float32)
        place = work.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        if prepared is not None:
            ctypes.memmove(
                self._library.ddi_features(self._bundle_plan, place),
                np.ascontiguousarray(prepared).ctypes.data, prepared.nbytes)
        limits = (ctypes.c_float * len(thresholds))(*(
            c_plan.OFF if t is None else t for t in thresholds)
        ) if thresholds else None
        path = (ctypes.c_uint64 * max(1, len(self.plan.steps)))()
        answer = Answer(path=path)
        status = self._library.ddi_classify(
            self._bundle_plan, None if image is None else
            np.ascontiguousarray(image).ctypes.data_as(ctypes.c_void_p),
            limits, ctypes.c_uint32(max_macs or 0), place, self._callback,
            None, ctypes.byref(answer))
        if self._problem is not None:
            raise self._problem
        assert (work[-_GUARD:] == _SENTINEL).all(), "beyond the work memory"
        return status, answer, tuple(
            tuple(group for group in range(64) if path[step] >> group & 1)
            for step in range(answer.steps))

    def exit_name(self, answer):
        """Of the graph that answered."""
        return (*self._bundle.exits, self._bundle.manifest.plan.head)[
            answer.exit]

    def _run(self, user, number, inputs, input_count, outputs, output_count):
        del user
        if number == self.failing_graph:
            return 7
        try:
            spec, graph = self._graphs[number]
            graph.run(*(_read(*pair) for pair in zip(
                inputs[:input_count], spec.inputs, strict=True)))
            for index, (place, _) in enumerate(zip(
                    outputs[:output_count], spec.outputs, strict=True)):
                _write(place, graph.view(index))
        except Exception as problem:
            self._problem = problem
            return 1
        return 0


def compile_controller(folder):
    """Path of ddi_controller.c compiled with every warning an error."""
    compiled = pathlib.Path(folder) / "ddi_controller.o"
    subprocess.run(
        ["gcc", *STRICT, "-Wconversion", "-O2", "-fPIC", "-c",
         c_sources.SOURCES / "ddi_controller.c", "-o", compiled], check=True)
    return compiled


def _read(place, tensor):
    """A copy of one input of a graph."""
    assert place.data % 4 == 0, "not aligned"
    dtype = np.dtype(tensor.dtype)
    assert place.bytes == dtype.itemsize * np.prod(tensor.shape), tensor
    return np.frombuffer(ctypes.string_at(place.data, place.bytes),
                         dtype).reshape(tensor.shape)


def _write(place, value):
    """Copies one output of a graph."""
    value = np.ascontiguousarray(value)
    assert place.bytes == value.nbytes and place.data % 4 == 0
    ctypes.memmove(place.data, value.ctypes.data, value.nbytes)
