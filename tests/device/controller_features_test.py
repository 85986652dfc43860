"""device.controller: what graphs are handed on random plans.

Features and states of the fakes are filled with the number of their graph.
"""

import hypothesis
import numpy as np
from absl.testing import absltest
from hypothesis import strategies as st

import fakes
import rules
import strategies

IMAGE = np.zeros(fakes.IMAGE, np.uint8)
EXTRA = st.integers(0, 3000)  # MACs above the smallest budget


def numbers(case):
    """Graph name -> what its features and its state are filled with."""
    return {graph.name: number
            for number, graph in enumerate(case.manifest.graphs)}


def after(step, features, made):
    """What stands in each channel behind a block.

    Args:
        step: `bundle.Step`.
        features: what stood there before.
        made: number of the graph that ran, a list of one; or of none.
    """
    if step.appended:
        return features + (made or [0]) * step.appended
    return made * len(features) if made else features


class FeaturesTest(absltest.TestCase):

    @strategies.MANY
    @hypothesis.given(strategies.cases(), EXTRA)
    def test_every_graph_gets_the_features_that_the_path_left(
            self, case, extra):
        device, runtime = rules.open_(case)
        # What the first image left is nothing to the second.
        for budget in (None, device.costs.cheapest + extra):
            runtime.calls.clear()
            answer = device.classify(
                IMAGE, thresholds=case.thresholds, max_macs=budget)
            self.assert_handed_on(case, answer.path, {
                name: inputs[0] for name, inputs in runtime.calls})

    def assert_handed_on(self, case, path, got):
        """`got`: name of each graph that ran -> the features it was given."""
        number = numbers(case)
        features = [number["stem"]] * fakes.FEATURES[-1]
        for step, groups in zip(case.manifest.plan.steps, path):
            ran = rules.block(case, step, groups)
            for name in (step.layer_gate, step.channel_gate, *ran):
                self.assert_channels(got.get(name), features)
            features = after(step, features, [number[name] for name in ran])
            self.assert_channels(got.get(step.exit), features)
        self.assert_channels(got.get("head"), features)

    def assert_channels(self, found, expected):
        if found is not None:
            self.assertEqual(found.shape[-1], len(expected))
            np.testing.assert_array_equal(
                found, np.broadcast_to(expected, found.shape))


class StateTest(absltest.TestCase):

    @strategies.SETTINGS
    @hypothesis.given(strategies.cases(), st.none() | EXTRA)
    def test_a_state_is_that_of_the_last_gate_of_its_role_that_ran(
            self, case, extra):
        device, runtime = rules.open_(case)
        device.classify(IMAGE, max_macs=extra if extra is None
                        else device.costs.cheapest + extra)
        roles = {graph.name: graph.role for graph in case.manifest.graphs}
        states = {"layer_gate": 0, "channel_gate": 0}
        for name, inputs in runtime.calls:
            if roles[name] in states and len(inputs) > 1:
                np.testing.assert_array_equal(
                    inputs[1], np.full(fakes.STATE, states[roles[name]]))
                states[roles[name]] = numbers(case)[name]


if __name__ == "__main__":
    absltest.main()
