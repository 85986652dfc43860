"""Runs one .tflite file; the only module that imports an interpreter."""

from device import errors
from device import quantization

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    try:
        from tflite_runtime.interpreter import Interpreter
    except ImportError:
        Interpreter = None


class Graph:
    """A subgraph that is ready to run.

    Outputs stay where the interpreter wrote them: `view` hands on that memory,
    so a chain of graphs copies each feature map once (into the next graph's
    input) and a skipped block copies nothing.

    Attributes:
        invoke: callable that runs the interpreter on what its inputs hold.

    Args:
        spec: `bundle.Graph`.
        content: the .tflite file's bytes.
        num_threads: threads of the interpreter.

    Raises:
        RuntimeMissingError: no interpreter is installed.
        BundleError: the file is not what the manifest says.
    """

    def __init__(self, spec, content, *, num_threads=1):
        if Interpreter is None:
            raise errors.RuntimeMissingError(
                "no TFLite interpreter is installed. Install one: "
                "pip install ai-edge-litert (or, for Python <= 3.11, "
                "pip install tflite-runtime 'numpy<2').")
        self.name = spec.name
        try:
            self._interpreter = Interpreter(
                model_content=content, num_threads=num_threads)
            self._interpreter.allocate_tensors()
            inputs = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
        # Of a forged file its texts may be none, and its sizes anything.
        except (ValueError, RuntimeError, MemoryError) as error:
            raise errors.BundleError(
                f"{spec.file}: the interpreter does not accept it ({error}). "
                "Export again, or install a newer interpreter.") from None
        self._inputs = self._matched(inputs, spec, "inputs")
        self._outputs = self._matched(outputs, spec, "outputs")
        self._kinds = spec.outputs
        # Looked up once: at 100 microseconds a graph, names cost.
        self._set = self._interpreter.set_tensor
        self.invoke = self._interpreter.invoke
        self._views = [self._interpreter.tensor(index)
                       for index in self._outputs]

    def run(self, features, other=None):
        """Executes the graph on numpy arrays.

        Args:
            features: its first input, in the manifest's order.
            other: its second, of a graph that has one: a state, or a mask.
        """
        self._set(self._inputs[0], features)
        if other is not None:
            self._set(self._inputs[1], other)
        self.invoke()

    def view(self, output=0):
        """Output number `output`, without a copy.

        It is valid until this graph runs again, which fails while a view is
        still held: drop it first.
        """
        return self._views[output]()

    def read(self, output=0):
        """A copy of output number `output`: what its numbers stand for."""
        return quantization.decode(
            self._interpreter.get_tensor(self._outputs[output]),
            self._kinds[output])

    @staticmethod
    def _matched(details, spec, side):
        """Tensor indices, once all is as the manifest says."""
        expected = [t.encoding for t in getattr(spec, side)]
        found = [quantization.encoding(d) for d in details]
        if expected != found:
            raise errors.BundleError(
                f"{spec.file}: expected {side} {expected}, found {found}. "
                "Export again.")
        return [d["index"] for d in details]
