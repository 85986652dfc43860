"""Runs images through every graph in TFLM and in LiteRT, and compares.

Each image takes its real path: what the gates decide is handed on. The graphs
beside the path run too, on the features that the image has there, so that every
graph is compared on every image.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from converters import tflm
from ddi_tf import errors
from device import budget
from device import passing
from device import quantization

# Of float32 numbers, relative to the largest of an output.
TOLERANCE = 1e-6


@dataclasses.dataclass
class Difference:
    """How a graph's outputs in TFLM compare with those of other kernels."""

    differing: int = 0    # int8 numbers not equal; float32 beyond TOLERANCE
    largest: float = 0.0  # steps of int8; of float32, relative to the largest

    def add(self, expected, found):
        """Counts one more output; both arrays of one shape and type."""
        if expected.dtype == np.int8:
            apart = np.abs(expected.astype(np.int32) - found)
            self.differing += int(np.count_nonzero(apart))
        else:
            scale = max(float(np.abs(expected).max()), 1e-30)
            apart = np.abs(expected - found) / scale
            self.differing += int(np.count_nonzero(~(apart <= TOLERANCE)))
        self.largest = max(self.largest, float(apart.max()))


@dataclasses.dataclass
class Comparison:
    """A graph over all images."""

    allowed: float    # `largest` that `reference` may have
    runs: int = 0
    numbers: int = 0  # in all outputs of all runs
    reference: Difference = dataclasses.field(default_factory=Difference)
    default: Difference = dataclasses.field(default_factory=Difference)


class Passed(NamedTuple):
    """What one image does at one step, exit aside."""

    graphs: tuple  # names of the gates asked and of what ran instead
    groups: tuple  # channel groups that ran; () for a skip


class Decisions(NamedTuple):
    """What one image decides if no exit answers."""

    passed: tuple       # of Passed
    logits: np.ndarray  # [A, classes] float32: early exits, then the head


class Rehearsal:
    """Holds a bundle's graphs in all interpreters.

    Args:
        bundle: `bundle.Bundle` of int8 numbers.
        track: wraps the list of graphs, to show progress.

    Attributes:
        graphs: name -> `tflm.Graph`.
        comparisons: name -> `Comparison`.

    Raises:
        ExportError: TFLM refuses a graph.
    """

    def __init__(self, bundle, track=iter):
        self._manifest, self._specs = bundle.manifest, bundle.graphs
        self.graphs = {
            name: tflm.Graph(bundle.graphs[name], bundle.content(name))
            for name in track(list(bundle.graphs))}
        self._others = {
            name: [tflm.LiteRTGraph(bundle.content(name), reference)
                   for reference in (True, False)] for name in bundle.graphs}
        self.comparisons = {
            name: Comparison(_allowed(spec))
            for name, spec in bundle.graphs.items()}
        self._zeros = {step.name: features.zero_point for step, features in zip(
            self._manifest.plan.steps,
            passing.along(self._manifest.plan, bundle.graphs))}
        stem = bundle.graphs[self._manifest.plan.stem]
        self._pixels = quantization.pixels(
            self._manifest.input, stem.inputs[0])

    def run(self, image):
        """The `Decisions` of one image, [H, W, 3] uint8."""
        plan = self._manifest.plan
        channels = np.arange(image.shape[-1])
        [features] = self._compare(
            plan.stem, self._pixels[channels, image][np.newaxis])
        states, passed, logits = {}, [], []
        for step in plan.steps:
            gates, groups = self._ask(step, features, states)
            ran, groups, features = self._pass(step, features, groups)
            passed.append(Passed((*gates, *ran), groups))
            if step.exit is not None:
                logits.append(self._answer(step.exit, features))
        logits.append(self._answer(plan.head, features))
        return Decisions(tuple(passed), np.stack(logits))

    def check(self):
        """Raises ExportError if TFLM differs from LiteRT's reference kernels.

        Equal means: int8 the same; float32 within TOLERANCE.
        """
        for name, comparison in self.comparisons.items():
            found, allowed = comparison.reference, comparison.allowed
            if found.largest <= allowed:
                continue
            raise errors.ExportError(
                f"{name}: TensorFlow Lite for Microcontrollers differs from "
                f"LiteRT's reference kernels in {found.differing:,} of "
                f"{comparison.numbers:,} numbers ({comparison.runs:,} runs) by "
                f"up to {found.largest:.3g}, expected {allowed:.3g} at most "
                "(int8 in steps, float32 relative to the largest). Install "
                "other versions of tflite-micro and ai-edge-litert, or report "
                "it there.")

    def _ask(self, step, features, states):
        """(gates asked, groups that run) at one step.

        Args:
            states: role of recurrent gates -> their state; goes on.
        """
        asked, is_open, groups = [], True, budget.settled_groups(step)
        if step.layer_gate is not None:
            chances = self._chances(step.layer_gate, features, states)
            asked.append(step.layer_gate)
            is_open = bool(chances[0] >= 0.5)
        if step.channel_gate is not None:
            # Who is not asked does not go on.
            chances = self._chances(step.channel_gate, features,
                                    states if is_open else dict(states))
            if is_open:
                asked.append(step.channel_gate)
                groups = tuple(np.flatnonzero(chances >= 0.5).tolist())
        groups = groups if is_open else ()
        return asked, tuple(sorted({*groups, *budget.least_groups(step)}))

    def _chances(self, name, features, states):
        """[G] float32 of a gate; a recurrent one's state goes on."""
        spec = self._specs[name]
        if len(spec.inputs) == 1:
            return self._compare(name, features)[0][0]
        state = states.get(spec.role)
        if state is None:
            state = np.zeros(spec.inputs[1].shape, np.float32)
        chances, states[spec.role] = self._compare(name, features, state)
        return chances[0]

    def _pass(self, step, features, groups):
        """([graph that ran], groups, features) behind one block."""
        left = {variant.graph: self._compare(
            variant.graph, features, *self._masks(variant, groups))[0]
            for variant in step.variants}
        skipped = (features if step.skip is None
                   else self._compare(step.skip, features)[0])
        if step.appended:
            own = (*features.shape[:-1], step.appended)
            skipped = np.full(own, self._zeros[step.name], features.dtype)
        ran = budget.graph_run(step, groups, self._specs)
        made = left.get(ran, skipped)
        return ([] if ran is None else [ran]), groups, (
            np.concatenate([features, made], axis=-1) if step.appended
            else made)

    def _masks(self, variant, groups):
        """The mask to run a variant with, if it takes one: [1, G]."""
        if not variant.masked:
            return ()
        return (quantization.mask(
            variant.groups, groups or variant.groups,
            self._specs[variant.graph].inputs[1]),)

    def _answer(self, name, features):
        """[classes] float32 logits of an exit or the head."""
        [logits] = self._compare(name, features)
        return quantization.decode(logits, self._specs[name].outputs[0])[0]

    def _compare(self, name, *inputs):
        """TFLM's outputs, as they are, once compared."""
        graph, comparison = self.graphs[name], self.comparisons[name]
        graph.run(*inputs)
        found = [graph.view(index)
                 for index in range(len(self._specs[name].outputs))]
        comparison.runs += 1
        comparison.numbers += sum(output.size for output in found)
        reference, default = self._others[name]
        for other, difference in ((reference, comparison.reference),
                                  (default, comparison.default)):
            for expected, output in zip(other.outputs(inputs), found,
                                        strict=True):
                difference.add(expected, output)
        return found


def _allowed(spec):
    """`Comparison.allowed` of a graph; its outputs are of one type."""
    return 0 if spec.outputs[0].dtype == "int8" else TOLERANCE
