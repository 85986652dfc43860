"""Which channel widths of a block are worth a graph of their own.

A graph that computes some groups only saves what the others cost. The
controller runs the cheapest graph that covers the groups an image wants: one
that takes a mask may compute more than those, which changes nothing, since what
is masked is 0. So for each block the question is which sets of groups to keep,
given

    count(M)  tune images that want the groups M of the block
    time(w)   what a graph of w groups takes: measured, ms

    expected time = sum_M count(M) min_{kept S that covers M} time(|S|)

Sets are added one by one, each time the one that saves most, among those wanted
by some image and unions of two of them; a set that is not faster than what
would run without it saves nothing and is not kept.
"""

import collections
import itertools
from typing import NamedTuple

import numpy as np

from ddi_tf import settled_gates
from ddi_tf import subgraphs

# Of the sets that images want, the most frequent ones that unions are made of.
_MOST_WANTED = 24


class Block(NamedTuple):
    """What is known of a block.

    Attributes:
        groups: how many there are.
        wanted: set of groups (ascending tuple) -> images that want it.
        times: [groups + 1] ms by number of groups that a graph computes.
        sizes: [groups + 1] bytes of a graph by number of groups.
    """

    groups: int
    wanted: dict
    times: np.ndarray
    sizes: np.ndarray

    @property
    def everything(self):
        """The set of all groups."""
        return tuple(range(self.groups))


def spread(most):
    """Ways to run a block of which nothing is known (for `subgraphs.cut`).

    Every set of groups, if there are `most` at most; else as many widths,
    evenly spaced, of which a profile can be made.
    """
    def ways(block, groups):
        exact = subgraphs.every_set(most)(block, groups)
        if len(exact) > 1 or not subgraphs.can_narrow(block, groups):
            return exact
        count = min(most, groups)
        widths = {round(groups * n / count) for n in range(1, count + 1)}
        return tuple(subgraphs.Way(tuple(range(width)), True)
                     for width in sorted(widths))
    return ways


def settled(network, ways):
    """`ways`, but the one, or none, where a network's gates are settled.

    Args:
        network: `network.Network`.
        ways: as for `subgraphs.cut`.
    """
    def fewer(block, groups):
        run = settled_gates.groups_computed(network, block)
        if run is None:
            return ways(block, groups)
        return (subgraphs.Way(run, False),) if run else ()
    return fewer


def choose(blocks, most, max_bytes):
    """Ways to run each block.

    Args:
        blocks: block name -> `Block`.
        most: graphs that a block may have.
        max_bytes: that the graphs of all blocks may take together; the graph
            of all groups of each is kept in any case.

    Returns:
        Block name -> tuple of `subgraphs.Way`.
    """
    kept = {name: [block.everything] for name, block in blocks.items()}
    offers = {name: _offers(name, block, kept[name], most)
              for name, block in blocks.items()}
    spent = sum(block.sizes[-1] for block in blocks.values())
    while affordable := [
            offer for offers_ in offers.values() for offer in offers_
            if spent + offer.bytes <= max_bytes]:
        best = max(affordable)
        kept[best.name].append(best.groups)
        spent += best.bytes
        offers[best.name] = _offers(
            best.name, blocks[best.name], kept[best.name], most)
    return {name: _ways(block, kept[name]) for name, block in blocks.items()}


class _Offer(NamedTuple):
    """A set that could be kept; compared by what it saves."""

    saved: float  # ms, over all images, > 0
    groups: tuple
    name: str     # of the block
    bytes: int


def _offers(name, block, kept, most):
    """The `_Offer`s of a block that has graphs for `kept`."""
    if len(kept) == most:
        return []
    wanted = sorted(block.wanted, key=lambda some: (-block.wanted[some], some))
    pairs = itertools.combinations(wanted[:_MOST_WANTED], 2)
    sets = {*wanted, *(tuple(sorted({*a, *b})) for a, b in pairs)} - {*kept}
    now = expected(block, kept)
    offers = (_Offer(now - expected(block, [*kept, some]), some, name,
                     int(block.sizes[len(some)])) for some in sets)
    return [offer for offer in offers if offer.saved > 0]


def expected(block, kept):
    """Milliseconds that all images together take in a block.

    Args:
        block: `Block`.
        kept: sets of groups that have a graph.
    """
    return sum(count * block.times[len(_cover(block, kept, some))]
               for some, count in block.wanted.items())


def _cover(block, kept, wanted):
    """The set of `kept` that runs `wanted`: the fastest that covers it."""
    return min((some for some in kept if set(wanted) <= set(some)),
               key=lambda some: (block.times[len(some)], len(some), some))


def _ways(block, kept):
    """Ways for sets of groups; those that run others as well take a mask."""
    covers = collections.defaultdict(set)
    for some in block.wanted:
        covers[_cover(block, kept, some)].add(some)
    exact = len(kept) + 1 == 1 << block.groups  # nothing else can be wanted
    return tuple(
        subgraphs.Way(some, not exact and (
            some == block.everything and block.groups > 1
            or bool(covers[some] - {some})))
        for some in sorted(kept, key=lambda some: (len(some), some)))


def known(network, traced, medians, weight_bytes):
    """Block name -> `Block`, of those of which gates choose the channels.

    Args:
        network: `network.Network`.
        traced: `traces.Traces` of the tune split.
        medians: graph name -> ms (`latency.read`), of a bundle of the network
            with graphs of several widths.
        weight_bytes: that a weight takes in a graph.
    """
    found = {}
    for index, block in enumerate(network.blocks):
        groups = subgraphs.groups_of(network, block)
        if (not subgraphs.can_narrow(block, groups)
                or settled_gates.groups_computed(network, block) is not None):
            continue
        ran = traced.layers[:, index] > 0
        sets = (tuple(np.flatnonzero(mask).tolist())
                for mask in traced.masks[index][ran])
        wanted = collections.Counter(some for some in sets if some)
        sizes = [weight_bytes * subgraphs.way_work(
            network, index, subgraphs.Way(tuple(range(width)), False)).weights
            for width in range(groups + 1)]
        found[block.name] = Block(
            groups, dict(wanted), _times(network, block, medians),
            np.array(sizes))
    return found


def _times(network, block, medians):
    """[groups + 1] ms by width: measured ones, and straight lines between.

    Narrower than all that were measured counts as wide as those.
    """
    groups = subgraphs.groups_of(network, block)
    by_width = collections.defaultdict(list)
    for way in subgraphs.ways_in(network, medians)(block, groups):
        name = subgraphs.way_name(block, groups, way)
        by_width[len(way.groups)].append(medians[name])
    widths = sorted(by_width)
    return np.interp(np.arange(groups + 1), widths,
                     [np.mean(by_width[width]) for width in widths])
