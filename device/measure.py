"""Times every graph of a bundle as the controller runs it.

A walk runs one variant of every block, as an image does: each graph gets the
features that the graph before it has just left in the interpreter's memory. A
round walks until every variant has had its turn, each walk twice, and counts
the second: the caches are then those of this network in use, neither of one
graph in a loop, nor of all variants at once, which no image runs (ResNet38 with
15 of each block: gates took three times as long in one walk through them all).
Then one image is classified with every gate open, timed as a whole.
"""

import time
from typing import NamedTuple

import numpy as np

# Rounds that are not counted: lazy initialisation, cold caches, slow clocks.
WARMUP = 10

# Of the time limit, at most, for these.
_WARMUP_SHARE = 0.25

_NS_PER_MS = 1e6


class Times(NamedTuple):
    """What was measured, in milliseconds."""

    graphs: dict     # name -> [N] float64, a round one or several each
    full_path: np.ndarray  # [rounds] float64: classify, all gates open
    full_path_graphs: tuple  # names that it ran, in order
    rounds: int
    warmup: int      # rounds that were not counted


def measure(controller, images, *, runs, seconds, clock=time.perf_counter_ns,
            progress=lambda share: None):
    """The `Times` of `runs` rounds, or of as many as `seconds` allow.

    Ends after the round in which the time is up, so it has at least one.

    Args:
        controller: `controller.Controller`.
        images: [N, H, W, 3] uint8, of the bundle's input shape; taken in turn.
        runs: rounds to count, 1 or more.
        seconds: limit for everything, warm-up included.
        clock: callable -> integer nanoseconds.
        progress: called between rounds with the share that is done, 0 to 1.
    """
    if runs < 1:
        raise ValueError(f"`runs` must be 1 or more. Received: {runs}")
    started = clock()

    def share_of_time():
        return (clock() - started) / (1e9 * seconds)

    warmup = _Rounds(controller, clock)
    while warmup.number < WARMUP and (
            not warmup.number or share_of_time() < _WARMUP_SHARE):
        warmup.add(images[warmup.number % len(images)])
    rounds = _Rounds(controller, clock)
    while rounds.number < runs and (
            not rounds.number or share_of_time() < 1):
        rounds.add(images[rounds.number % len(images)])
        progress(min(1, max(rounds.number / runs, share_of_time())))
    in_ms = lambda times: np.array(times, np.float64) / _NS_PER_MS
    return Times(
        {name: in_ms(times) for name, times in rounds.graphs.items()},
        in_ms(rounds.full_path), rounds.full_path_graphs, rounds.number,
        warmup.number)


def statistics(times):
    """Median, p95 and mean in ms, and the count, of [N] float64 in ms."""
    rounded = lambda value: round(float(value), 6)  # nanoseconds
    return {"median_ms": rounded(np.median(times)),
            "p95_ms": rounded(np.percentile(times, 95)),
            "mean_ms": rounded(np.mean(times)), "count": len(times)}


def all_open(controller):
    """What every block runs where all gates open: `forced`, for most work.

    That is the whole network, but for what settled gates never run.
    """
    return [block.settled for block in controller.blocks]


class _Rounds:
    """Walks the plan and collects nanoseconds.

    Args:
        controller: `controller.Controller`.
        clock: callable -> integer nanoseconds.
    """

    def __init__(self, controller, clock):
        self._controller, self._clock = controller, clock
        self._all_open = all_open(controller)
        self._walks = max([1, *(len(block.variants)
                                for block in controller.blocks)])
        self.graphs, self.full_path, self.number = {}, [], 0

    @property
    def full_path_graphs(self):
        """Names of the graphs that run when every gate is open."""
        blocks = (self._node(block, groups) for block, groups in zip(
            self._controller.blocks, self._all_open))
        return tuple(node.name for node in (
            self._controller.stem, *blocks, self._controller.head) if node)

    def add(self, image):
        """One round: every graph along the plan, then the whole."""
        for number in range(self._walks):
            self._walk(image, number)  # fills the caches
            for name, duration in self._walk(image, number):
                self.graphs.setdefault(name, []).append(duration)
        started = self._clock()
        self._controller.classify(image, forced=self._all_open)
        self.full_path.append(self._clock() - started)
        self.number += 1

    def _walk(self, image, number):
        return _Walk(self._controller, self._clock).run(image, number)

    @staticmethod
    def _node(block, groups):
        """What runs, a `plan.Node`; None where features pass as they are."""
        way = block.way(groups)
        return block.skip if way is None else way.node


class _Walk:
    """One way through the plan, graph by graph; arguments as of `_Rounds`."""

    def __init__(self, controller, clock):
        self._controller, self._clock = controller, clock
        self._states, self._laps = {}, []

    def run(self, image, number):
        """[(name, nanoseconds)] of every graph on the way.

        Args:
            image: as `classify` takes it.
            number: which variant a block runs; those with fewer begin again.
        """
        controller = self._controller
        features = self._timed(
            _view, controller.stem, controller.prepare(image))
        for block in controller.blocks:
            for gate in (block.layer_gate, block.channel_gate):
                if gate is not None:
                    self._gate(gate, features)
            made = None
            if block.skip is not None:
                made = self._timed(_view, block.skip, features)
            if block.variants:
                made = self._variant(
                    block, number % len(block.variants), features)
            if block.append is not None:
                features = block.append(features, made)
            elif made is not None:
                features = made
            if block.exit is not None:
                self._timed(_read, block.exit, features)
        self._timed(_read, controller.head, features)
        return self._laps

    def _gate(self, gate, features):
        """Runs a gate; a recurrent one's state goes on."""
        role, states = gate.state, self._states
        if role is None:
            self._timed(_read, gate, features)
            return
        if role not in states:
            states[role] = self._controller.initial_state(role)
        states[role] = self._timed(
            _decision_and_state, gate, features, states[role])

    def _variant(self, block, index, features):
        """Features behind one variant of a block."""
        masks = block.masks(index, block.step.variants[index].groups)
        return self._timed(_view, block.variants[index], features, *masks)

    def _timed(self, take, node, *inputs):
        """What `take` gets from a graph that has run; its time is noted."""
        started = self._clock()
        node.graph.run(*inputs)
        taken = take(node.graph)
        duration = self._clock() - started
        self._laps.append((node.name, duration))
        return taken


def _view(graph):
    return graph.view()


def _read(graph):
    return graph.read()


def _decision_and_state(graph):
    """The state; the decision is read as well, since the controller does."""
    state = graph.read(1)
    graph.read(0)
    return state
