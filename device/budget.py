"""What things cost along a plan, and what a hard budget still allows.

The rule: work is only started if what is left afterwards still pays for the
cheapest way to the next answer. So spending never passes the budget, and there
is always an answer. Pure numbers, in any resource; the controller obeys.
"""

from typing import NamedTuple

# Picojoules, in which energy is counted, of a millijoule.
PJ_PER_MJ = 1e9


class StepCosts(NamedTuple):
    """Prices of one step's subgraphs, in one resource."""

    layer_gate: int
    channel_gate: int
    variants: tuple  # in the plan's order
    skip: int        # of passing the block by, or of its first group alone
    exit: int        # 0 where there is none
    has_exit: bool

    @property
    def asked(self):
        """What its gates take, and the least that may follow them."""
        return self.layer_gate + self.channel_gate + max(
            min(self.variants, default=0), self.skip)


class Costs(NamedTuple):
    """Prices along a plan, in one resource."""

    stem: int
    steps: tuple     # of StepCosts
    head: int
    # From behind block k (and its skip) to the next answer, the cheapest way.
    to_answer: tuple
    # From behind the exit of step k to the answer after it, the cheapest way.
    past_exit: tuple

    @property
    def cheapest(self):
        """The smallest budget that gets an answer."""
        return self.stem + self.past_stem

    @property
    def past_stem(self):
        return (self.steps[0].skip + self.to_answer[0] if self.steps
                else self.head)


def macs(graph):
    """Multiply-accumulates of one run of a `bundle.Graph`."""
    return graph.macs


def energy_pj(graph):
    """Modelled energy of one run of a `bundle.Graph`, in whole picojoules.

    Whole, so that sums are exact and a budget is kept to the last digit.
    """
    return round(1000 * graph.energy_nj)


def costs(plan, graphs, price=macs):
    """The `Costs` of a `bundle.Plan`.

    MACs say which way is the cheapest, whatever the resource: so it is one way
    for all of them, and an image can keep several budgets at once.

    Args:
        plan: `bundle.Plan`.
        graphs: names to `bundle.Graph`.
        price: `bundle.Graph` -> what one run costs; `macs`, `energy_pj`, ...
    """
    def both(name):
        """(MACs, price)."""
        return (0, 0) if name is None else (
            graphs[name].macs, price(graphs[name]))

    steps, skips = [], []
    for step in plan.steps:
        skips.append(both(graph_run(step, least_groups(step), graphs)))
        steps.append(StepCosts(
            both(step.layer_gate)[1], both(step.channel_gate)[1],
            tuple(both(v.graph)[1] for v in step.variants), skips[-1][1],
            both(step.exit)[1], step.exit is not None))
    to_answer, past_exit = [], []
    ahead = both(plan.head)
    for step, skip in zip(reversed(plan.steps), reversed(skips)):
        past_exit.append(ahead[1])
        nearest = ahead if step.exit is None else _least(
            both(step.exit), ahead)
        to_answer.append(nearest[1])
        ahead = (skip[0] + nearest[0], skip[1] + nearest[1])
    return Costs(both(plan.stem)[1], tuple(steps), both(plan.head)[1],
                 tuple(reversed(to_answer)), tuple(reversed(past_exit)))


def may_ask(step, spare):
    """Whether asking the gates leaves enough to run what they may want.

    Args:
        step: `StepCosts`.
        spare: what is left for this block after paying the way to an answer.
    """
    return step.asked <= spare


def least_groups(step):
    """The channel groups of a `bundle.Step` that run in any case.

    None of what can be skipped; else those that are settled, or the first.
    """
    if step.skippable:
        return ()
    return (0,) if step.settled is None else step.settled


def settled_groups(step):
    """The groups of a `bundle.Step` that run if no gate chooses channels."""
    return tuple(range(step.groups)) if step.settled is None else step.settled


def opened(plan, graphs):
    """Names of the graphs that run where all gates open, and no exit answers.

    That is the whole network, but for what settled gates never run.

    Args:
        plan: `bundle.Plan`.
        graphs: names to `bundle.Graph`.
    """
    blocks = [graph_run(step, settled_groups(step), graphs)
              for step in plan.steps]
    return [plan.stem, *filter(None, blocks), plan.head]


def asked(plan):
    """Names of all gates and early exits along a `bundle.Plan`."""
    return [name for step in plan.steps for name in (
        step.layer_gate, step.channel_gate, step.exit) if name is not None]


def graph_run(step, groups, graphs):
    """Name of the graph that a `bundle.Step` runs for some open groups.

    Its skip, or None if it has none, where no variant runs them: for ().

    Args:
        groups: ascending tuple.
        graphs: names to `bundle.Graph`.
    """
    choice = cheapest_variant(
        step.variants, [graphs[v.graph].macs for v in step.variants], groups)
    return step.skip if choice is None else step.variants[choice].graph


def cheapest_variant(variants, prices, wanted):
    """Index of the cheapest variant that covers `wanted`, or None.

    Args:
        variants: `bundle.Variant`s.
        prices: their MACs.
        wanted: channel groups that must run, ascending tuple; none runs ().
    """
    covering = [
        index for index, variant in enumerate(variants)
        if wanted and (set(wanted) <= set(variant.groups) if variant.masked
                       else wanted == variant.groups)]
    return min(covering, key=lambda index: prices[index], default=None)


def _least(*ways):
    """The (MACs, price) of fewest MACs; the first of equals."""
    return min(ways, key=lambda way: way[0])
