"""device.budget: costs along a plan, and what a budget still allows."""

import hypothesis
from absl.testing import absltest
from absl.testing import parameterized
from hypothesis import strategies as st

from device import budget
from device import bundle
import fakes
import strategies

FULL = fakes.GATED
PLAIN = fakes.Block(variants=((30, (0,), False),), skip=None, exit=None)
FIXED = fakes.Block(variants=((9, (0,), False), (8, (0,), True)),
                    skippable=False)


def costs(blocks, price=budget.macs, **macs):
    """The `budget.Costs` of a toy plan."""
    manifest = fakes.manifest(blocks, **macs)
    return budget.costs(manifest.plan, fakes.in_memory(manifest).graphs, price)


class CostsTest(absltest.TestCase):

    def test_a_plan_without_blocks_costs_stem_and_head(self):
        found = costs([], stem=100, head=3)
        self.assertEqual(found, budget.Costs(100, (), 3, (), ()))
        self.assertEqual(found.past_stem, 3)
        self.assertEqual(found.cheapest, 103)

    def test_every_cost_of_a_step_is_its_graphs(self):
        step, = costs([FULL]).steps
        self.assertEqual(step, budget.StepCosts(
            layer_gate=1, channel_gate=2, variants=(10, 11, 20), skip=5,
            exit=7, has_exit=True))

    def test_what_a_step_does_not_have_costs_nothing(self):
        step, = costs([PLAIN]).steps
        self.assertEqual(step, budget.StepCosts(0, 0, (30,), 0, 0, False))

    def test_passing_a_fixed_step_costs_what_is_settled(self):
        block = fakes.Block(
            variants=((30, (0, 2), False), (9, (0,), False)), groups=3,
            skippable=False, settled=(0, 2))
        step, = costs([block]).steps
        self.assertEqual((step.skip, step.asked), (30, 30))

    def test_passing_what_never_runs_costs_its_skip(self):
        block = fakes.Block(variants=(), settled=(), skip=4)
        step, = costs([block]).steps
        self.assertEqual((step.variants, step.skip, step.asked), ((), 4, 4))

    def test_passing_a_fixed_step_costs_its_cheapest_variant(self):
        self.assertEqual(costs([FIXED]).steps[0].skip, 8)

    def test_ways_to_an_answer_by_hand(self):
        found = costs([PLAIN, FULL, FIXED, PLAIN], stem=100, head=3)
        # Behind block 0 comes the shortcut (5) and the exit (7) of block 1;
        # behind that exit the fixed block (8), a free skip and the head (3).
        self.assertEqual(found.to_answer, (12, 7, 3, 3))
        self.assertEqual(found.past_exit, (12, 11, 3, 3))
        self.assertEqual(found.cheapest, 112)

    def test_the_smallest_budget_is_the_least_over_all_answers(self):
        # The exit alone costs more than passing it by and running the head.
        dear = fakes.Block(skip=5, exit=700)
        self.assertEqual(costs([dear], stem=100, head=3).cheapest, 108)

    def test_energy_is_in_whole_picojoules(self):
        # The toys cost half a nanojoule per MAC.
        found = costs([PLAIN, FULL], budget.energy_pj, stem=100, head=3)
        self.assertEqual(found, budget.Costs(
            50_000, (budget.StepCosts(0, 0, (15_000,), 0, 0, False),
                     budget.StepCosts(500, 1000, (5000, 5500, 10_000), 2500,
                                      3500, True)), 1500,
            to_answer=(4000, 1500), past_exit=(4000, 1500)))

    def test_macs_say_which_way_is_the_cheapest(self):
        # The exit has more MACs than the head, but costs less.
        prices = {"stem": 5, "block0_way0": 9, "block0_exit": 1, "head": 50}
        found = costs([fakes.Block(exit=700)],
                      lambda graph: prices[graph.name], stem=100, head=3)
        self.assertEqual((found.to_answer, found.cheapest), ((50,), 55))

    @strategies.SETTINGS
    @hypothesis.given(strategies.manifests())
    def test_no_answer_is_cheaper_than_the_cheapest(self, manifest):
        found = budget.costs(manifest.plan, fakes.in_memory(manifest).graphs)
        spent, answers = found.stem, []
        for step in found.steps:
            spent += step.skip
            if step.has_exit:
                answers.append(spent + step.exit)
        answers.append(spent + found.head)
        self.assertEqual(found.cheapest, min(answers))


class MayAskTest(parameterized.TestCase):

    @parameterized.named_parameters(
        # Gates 3; the cheapest variant 10, dearer than the skip 5.
        ("pays_gates_and_variant", FULL, 13, True),
        ("one_too_few", FULL, 12, False),
        # Without gates only the variant counts.
        ("no_gates", PLAIN, 30, True),
        ("no_gates_one_too_few", PLAIN, 29, False),
        # A skip dearer than the variants must remain payable: 1 + 40.
        ("dear_skip", fakes.Block(layer_gate=1, skip=40), 41, True),
        ("dear_skip_one_too_few", fakes.Block(layer_gate=1, skip=40), 40,
         False))
    def test_gates_are_asked_if_a_variant_stays_payable(
            self, block, spare, expected):
        step, = costs([block]).steps
        self.assertEqual(budget.may_ask(step, spare), expected)


def variants(*groups, masked=False):
    """`bundle.Variant`s that compute these groups."""
    return tuple(bundle.Variant(f"way{index}", each, masked)
                 for index, each in enumerate(groups))


class CheapestVariantTest(parameterized.TestCase):

    @parameterized.named_parameters(
        ("exact", (1,), 1), ("all", (0, 1), 2), ("unknown_group", (2,), None))
    def test_an_unmasked_variant_runs_its_groups_alone(self, wanted, expected):
        self.assertEqual(expected, budget.cheapest_variant(
            variants((0,), (1,), (0, 1)), (10, 11, 20), wanted))

    @parameterized.named_parameters(
        ("subset", (1,), 1), ("all", (0, 1, 2), 0),
        ("covering_one_only", (0, 2), 0))
    def test_a_masked_variant_covers_fewer_groups(self, wanted, expected):
        self.assertEqual(expected, budget.cheapest_variant(
            variants((0, 1, 2), (0, 1), masked=True), (20, 15), wanted))

    def test_the_first_of_equal_prices_is_taken(self):
        self.assertEqual(0, budget.cheapest_variant(
            variants((0,), (0,)), (4, 4), (0,)))

    @strategies.SETTINGS
    @hypothesis.given(st.data())
    def test_no_cheaper_variant_would_have_done(self, data):
        sets = strategies.subsets(3)
        chosen = data.draw(st.lists(
            st.tuples(st.sampled_from(sets), st.booleans(), st.integers(0, 20)),
            min_size=1, max_size=6))
        wanted = data.draw(st.sampled_from(sets))
        possible = [price for groups, masked, price in chosen
                    if groups == wanted
                    or masked and set(groups).issuperset(wanted)]
        index = budget.cheapest_variant(
            tuple(bundle.Variant("way", groups, masked)
                  for groups, masked, _ in chosen),
            tuple(price for *_, price in chosen), wanted)
        self.assertEqual(None if index is None else chosen[index][2],
                         min(possible, default=None))
        self.assertEqual(index is None, not possible)


if __name__ == "__main__":
    absltest.main()
