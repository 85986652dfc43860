"""What is left to spend, and what that still allows: a hard budget in MACs.

The rule: work is only started if what is left afterwards still pays for the
cheapest way to the next answer. So spending never passes the budget, and there
is always an answer. Pure numbers; the controller obeys.
"""

import math
from typing import NamedTuple

from device import errors


class StepCosts(NamedTuple):
    """MACs of one step's subgraphs."""

    layer_gate: int
    channel_gate: int
    variants: tuple  # in the plan's order
    skip: int        # of passing the block by, or of its cheapest variant
    exit: int        # 0 where there is none
    has_exit: bool


class Costs(NamedTuple):
    """MACs along a plan."""

    stem: int
    steps: tuple     # of StepCosts
    head: int
    # MACs from behind block k (and its skip) to the next answer, at least.
    to_answer: tuple
    # MACs from behind the exit of step k to the answer after it, at least.
    past_exit: tuple

    @property
    def cheapest(self):
        """The smallest budget that gets an answer."""
        return self.stem + self.past_stem

    @property
    def past_stem(self):
        return (self.steps[0].skip + self.to_answer[0] if self.steps
                else self.head)


def costs(plan, graphs):
    """The `Costs` of a `bundle.Plan`; `graphs` maps names to `bundle.Graph`."""
    def macs(name):
        return 0 if name is None else graphs[name].macs

    steps = []
    for step in plan.steps:
        variants = tuple(macs(v.graph) for v in step.variants)
        steps.append(StepCosts(
            macs(step.layer_gate), macs(step.channel_gate), variants,
            macs(step.skip) if step.skippable else min(variants),
            macs(step.exit), step.exit is not None))
    to_answer, past_exit = [], []
    ahead = macs(plan.head)
    for step in reversed(steps):
        past_exit.append(ahead)
        to_answer.append(
            min(step.exit, ahead) if step.has_exit else ahead)
        ahead = step.skip + to_answer[-1]
    return Costs(macs(plan.stem), tuple(steps), macs(plan.head),
                 tuple(reversed(to_answer)), tuple(reversed(past_exit)))


def limit(costs_, max_macs):
    """`max_macs`, or infinity for None.

    Raises:
        BudgetError: less than the cheapest way to any answer.
    """
    if max_macs is None:
        return math.inf
    if not max_macs >= costs_.cheapest:  # also what is not a number
        raise errors.BudgetError(
            f"a budget of {max_macs:,} MACs pays for no answer; the "
            f"smallest that works is {costs_.cheapest:,}.")
    return max_macs


def may_ask(step, spare):
    """Whether asking the gates can lead to anything but a skip.

    Args:
        step: `StepCosts`.
        spare: MACs left for this block after paying the way to an answer.
    """
    least = max(min(step.variants), step.skip)
    return step.layer_gate + step.channel_gate + least <= spare


def cheapest_variant(variants, prices, wanted):
    """Index of the cheapest variant that covers `wanted`, or None.

    Args:
        variants: `bundle.Variant`s.
        prices: their MACs.
        wanted: channel groups that must run, ascending tuple.
    """
    covering = [
        index for index, variant in enumerate(variants)
        if (set(wanted) <= set(variant.groups) if variant.masked
            else wanted == variant.groups)]
    return min(covering, key=lambda index: prices[index], default=None)
