"""Random plans, gate decisions and exits, for the property tests."""

import dataclasses
import itertools
from typing import NamedTuple

import hypothesis
from hypothesis import strategies as st

from device import bundle
import fakes

# The machine may be busy, so nothing is judged by its duration. The same
# examples every time: a failure is always of the code that changed.
SETTINGS = hypothesis.settings(
    max_examples=100, deadline=None, derandomize=True, database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow])
MANY = hypothesis.settings(SETTINGS, max_examples=200)
FEW = hypothesis.settings(SETTINGS, max_examples=30)

COSTS = st.integers(0, 1000)

POSITIONS = st.floats(0, 1, exclude_max=True)  # in a file, of its length
FLIPS = st.integers(1, 255)                    # exclusive or of one byte

# Logits and their entropies in nats, by hand: with p = (1, e^-a, e^-a) / total,
# Shannon's is log(total) + 2 a e^-a / total, min-entropy log(total).
ENTROPIES = {
    "shannon": {
        (9, 0, 0): 0.002468, (3, 0, 0): 0.366593, (0, 0, 0): 1.098612},
    "min": {(9, 0, 0): 0.000247, (3, 0, 0): 0.094923, (0, 0, 0): 1.098612}}
_LOGITS = sorted(ENTROPIES["shannon"])

# None of them near an entropy above.
_THRESHOLDS = st.sampled_from([None, 0.0, 0.1, 0.7, 1.2])


# Of each role, all gates have a state or none has.
_RECURRENT = [(), ("layer_gate",), ("channel_gate",),
              ("layer_gate", "channel_gate")]


class Case(NamedTuple):
    """A plan and what its gates and exits say."""

    manifest: bundle.Manifest
    script: dict        # of `fakes.FakeRuntime`
    thresholds: tuple   # one per exit, or None

    @property
    def entropies(self):
        """Logits -> their entropy, of the manifest's kind."""
        return ENTROPIES[self.manifest.entropy]

    @property
    def macs(self):
        """Graph name -> MACs."""
        return {graph.name: graph.macs for graph in self.manifest.graphs}

    @property
    def energy_pj(self):
        """Graph name -> modelled picojoules."""
        return {graph.name: round(1000 * graph.energy_nj)
                for graph in self.manifest.graphs}


def subsets(groups):
    """Every non-empty set of 0 .. groups - 1, as ascending tuples."""
    return [subset for size in range(1, groups + 1)
            for subset in itertools.combinations(range(groups), size)]


@st.composite
def blocks(draw, recurrent):
    """A `fakes.Block` that a converter could have made.

    Args:
        recurrent: roles of the plan's gates that have a state.
    """
    skippable = draw(st.sampled_from([True, True, False]))
    appended = draw(st.sampled_from([0, 0, 1, 3]))
    channel_gate = draw(st.none() | COSTS)
    is_settled = channel_gate is None and draw(st.booleans())
    groups = draw(st.integers(1, 3)) if (
        channel_gate is not None or is_settled) else 1
    sets = [subset for subset in subsets(groups) if skippable or 0 in subset]
    settled = draw(st.sampled_from(
        sets + [()] * skippable)) if is_settled else None
    masked = [tuple(range(groups))] if draw(st.booleans()) else []
    if masked:
        sets = draw(st.lists(st.sampled_from(sets), unique=True))
    elif is_settled and draw(st.booleans()):
        # No other groups can be wanted.
        sets = [settled] if settled else []
    ways = draw(st.permutations([
        *((subset, False) for subset in sorted(sets)),
        *((subset, True) for subset in masked)]))
    return fakes.Block(
        variants=tuple((draw(COSTS), *way) for way in ways), groups=groups,
        layer_gate=draw(st.none() | COSTS) if skippable else None,
        settled=settled, channel_gate=channel_gate, skippable=skippable,
        appended=appended,
        recurrent=recurrent, exit=draw(st.none() | COSTS),
        skip=draw(st.none() | COSTS) if skippable and not appended else None)


@st.composite
def manifests(draw):
    """A `bundle.Manifest` of up to four blocks."""
    recurrent = draw(st.sampled_from(_RECURRENT))
    chosen = draw(st.lists(blocks(recurrent), max_size=4))
    exits = sum(block.exit is not None for block in chosen)
    return fakes.manifest(
        chosen, stem=draw(COSTS), head=draw(COSTS), thresholds=draw(
            st.lists(_THRESHOLDS, min_size=exits, max_size=exits)))


def with_energy(manifest, random):
    """The manifest with energies that have nothing to do with MACs."""
    for graph in manifest.graphs:
        manifest = fakes.with_graph(
            manifest, graph.name, energy_nj=random.randrange(100_000) / 1000)
    return manifest


@st.composite
def cases(draw):
    """A `Case`."""
    manifest = draw(manifests())
    probability = st.sampled_from([0.0, 0.25, 0.5, 1.0])
    script = {}
    for graph in manifest.graphs:
        if graph.role in ("layer_gate", "channel_gate"):
            width = graph.outputs[0].shape[1]
            script[graph.name] = [[draw(probability) for _ in range(width)]]
        elif graph.role in ("exit", "head"):
            script[graph.name] = [draw(st.sampled_from(_LOGITS))]
    manifest = dataclasses.replace(
        with_energy(manifest, draw(st.randoms())),
        entropy=draw(st.sampled_from(sorted(ENTROPIES))))
    thresholds = manifest.operating_points[0].thresholds
    return Case(manifest, script, draw(st.sampled_from([None, thresholds])))
