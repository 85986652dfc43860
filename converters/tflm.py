"""Runs .tflite files with TensorFlow Lite for Microcontrollers (TFLM) here.

Beside it LiteRT, with its reference kernels and with the kernels it takes by
default; the only module of this package that imports these interpreters.
"""

import contextlib
import os
import re
import tempfile
from typing import NamedTuple

import numpy as np

from ddi_tf import errors
from device import quantization

try:
    from ai_edge_litert import interpreter as litert
    from ai_edge_litert import schema_py_generated as schema
    from tflite_micro.python.tflite_micro import runtime
except ImportError:
    litert = schema = runtime = None

# Arenas to measure a graph in, bytes: the first that is large enough.
_ROOMS = [1 << bits for bits in range(20, 29, 2)]

# What TFLM's recording allocator prints of an arena.
_FIGURES = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")


class Arena(NamedTuple):
    """Memory that a graph needs in TFLM, bytes."""

    total: int  # head and tail
    head: int   # tensors and scratch: free again once the graph has run
    tail: int   # what the interpreter keeps between runs


class Graph:
    """A graph in TFLM's interpreter; runs, views and reads as `runtime.Graph`.

    Its kernels are TFLM's reference kernels, those of a microcontroller without
    kernels of its own.

    Args:
        spec: `bundle.Graph`.
        content: the .tflite file's bytes.

    Attributes:
        arena: `Arena` that it needs. Of this machine, whose pointers are twice
            as long as a microcontroller's: at least what it needs there.

    Raises:
        ExportError: TFLM refuses the file.
    """

    def __init__(self, spec, content):
        require()
        self.name, self._spec = spec.name, spec
        self.arena = self._measured(content)
        # An arena of this size is enough, or the figure would be wrong.
        self._interpreter = self._loaded(content, self.arena.total)

    def run(self, *inputs):
        """Executes the graph on numpy arrays, in the manifest's order."""
        for index, value in enumerate(inputs):
            self._interpreter.set_input(np.ascontiguousarray(value), index)
        self._interpreter.invoke()

    def view(self, output=0):
        """A copy of output number `output`, as it is."""
        return self._interpreter.get_output(output)

    def read(self, output=0):
        """A copy of output number `output`: what its numbers stand for."""
        return quantization.decode(
            self.view(output), self._spec.outputs[output])

    def _measured(self, content):
        interpreter = self._loaded(content, None)
        with _native_stderr() as said:
            interpreter.print_allocations()
            text = said()
        figures = {name: int(size) for name, size in _FIGURES.findall(text)}
        if figures.keys() != {"total", "head", "tail"}:
            raise errors.ExportError(
                "this version of tflite-micro does not say how much memory "
                f"{self.name} takes; it says {text[:200]!r}. Install another "
                "one: pip install --upgrade tflite-micro.")
        return Arena(**figures)

    def _loaded(self, content, arena_bytes):
        """An interpreter that has run once; None: with as much as it needs."""
        for room in [arena_bytes] if arena_bytes else _ROOMS:
            with _native_stderr() as said:
                try:
                    interpreter = runtime.Interpreter.from_bytes(
                        content, arena_size=room)
                    for index, tensor in enumerate(self._spec.inputs):
                        interpreter.set_input(
                            np.zeros(tensor.shape, tensor.dtype), index)
                    interpreter.invoke()
                    return interpreter
                except (RuntimeError, ValueError) as error:
                    reason = said().strip() or str(error)
        raise errors.ExportError(
            f"{self.name}: TensorFlow Lite for Microcontrollers refuses it in "
            f"{room} bytes: {reason.splitlines()[-1]}. Export again; if that "
            "does not help, run the bundle with `python -m device.run`.")


class LiteRTGraph:
    """A graph in LiteRT's interpreter.

    Args:
        content: the .tflite file's bytes.
        reference: whether to take the reference kernels, not the default ones
            (XNNPACK's, and optimised ones where it has none).
    """

    def __init__(self, content, reference):
        require()
        kinds = litert.OpResolverType
        with _native_stderr():  # it announces its delegate
            self._interpreter = litert.Interpreter(
                model_content=content, num_threads=1,
                experimental_op_resolver_type=(
                    kinds.BUILTIN_REF if reference else kinds.AUTO))
            self._interpreter.allocate_tensors()
        index = lambda details: [detail["index"] for detail in details]
        self._inputs = index(self._interpreter.get_input_details())
        self._outputs = index(self._interpreter.get_output_details())

    def outputs(self, inputs):
        """The outputs, as arrays, of a run on `inputs`."""
        for index, value in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_tensor(index, value)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


def require():
    """Raises ExportError if an interpreter is missing."""
    if runtime is None:
        raise errors.ExportError(
            "tflite-micro or ai-edge-litert is not installed. Install both, on "
            "Linux on x86-64: pip install -e '.[micro]'.")


def operations(content):
    """The set of names (BuiltinOperator) that a .tflite file executes.

    Args:
        content: the file's bytes.
    """
    require()
    names = {code: name for name, code in vars(schema.BuiltinOperator).items()
             if isinstance(code, int)}
    model = schema.Model.GetRootAsModel(content, 0)
    found = set()
    for subgraph in map(model.Subgraphs, range(model.SubgraphsLength())):
        for index in range(subgraph.OperatorsLength()):
            code = model.OperatorCodes(subgraph.Operators(index).OpcodeIndex())
            # Older files have only the second, which ends at 127.
            number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            name = names.get(number, f"operation {number}")
            custom = code.CustomCode()
            found.add(f"{name} {custom.decode()}" if custom else name)
    return found


@contextlib.contextmanager
def _native_stderr():
    """Keeps what native code writes to standard error.

    Yields a function that reads it, to be called inside.
    """
    with tempfile.TemporaryFile() as file:
        saved = os.dup(2)
        os.dup2(file.fileno(), 2)

        def said():
            return os.pread(file.fileno(), 1 << 20, 0).decode(errors="replace")

        try:
            yield said
        finally:
            os.dup2(saved, 2)
            os.close(saved)
