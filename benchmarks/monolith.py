"""The network without dynamic inference, timed as the controller is."""

from device import bundle as bundle_lib
from device import answers
from device import runtime


class Monolith:
    """The whole backbone as one graph, before and after it as
    the controller works.

    Args:
        content: bytes of the .tflite, of the same kind of numbers.
        like: `controller.Controller` whose image scaling it shares.
        bundle: `bundle.Bundle` of `like`.
    """

    def __init__(self, content, like, bundle):
        plan, graphs = bundle.manifest.plan, bundle.graphs
        spec = bundle_lib.Graph(
            "monolith", "base", "monolith.tflite", "", len(content), 0, 0.0,
            graphs[plan.stem].inputs, graphs[plan.head].outputs)
        self._graph = runtime.Graph(spec, content)
        self._prepare = like.prepare

    def classify(self, image):
        """[C] float32 probabilities of one [H, W, 3] uint8 image."""
        self._graph.run(self._prepare(image))
        return answers.softmax(self._graph.read()[0])[0]
