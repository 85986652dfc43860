"""`python -m converters.inspect`: its tables, and what it refuses."""

import dataclasses
import io
import pathlib
import subprocess
import sys
import tempfile
from xml.etree import ElementTree

from absl.testing import absltest

from ddi_tf import quiet  # noqa: F401 (loads TensorFlow silently)

from converters import plan_costs
from converters import plan_table
from converters import plan_words
from device import bundle as bundle_lib
from device import profile as profile_lib
import fakes
import profiles

_ROOT = pathlib.Path(__file__).parents[2]
_DIGITS = _ROOT / "tests" / "testdata" / "digits_resnet8"

_TOY = profiles.BUNDLE  # stem, one block with everything, head


def ways(bundle, profile=None):
    """Name of each way -> its `Cost`, as a tuple."""
    return {way.name: tuple(plan_costs.cost(way.graphs, profile))
            for way in plan_costs.ways(bundle)}


def printed(bundle, profile=None, width=None):
    file = io.StringIO()
    plan_table.print_bundle(bundle, profile, file, width)
    return file.getvalue()


def line_of(text, start):
    """The only line that starts with `start`, split at its spaces."""
    [line] = [line for line in text.splitlines() if line.startswith(start)]
    return line.split()


class CostsTest(absltest.TestCase):

    def test_totals_of_the_toy_are_those_computed_by_hand(self):
        # MACs, bytes ("the graph NAME"), half as many nanojoules, milliseconds
        # (a role's number).
        self.assertEqual(ways(_TOY, profiles.PROFILE), {
            "full path": (100 + 20 + 1, 14 + 21 + 14, 60.5, 1.0 + 4 + 7),
            "full path + all gates, exits": (
                121 + 1 + 2 + 7, 49 + 27 + 29 + 21, 65.5, 12.0 + 2 + 3 + 6),
            "cheapest to block0_exit": (
                100 + 5 + 7, 14 + 21 + 21, 56.0, 1.0 + 5 + 6),
            "all graphs, once each": (
                121 + 1 + 2 + 7 + 10 + 11 + 5, 126 + 2 * 21 + 21, 78.5,
                1.0 + 2 + 3 + 3 * 4 + 5 + 6 + 7)})

    def test_nothing_is_timed_without_a_profile(self):
        self.assertEqual({cost[-1] for cost in ways(_TOY).values()}, {None})

    def test_cheapest_way_runs_what_cannot_be_skipped(self):
        bundle = fakes.in_memory(fakes.manifest([
            fakes.Block(skippable=False), fakes.Block(), fakes.Block(exit=3),
            fakes.GATED], stem=100))
        self.assertEqual(ways(bundle)["cheapest to block2_exit"][0], 113)

    def test_without_exits_the_cheapest_way_leads_to_the_head(self):
        bundle = fakes.in_memory(fakes.manifest([fakes.Block()], stem=100))
        self.assertEqual(ways(bundle)["cheapest to head"][0], 101)

    def test_full_path_takes_the_cheapest_graph_with_all_channels(self):
        block = fakes.Block(((30, (0, 1), True), (20, (0, 1), False)), 2, 1, 2)
        bundle = fakes.in_memory(fakes.manifest([block], stem=100))
        self.assertEqual(ways(bundle)["full path"][0], 121)

    def test_a_shared_gate_is_one_row_and_is_paid_for_each_use(self):
        bundle = fakes.in_memory(fakes.with_step(
            fakes.manifest([fakes.GATED] * 2, stem=100), 1,
            layer_gate="block0_layer_gate"))
        uses = {row.graph.name: row.uses for row in plan_costs.rows(bundle)}
        self.assertEqual(uses["block0_layer_gate"], 2)
        self.assertEqual(uses["block1_layer_gate"], 0)
        self.assertEqual(list(uses)[-2:], ["head", "block1_layer_gate"])
        self.assertLen(uses, len(bundle.graphs))
        found = ways(bundle)
        self.assertEqual(found["full path + all gates, exits"][0],
                         found["full path"][0] + 2 * (1 + 2 + 7))


class TableTest(absltest.TestCase):

    def test_a_row_holds_what_the_manifest_and_the_profile_say(self):
        text = printed(_TOY, profiles.PROFILE)
        self.assertEqual(
            line_of(text, "block0_way2"),
            "block0_way2 block 2x2x4 -> 2x2x4 float32 20 2.0% 21 10.0 4.0000 "
            "4.5000".split())
        self.assertEqual(
            line_of(text, "block0_layer_gate"),
            "block0_layer_gate layer_gate 2x2x4 + 2 -> 1 + 2 float32 1 0.1% 27 "
            "0.5 2.0000 2.5000".split())
        self.assertEqual(line_of(text, "full path  "),
                         "full path 121 12.1% 49 60.5 12.0000".split())

    def test_above_it_stands_what_the_bundle_is(self):
        bundle = fakes.in_memory(fakes.manifest(
            [fakes.GATED, fakes.Block(), fakes.Block(skippable=False)],
            thresholds=[0.25]))
        text = printed(bundle)
        for said in ("3: cat, dog, emu", "image classification", "float32",
                     "modelled, horowitz", "0123abc", "1,000 MACs",
                     "2 of 3 blocks; by a graph that changes the shape: "
                     "block0; at no cost: block1; never: block2"):
            self.assertIn(said, text)
        self.assertEqual(line_of(text, "default"),
                         ["default", "50.00%", "12", "1.2%", "0.250"])

    def test_channels_that_are_appended_are_told_from_others(self):
        dense = fakes.Block(layer_gate=1, appended=3)
        text = printed(fakes.in_memory(fakes.manifest([dense, fakes.Block()])))
        self.assertEqual(line_of(text, "block0_way0")[2:6],
                         ["2x2x4", "->+", "2x2x3", "float32"])
        self.assertEqual(line_of(text, "block1_way0")[2:5],
                         ["2x2x7", "->", "2x2x7"])
        self.assertIn("three blocks use it; ->+: it appends)", text)
        self.assertIn("2 of 2 blocks; with zeros in their place: block0; at no "
                      "cost: block1", text)
        self.assertNotIn("appends", printed(_TOY))

    def test_many_blocks_of_one_kind_are_not_named(self):
        fixed = fakes.Block(skippable=False)
        said = lambda *blocks: plan_words.skips(fakes.manifest(blocks).plan)
        self.assertEqual(said(*[fakes.Block()] * 7),
                         "7 of 7 blocks; at no cost: all")
        self.assertEqual(
            said(fixed, *[fakes.Block(appended=1)] * 7, fixed),
            "7 of 9 blocks; with zeros in their place: the others; never: "
            "block0, block8")
        self.assertEqual(said(), "0 of 0 blocks")

    def test_int8_has_its_scale_and_its_calibration(self):
        tensor = bundle_lib.Tensor("out", fakes.FEATURES, "int8", 0.0625, 3)
        manifest = fakes.with_graph(_TOY.manifest, "stem", outputs=(tensor,))
        text = printed(fakes.in_memory(dataclasses.replace(
            manifest, numbers=bundle_lib.Numbers(
                "int8", bundle_lib.Calibration(500, 0.00125)))))
        self.assertIn("int8 0.0625", text)
        self.assertRegex(text, "ranges found on 500 images, 0.1250% of others")

    def test_in_80_columns_every_line_fits_and_nothing_is_cut(self):
        bundle = bundle_lib.load(_DIGITS)
        text = printed(bundle, width=80)
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        self.assertNotIn("…", text)
        for graph in bundle.manifest.graphs:
            self.assertIn(f"{graph.name} ", text)
            self.assertIn(f"{graph.macs:,}", text)

    def test_in_a_file_each_graph_is_one_line(self):
        bundle = bundle_lib.load(_DIGITS)
        lines = printed(bundle).splitlines()
        for graph in bundle.manifest.graphs:
            [line] = [line for line in lines
                      if line.startswith(f"{graph.name} ")]
            self.assertIn(f"{graph.bytes:,}", line)

    def test_a_file_gets_letters_and_no_control_codes(self):
        manifest = dataclasses.replace(
            _TOY.manifest, labels=("cat\x1b[31m", "[red]dog", "e\nmu"))
        text = printed(fakes.in_memory(manifest), profiles.PROFILE)
        self.assertTrue(text.isascii())
        self.assertEqual({letter for letter in text
                          if not letter.isprintable()}, {"\n"})
        self.assertIn("3: cat?[31m, [red]dog, e?mu", text)


class CommandTest(absltest.TestCase):
    """In a process of its own."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.enter_context(tempfile.TemporaryDirectory()))

    def command(self, *flags, bundle=_DIGITS, without=()):
        """The finished command, where the packages `without` are missing."""
        hidden = "".join(f"sys.modules[{name!r}] = None; " for name in without)
        return subprocess.run(
            [sys.executable, "-c", f"import runpy, sys; {hidden}"
             "runpy.run_module('converters.inspect', run_name='__main__', "
             "alter_sys=True)", f"--bundle={bundle}", *flags],
            cwd=_ROOT, capture_output=True, text=True, check=False)

    def assert_refused(self, process, message):
        """Status 1, `message` on one line, nothing else and no file."""
        self.assertEqual(process.returncode, 1, process.stderr)
        self.assertEqual(process.stdout, "")
        self.assertRegex(process.stderr, f"^error: .*{message}.*\n$")
        self.assertEmpty(list(self.folder.glob("**/plan*")))

    def test_table_and_picture(self):
        picture = self.folder / "plan.svg"
        process = self.command(f"--picture={picture}")
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(process.stderr, "")
        self.assertNotIn("\x1b", process.stdout)
        self.assertIn("stage3_block1_groups_0_1", process.stdout)
        self.assertIn(f"Drew the plan: {picture}", process.stdout)
        ElementTree.fromstring(picture.read_bytes())

    def test_table_wants_neither_tensorflow_nor_matplotlib(self):
        process = self.command(without=("tensorflow", "matplotlib"))
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn("exit3", process.stdout)

    def test_picture_without_matplotlib_says_what_to_install(self):
        self.assert_refused(
            self.command(f"--picture={self.folder / 'plan.svg'}",
                         without=("matplotlib",)),
            r"needs matplotlib.*pip install -e \"\.\[train,report\]\"")

    def test_what_is_no_bundle_is_refused(self):
        self.assert_refused(self.command(bundle=self.folder),
                            "is not a bundle: it has no manifest.json.*Give")

    def test_profile_of_another_bundle_is_refused(self):
        path = self.folder / "profile.json"
        profile_lib.save(path, profiles.PROFILE)
        self.assert_refused(
            self.command(f"--profile={path}"), "profile.json: expected .*"
            "of .*digits_resnet8.*Measure again")

    def test_another_suffix_is_refused(self):
        for name, found in (("plan.pdf", ".pdf"), ("plan", "none")):
            with self.subTest(name):
                self.assert_refused(
                    self.command(f"--picture={self.folder / name}"),
                    f"ends in .svg or .png, found {found}. Rename it.")


if __name__ == "__main__":
    absltest.main()
