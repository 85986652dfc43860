"""Classifies images by running only the subgraphs that the gates ask for.

Per block: layer gate -> channel gate -> cheapest variant that covers the wanted
channels -> exit test (Dual Dynamic Inference, Section 3).
"""

import dataclasses
import math
import time

import numpy as np

from device import budget
from device import errors
from device import plan as plan_lib
from device import quantization
from device import runtime
from device.plan import SKIPPED

@dataclasses.dataclass(frozen=True)
class Answer:
    """What came out for one image, and how."""

    label: int                  # index into the bundle's labels
    probabilities: np.ndarray   # [C] float32
    logits: np.ndarray          # [C] float32
    exit: str                   # graph that answered
    entropy: float              # of the probabilities, nats
    path: tuple                 # per block passed: open groups, or SKIPPED
    macs: int                   # everything executed, gates and exits included
    latency_ms: float


class Controller:
    """Holds a bundle's graphs ready to run; a context manager.

    Args:
        bundle: `bundle.Bundle`.
        make_graph: callable (spec, content) -> object with `run`, `view` and
            `read` as `runtime.Graph` has them.

    Raises:
        BundleError: a graph does not load or is not what the manifest says.
    """

    def __init__(self, bundle, *, make_graph=runtime.Graph):
        self._manifest = bundle.manifest
        self._exits = bundle.exits
        self.costs = budget.costs(bundle.manifest.plan, bundle.graphs)
        nodes = {
            name: plan_lib.Node(name, make_graph(spec, bundle.content(name)), spec.macs)
            for name, spec in bundle.graphs.items()}
        plan = bundle.manifest.plan
        self.stem, self.head = nodes[plan.stem], nodes[plan.head]
        self.blocks = tuple(
            plan_lib.Block(*step, nodes, bundle.graphs) for step in zip(
                plan.steps, self.costs.steps, self.costs.to_answer,
                self.costs.past_exit, strict=True))
        self.state_shape = next(
            (spec.outputs[1].shape for spec in bundle.graphs.values()
             if spec.role == "layer_gate"), None)
        settings = bundle.manifest.input
        table = quantization.pixels(
            settings, bundle.graphs[plan.stem].inputs[0])
        # A pixel's place in the table, as far as its channel decides.
        self._table = table.ravel()
        self._rows = np.full(
            settings.shape, np.arange(len(table)) * table.shape[1], np.intp)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Frees the graphs; the controller cannot be used afterwards."""
        self.stem = self.head = None
        self.blocks = ()

    def classify(self, image, *, thresholds=None, max_macs=None, forced=None):
        """The `Answer` for one image.

        Args:
            image: [H, W, 3] uint8, RGB, of the bundle's input shape.
            thresholds: one entropy in nats per exit, None for an exit that is
                off; None: all off. An exit that is off is only evaluated if a
                budget ends there.
            max_macs: hard budget; the answer's `macs` never pass it.
            forced: per block the groups to run, or SKIPPED; the gates are not
                asked.

        Raises:
            ImageError: wrong shape or type.
            BudgetError: the budget pays for no answer.
            ThresholdError: not one threshold per exit.
        """
        self._check(image, thresholds, forced)
        limit = budget.limit(self.costs, max_macs)
        started = time.perf_counter()
        walk = _Walk(self, limit, thresholds, forced)
        name, logits = walk.run(image)
        probabilities, entropy = softmax(logits)
        return Answer(
            int(probabilities.argmax()), probabilities, logits, name, entropy,
            tuple(walk.path), walk.spent,
            1e3 * (time.perf_counter() - started))

    def prepare(self, image):
        """[1, H, W, 3], float32 or int8: the stem's input for one image."""
        return self._table.take(self._rows + image)[np.newaxis]

    def _check(self, image, thresholds, forced):
        if self.stem is None:
            raise ValueError("this controller is closed")
        expected = self._manifest.input.shape
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or (
                image.shape != expected):
            raise errors.ImageError(
                f"expected an array of shape {list(expected)} and type uint8, "
                f"found {list(np.shape(image))} of "
                f"{getattr(image, 'dtype', type(image).__name__)}. Crop or "
                "scale it to the size the network was trained on.")
        if thresholds is not None and len(thresholds) != len(self._exits):
            raise errors.ThresholdError(
                f"expected {len(self._exits)} thresholds, one per exit "
                f"({', '.join(self._exits)}), found {len(thresholds)}.")
        if forced is not None and len(forced) != len(self.blocks):
            raise ValueError(f"`forced` needs {len(self.blocks)} entries, "
                             f"one per block. Received: {len(forced)}")
        for groups, block in zip(forced or (), self.blocks):
            if not isinstance(groups, tuple):
                raise ValueError("`forced` needs a tuple of groups for "
                                 f"{block.step.name}. Received: {groups}")
            block.choose(groups)


class _Walk:
    """One image's way through the plan."""

    def __init__(self, controller, limit, thresholds, forced):
        self._controller, self._limit = controller, limit
        self._thresholds = iter(() if thresholds is None else thresholds)
        self._forced = forced
        self._state = None  # the layer gates', [1, S]
        self.path, self.spent = [], 0

    def run(self, image):
        """(name of the exit that answered, its [C] logits)."""
        controller = self._controller
        features = self._execute(
            controller.stem, controller.prepare(image)).view()
        for block in controller.blocks:
            groups, choice = self._decide(block, features)
            self.path.append(groups)
            if choice is not None:
                features = self._execute(
                    block.variants[choice], features,
                    *block.masks(choice, groups)).view()
            elif block.skip is not None:
                features = self._execute(block.skip, features).view()
            if block.exit is not None:
                logits = self._leave(block.exit, features, block.onward)
                if logits is not None:
                    return block.exit.name, logits
        logits = self._execute(controller.head, features).read()[0]
        return controller.head.name, logits

    def _decide(self, block, features):
        """(groups that run, which variant runs or None) for one block."""
        if not block.step.skippable:
            wanted = (0,)
        elif self._forced is not None:
            wanted = self._forced[len(self.path)]
        elif budget.may_ask(block.prices, self._left - block.reserve):
            wanted = self._ask(block, features)
        else:
            return SKIPPED, None
        choice = block.choose(wanted)
        if choice is None or (
                block.prices.variants[choice] > self._left - block.reserve):
            return SKIPPED, None
        return wanted, choice

    def _ask(self, block, features):
        """The channel groups that the gates want; SKIPPED for none."""
        if block.layer_gate is not None:
            if self._state is None:
                self._state = np.zeros(
                    self._controller.state_shape, np.float32)
            gate = self._execute(block.layer_gate, features, self._state)
            self._state = gate.read(1)
            if gate.read(0)[0, 0] < 0.5:
                return SKIPPED
        if block.channel_gate is None:
            return tuple(range(block.step.groups))
        chances = self._execute(block.channel_gate, features).read()[0]
        return tuple(group for group, chance in enumerate(chances.tolist())
                     if chance >= 0.5)

    def _leave(self, node, features, onward):
        """Logits [C] if the image leaves at this exit, else None.

        Args:
            node: the exit.
            features: what it looks at.
            onward: MACs of the cheapest way to the answer after this one.
        """
        threshold = next(self._thresholds, None)
        is_last = self._left < onward
        if not is_last and (threshold is None or self._left < node.macs):
            return None
        logits = self._execute(node, features).read()[0]
        if is_last or self._left < onward:
            return logits
        return logits if softmax(logits)[1] <= threshold else None

    def _execute(self, node, *inputs):
        """Runs a graph, and pays for it."""
        node.graph.run(*inputs)
        self.spent += node.macs
        return node.graph

    @property
    def _left(self):
        return self._limit - self.spent


def softmax(logits):
    """Probabilities and their entropy.

    Args:
        logits: [C] float32.

    Returns:
        probabilities: [C] float32, sum 1.
        entropy: float in [0, log C], nats.
    """
    shifted = logits - logits.max()
    exponentials = np.exp(shifted)
    total = exponentials.sum()
    probabilities = exponentials / total
    # -sum p log p with log p = shifted - log total: no log of zero.
    return probabilities, math.log(total) - float(
        np.dot(probabilities, shifted))
