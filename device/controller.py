"""Classifies images by running only the subgraphs that the gates ask for."""

import time

import numpy as np

from device import budget
from device import concatenation
from device import errors
from device import limits as limits_lib
from device import plan as plan_lib
from device import quantization
from device import runtime
from device import status
from device import walk


class Controller:
    """Holds a bundle's graphs ready to run; a context manager.

    Args:
        bundle: `bundle.Bundle`.
        make_graph: callable (spec, content) -> object with `run`, `view` and
            `read` as `runtime.Graph` has them.
        profile: `profile.Profile` of this machine, for deadlines; or None.
        clock: callable -> integer nanoseconds, of a clock that is never set.

    Attributes:
        tariff: `limits.Tariff`: what everything costs.
        blocks: of `plan.Block`; stem, head: `plan.Node`.
        entropy: what thresholds are compared with (`bundle_check.ENTROPIES`).

    Raises:
        BundleError: a graph does not load or is not what the manifest says.
    """

    def __init__(self, bundle, *, make_graph=runtime.Graph, profile=None,
                 clock=time.perf_counter_ns):
        self._manifest, self.clock = bundle.manifest, clock
        self.entropy = bundle.manifest.entropy
        self._exits = bundle.exits
        plan = bundle.manifest.plan
        self.tariff = limits_lib.Tariff(plan, bundle.graphs, profile)
        nodes = {
            name: plan_lib.Node(
                name, make_graph(spec, bundle.content(name)), spec.macs,
                budget.energy_pj(spec), _state(spec))
            for name, spec in bundle.graphs.items()}
        self.stem, self.head = nodes[plan.stem], nodes[plan.head]
        self.blocks = tuple(
            plan_lib.Block(step, number, nodes, bundle.graphs, append)
            for number, (step, append) in enumerate(zip(
                plan.steps, concatenation.appends(plan, bundle.graphs))))
        self._state_shapes = {
            _state(spec): spec.outputs[1].shape
            for spec in bundle.graphs.values() if _state(spec)}
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

    @property
    def costs(self):
        """`budget.Costs` in MACs."""
        return self.tariff.macs

    def classify(self, image, *, thresholds=None, max_macs=None,
                 max_energy_mj=None, deadline_ms=None, forced=None,
                 ongoing=None):
        """The `answers.Answer` for one image.

        Args:
            image: [H, W, 3] uint8, RGB, of the bundle's input shape.
            thresholds: one entropy in nats per exit, None for an exit that is
                off; None: all off. An exit that is off is only evaluated if a
                budget ends there.
            max_macs: hard budget; the answer's `macs` never pass it.
            max_energy_mj: hard budget; nor does its `energy_mj` this one.
            deadline_ms: when the answer is due. Nothing begins that would,
                at its 95th percentile, make it late; it can still be `late`.
            forced: per block the groups to run, or SKIPPED; the gates are not
                asked. What cannot be skipped runs all the same.
            ongoing: `anytime.Ongoing`, to ask for the answer so far.

        Raises:
            ImageError: wrong shape or type.
            BudgetError: a budget pays for no answer; or a deadline, and no
                profile.
            ThresholdError: not one threshold per exit.
        """
        started = self.clock()
        self._check(image, thresholds, forced)
        limits = status.Limits(max_macs, max_energy_mj, deadline_ms)
        return walk.Walk(
            self, started, limits, thresholds, forced, ongoing).run(image)

    def initial_state(self, role):
        """[1, S] float32 zeros, before the first recurrent gate of a role."""
        return np.zeros(self._state_shapes[role], np.float32)

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
            block.choose(block.completed(groups))


def _state(spec):
    """`plan.Node.state` of a `bundle.Graph`."""
    return spec.role if spec.role.endswith("_gate") and (
        len(spec.outputs) > 1) else None
