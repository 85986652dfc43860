"""device.bundle_check: a plan that does not connect is refused, with the why.

Each case spoils one thing in a plan that is good.
"""

import dataclasses
import math
import re

import hypothesis
from absl.testing import absltest
from absl.testing import parameterized

from device import bundle
from device import bundle_check
from device import errors
import fakes
import strategies

GATED = fakes.GATED
MASKED = fakes.Block(variants=((20, (0, 1), True),), groups=2, layer_gate=1,
                     channel_gate=2, exit=9)
FIXED = fakes.Block(variants=((8, (0,), False),), skippable=False)
GOOD = fakes.manifest([GATED, MASKED, FIXED], thresholds=[0.5, None])

CHOOSING = fakes.Block(
    variants=((8, (0,), False), (12, (0, 1), False)), groups=2,
    channel_gate=2, skippable=False)

WIDE = (1, 2, 2, 8)  # not the shape of the toy's features


def graph(name, /, **changes):
    return fakes.with_graph(GOOD, name, **changes)


def step(index, /, **changes):
    return fakes.with_step(GOOD, index, **changes)


def inputs(name, *shapes):
    return graph(name, inputs=fakes.tensors(*shapes))


def outputs(name, *shapes):
    return graph(name, outputs=fakes.tensors(*shapes))


def int8(scale, zero_point):
    """Features in int8."""
    return fakes.tensors(fakes.FEATURES, dtype="int8", scale=scale,
                         zero_point=zero_point)


def input_(**changes):
    return dataclasses.replace(
        GOOD, input=dataclasses.replace(GOOD.input, **changes))


def plan(**changes):
    return dataclasses.replace(
        GOOD, plan=dataclasses.replace(GOOD.plan, **changes))


def groups(*all_groups, masked=False):
    """The first step with variants of these groups."""
    return step(0, variants=tuple(
        bundle.Variant(f"block0_way{index}", each, masked)
        for index, each in enumerate(all_groups)))


def point(*thresholds):
    return dataclasses.replace(GOOD, operating_points=(
        bundle.OperatingPoint("fast", thresholds, 0.9, 1.0),))


class RefusedTest(parameterized.TestCase):

    def assert_refused(self, manifest, message):
        with self.assertRaisesRegex(
                errors.BundleError,
                rf"^toy/manifest\.json: .*{message}.*\. Export again\.$"):
            bundle_check.check("toy/manifest.json", manifest)

    @parameterized.named_parameters(
        ("same_name", graph("head", name="stem"), "names are not unique"),
        ("unknown_role", graph("block0_skip", role="teapot"),
         "graph block0_skip is malformed"),
        ("negative_macs", graph("block0_skip", macs=-1),
         "graph block0_skip is malformed"),
        ("no_input", graph("head", inputs=()), "graph head is malformed"),
        ("no_output", graph("head", outputs=()), "graph head is malformed"),
        ("stem_missing", plan(stem="root"),
         "needs a graph 'root' of role stem, found none"),
        ("head_is_an_exit", plan(head="block0_exit"),
         "needs a graph 'block0_exit' of role head, found exit"),
        ("gate_is_a_block", step(0, layer_gate="block0_way0"),
         "needs a graph 'block0_way0' of role layer_gate, found block"),
        ("way_is_a_skip", step(0, variants=(
            bundle.Variant("block0_skip", (0, 1), False),)),
         "needs a graph 'block0_skip' of role block, found skip"))
    def test_graphs_must_be_there_and_of_their_role(self, manifest, message):
        self.assert_refused(manifest, message)

    @parameterized.named_parameters(
        ("two_dimensions", input_(shape=(2, 2), mean=(1.0, 1.0),
                                  std=(1.0, 1.0))),
        ("mean_of_two", input_(mean=(1.0, 2.0))),
        ("std_of_four", input_(std=(1.0,) * 4)),
        ("std_zero", input_(std=(1.0, 0.0, 1.0))),
        ("std_negative", input_(std=(1.0, -1.0, 1.0))))
    def test_the_input_must_fit_together(self, manifest):
        self.assert_refused(manifest, "shape, mean and std do not fit")

    @parameterized.named_parameters(
        ("stem", inputs("stem", (1, 3, 3, 3)), "stem", "1, 2, 2, 3",
         "1, 3, 3, 3"),
        ("batch", inputs("stem", (2, 2, 2, 3)), "stem", "1, 2, 2, 3",
         "2, 2, 2, 3"),
        ("way", inputs("block0_way1", WIDE), "block0_way1", "1, 2, 2, 4",
         "1, 2, 2, 8"),
        ("skip", inputs("block0_skip", WIDE), "block0_skip", "1, 2, 2, 4",
         "1, 2, 2, 8"),
        ("exit", inputs("block1_exit", WIDE), "block1_exit", "1, 2, 2, 4",
         "1, 2, 2, 8"),
        ("head", inputs("head", WIDE), "head", "1, 2, 2, 4", "1, 2, 2, 8"),
        ("channel_gate", inputs("block0_channel_gate", WIDE),
         "block0_channel_gate", "1, 2, 2, 4", "1, 2, 2, 8"),
        ("state", inputs("block0_layer_gate", fakes.FEATURES, (1, 3)),
         "block0_layer_gate", "1, 2", "1, 3"),
        ("no_state", inputs("block0_layer_gate", fakes.FEATURES),
         "block0_layer_gate", "1, 2", r"1, 2, 2, 4\),\)"),
        ("mask", inputs("block1_way0", fakes.FEATURES, (1, 3)), "block1_way0",
         "1, 2", "1, 3"),
        ("no_mask", inputs("block1_way0", fakes.FEATURES), "block1_way0",
         "1, 2", r"1, 2, 2, 4\),\)"),
        ("mask_for_none", inputs("block0_way0", fakes.FEATURES, (1, 2)),
         "block0_way0", r"1, 2, 2, 4\),\)", "1, 2"))
    def test_inputs_must_be_what_comes_before(self, manifest, name, expected,
                                              found):
        self.assert_refused(
            manifest,
            rf"graph {name}: expected inputs .*{expected}.*, found .*{found}")

    @parameterized.named_parameters(
        ("stem", outputs("stem", WIDE),
         r"expected inputs .*2, 8.*found .*2, 4"),
        ("ways", outputs("block0_way1", WIDE),
         r"step block0 leaves features that differ in shape, type or scale: "
         r".*2, 4.*2, 8"),
        ("skip", outputs("block0_skip", WIDE),
         "step block0 leaves features that differ in shape"),
        ("identity", outputs("block1_way0", WIDE),
         "step block1 leaves features that differ in shape"),
        ("fixed", outputs("block2_way0", WIDE),
         r"graph head: expected inputs .*2, 8.*found .*2, 4"),
        ("exit", outputs("block0_exit", (1, 4)),
         r"graph block0_exit: expected logits of shape \(1, 3\), one per "
         r"label, found \(1, 4\)"),
        ("head", outputs("head", (3,)),
         r"graph head: expected logits of shape \(1, 3\).*found \(3,\)"),
        ("channel_gate", outputs("block1_channel_gate", (1, 3)),
         r"block1_channel_gate: expected \[1, 2\] probabilities, .*found .*"
         r"\(1, 3\)"),
        ("layer_gate", outputs("block0_layer_gate", (1, 2), (1, 2)),
         r"block0_layer_gate: expected \[1, 1\] probabilities, and a state if "
         r"it is recurrent, found outputs \[\(1, 2\), \(1, 2\)\]"),
        ("two_states", outputs("block0_layer_gate", (1, 1), (1, 2), (1, 2)),
         r"block0_layer_gate: expected .* a state if it is recurrent, found"),
        ("state_that_comes_from_nowhere", outputs("block0_layer_gate", (1, 1)),
         r"graph block0_layer_gate: expected inputs \(\(1, 2, 2, 4\),\), found "
         r"\(\(1, 2, 2, 4\), \(1, 2\)\)"),
        ("state_that_goes_nowhere",
         outputs("block0_channel_gate", (1, 2), (1, 5)),
         r"graph block0_channel_gate: expected inputs \(\(1, 2, 2, 4\), "
         r"\(1, 5\)\), found \(\(1, 2, 2, 4\),\)"),
        ("states", outputs("block1_layer_gate", (1, 1), (1, 5)),
         r"graph block1_layer_gate: expected a state of shape \(1, 2\), as "
         r"every layer_gate before it, found a state of shape \(1, 5\)"),
        ("one_that_forgets", outputs("block1_layer_gate", (1, 1)),
         r"graph block1_layer_gate: expected a state of shape \(1, 2\), .*, "
         "found no state"),
        ("one_that_remembers", outputs("block1_channel_gate", (1, 2), (1, 5)),
         "graph block1_channel_gate: expected no state, as every channel_gate "
         r"before it, found a state of shape \(1, 5\)"))
    def test_outputs_must_be_what_comes_next(self, manifest, message):
        self.assert_refused(manifest, message)

    @parameterized.named_parameters(
        ("same_name", step(1, name="block0"), "step names are not unique"),
        ("no_way", step(0, variants=()),
         "block0: expected at least one variant"),
        ("no_group", step(2, groups=0),
         "block2: expected .* 1 to 65536 groups|but no gate that chooses"),
        ("groups_without_end", step(0, groups=1 << 60),
         "block0: expected .* groups, found 2 and|graph block0_channel_gate"),
        ("same_graph_twice", step(2, variants=(
            bundle.Variant("block0_way0", (0,), False),)),
         "graphs of blocks are not unique: .'block0_way0'"),
        ("nothing_chooses", step(0, channel_gate=None),
         "step block0 has 2 channel groups but no gate that chooses"),
        ("settled_and_gate", step(0, settled=(1,)),
         r"block0: expected settled groups .* no gate that chooses, found "
         r"\(1,\)"),
        ("settled_beyond", step(1, settled=(0, 2)),
         r"block1: expected settled groups of 0 to \d, .*found \(0, 2\)"),
        ("settled_to_what_no_graph_runs", fakes.with_step(
            groups((0, 1)), 0, channel_gate=None, settled=(1,)),
         r"block0: expected a variant that runs the settled groups \(1,\)"),
        ("settled_descending", step(0, channel_gate=None, settled=(1, 0)),
         r"block0: .* ascending, .*found \(1, 0\)"),
        ("settled_without_what_runs_in_any_case", step(2, settled=()),
         r"block2: .* run in any case, .*found \(\)"),
        ("fixed_with_gate", step(0, skippable=False),
         "step block0 cannot be skipped, yet has a layer gate or a skip"),
        ("fixed_with_skip", step(2, skip="block0_skip"),
         "step block2 cannot be skipped, yet has a layer gate or a skip"))
    def test_a_step_must_make_sense(self, manifest, message):
        self.assert_refused(manifest, message)

    @parameterized.named_parameters(
        ("none", groups((), (0, 1)), r"groups \(\), expected some of 0 to 1"),
        ("too_many", groups((0, 1, 2)), r"groups \(0, 1, 2\), expected some"),
        ("negative", groups((-1, 0), (0, 1)), r"groups \(-1, 0\), expected"),
        ("descending", groups((1, 0)), r"groups \(1, 0\), .* ascending"),
        ("twice", groups((0, 0, 1)), r"groups \(0, 0, 1\), .* ascending"))
    def test_groups_must_be_some_of_the_step(self, manifest, message):
        self.assert_refused(
            manifest, f"variant block0_way0 of step block0 has {message}")

    @parameterized.named_parameters(
        ("not_all", groups((0,), (1,))),
        ("not_all_at_once", groups((0,))))
    def test_one_variant_must_run_all_groups(self, manifest):
        self.assert_refused(
            manifest, "step block0 has no variant with all 2 groups")

    @parameterized.named_parameters(
        ("one_missing", groups((0,), (0, 1))),
        ("only_all", groups((0, 1))))
    def test_whatever_the_gate_may_open_must_be_runnable(self, manifest):
        # The gate may open group 1 alone, which no graph here can run.
        self.assert_refused(manifest, "step block0")

    @parameterized.named_parameters(
        ("only_others", ((1,), (0, 1))), ("not_all", ((0,), (1,))))
    def test_the_first_group_of_what_cannot_be_skipped_must_be_runnable(
            self, sets):
        # The gate may leave group 0 alone.
        block = dataclasses.replace(CHOOSING, variants=tuple(
            (9, groups, False) for groups in sets))
        self.assert_refused(fakes.manifest([block]), "step block0")

    @parameterized.named_parameters(
        ("too_few", point(0.5), r"expected 2 thresholds .*found \[0\.5\]"),
        ("too_many", point(0.5, None, 1.0), "expected 2 thresholds"),
        ("negative", point(0.5, -0.1), r"nats >= 0, or null\), found .*-0\.1"),
        ("nan", point(float("nan"), None), "found .*nan"))
    def test_thresholds_must_be_one_per_exit(self, manifest, message):
        self.assert_refused(manifest, f"operating point fast: .*{message}")

    def test_operating_points_have_names_of_their_own(self):
        twice = dataclasses.replace(
            GOOD, operating_points=2 * GOOD.operating_points)
        self.assert_refused(twice, "names of operating points are not unique")

    @parameterized.named_parameters(
        ("no_scale", int8(None, 0)), ("no_zero_point", int8(0.5, None)),
        ("scale_of_nothing", int8(0.0, 0)), ("zero_point", int8(0.5, 128)),
        ("scaled_float", fakes.tensors(fakes.FEATURES, scale=1.0)),
        ("other_type", fakes.tensors(fakes.FEATURES, dtype="float64")))
    def test_tensors_are_float32_or_int8_with_a_scale(self, tensors):
        self.assert_refused(
            graph("block0_skip", inputs=tensors),
            "graph block0_skip: expected float32 tensors, or int8 with a scale")

    def test_types_must_connect_too(self):
        self.assert_refused(
            graph("block0_skip", inputs=int8(0.5, 3)),
            r"block0_skip reads features as int8 \(scale 0\.5, zero point 3\), "
            "but they are float32")

    def test_scales_must_connect_too(self):
        manifest = GOOD
        for name in ("block2_way0", "head"):
            manifest = fakes.with_graph(manifest, name, inputs=int8(0.5, 3))
        manifest = fakes.with_graph(
            manifest, "block2_way0", outputs=int8(0.25, 3))
        with self.assertRaisesRegex(errors.BundleError, "block2_way0 reads"):
            bundle_check.check("toy/manifest.json", manifest)

    def test_states_are_float32(self):
        for side in ("inputs", "outputs"):
            tensors = getattr(GOOD.graphs[1], side)
            self.assertEqual(GOOD.graphs[1].name, "block0_layer_gate")
            state = dataclasses.replace(
                tensors[1], dtype="int8", scale=0.5, zero_point=0)
            self.assert_refused(
                graph("block0_layer_gate", **{side: (tensors[0], state)}),
                "graph block0_layer_gate: expected a state in float32, found "
                ".*int8")

    @parameterized.parameters(("int8", None), ("int4", None),
                              ("none", bundle.Calibration(50, 0.0)))
    def test_a_calibration_belongs_to_int8(self, kind, calibration):
        self.assert_refused(dataclasses.replace(
            GOOD, numbers=bundle.Numbers(kind, calibration)), "numbers: ")

    def test_an_unknown_entropy_is_refused(self):
        self.assert_refused(
            dataclasses.replace(GOOD, entropy="tsallis"),
            "entropy: expected one of shannon, min, found tsallis")

    @parameterized.parameters(0, -1)
    def test_the_base_network_must_cost_something(self, macs):
        self.assert_refused(dataclasses.replace(GOOD, base_macs=macs),
                            f"base_macs.*{macs}")

    @parameterized.parameters(-1.0, math.nan, math.inf, 1e30)
    def test_base_energy_out_of_range(self, energy_nj):
        self.assert_refused(
            dataclasses.replace(GOOD, base_energy_nj=energy_nj),
            f"base_energy_nj.*{re.escape(str(energy_nj))}")


class AcceptedTest(parameterized.TestCase):

    @parameterized.named_parameters(
        ("good", GOOD),
        ("no_blocks", fakes.manifest()),
        ("thresholds_may_be_zero", point(0.0, 0.0)),
        ("one_masked_way_for_all", fakes.manifest([MASKED])),
        ("one_state_in_all_gates", fakes.manifest([GATED, GATED])),
        ("gates_without_a_state", fakes.manifest(
            [dataclasses.replace(GATED, recurrent=())] * 2)),
        ("a_gate_where_nothing_is_skipped", fakes.manifest([CHOOSING])),
        ("free_graphs", graph("block0_skip", macs=0)))
    def test_a_plan_that_connects_is_accepted(self, manifest):
        self.assertIsNone(bundle_check.check("toy/manifest.json", manifest))

    def test_one_layer_gate_may_serve_many_steps(self):
        shared = step(1, layer_gate="block0_layer_gate")
        self.assertIsNone(bundle_check.check("toy/manifest.json", shared))

    @strategies.SETTINGS
    @hypothesis.given(strategies.manifests())
    def test_any_plan_of_a_converter_is_accepted(self, manifest):
        self.assertIsNone(bundle_check.check("toy/manifest.json", manifest))


if __name__ == "__main__":
    absltest.main()
