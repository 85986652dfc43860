"""converters.c_plan: a plan in numbers, by hand on toy plans."""

import pathlib
import shutil
import subprocess
import tempfile
import unittest

import tensorflow as tf

from converters import c_plan
from converters import c_sources
from ddi_tf import errors
import fakes
import micro_cases

DENSE = fakes.Block(layer_gate=1, appended=3, exit=4)
FIXED = fakes.Block(
    variants=((10, (0,), False), (15, (0, 1), False)), groups=2,
    channel_gate=2, skippable=False)


def made(blocks, **macs):
    """The `c_plan.Plan` of a toy plan in int8; features are [1, 2, 2, 4]."""
    return c_plan.make(fakes.in_memory(micro_cases.as_int8(
        fakes.manifest(blocks, **macs))))


class MakeTest(tf.test.TestCase):

    def test_features_grow_by_what_is_appended(self):
        plan = made([DENSE, FIXED, DENSE])
        self.assertEqual(plan.stem_bytes, 2 * 2 * 4)
        self.assertEqual([step.feature_bytes for step in plan.steps],
                         [2 * 2 * 7, 2 * 2 * 7, 2 * 2 * 10])
        self.assertEqual([step.appended for step in plan.steps], [3, 0, 3])
        self.assertEqual({step.zero for step in plan.steps}, {7})

    def test_memory_holds_the_largest_of_what_it_is_for(self):
        # A state of 2; 2 * 2 * 3 bytes to append; 2 * 2 * 10 of features.
        plan = made([DENSE, DENSE])
        self.assertEqual(
            (plan.scratch_at, plan.features_at, plan.work_floats),
            (2, 2 + 3, 2 + 3 + 10))
        # No state; chances of 2 groups; 2 * 2 * 4 bytes of features.
        plan = made([FIXED])
        self.assertEqual(
            (plan.scratch_at, plan.features_at, plan.work_floats), (0, 2, 6))

    def test_gates_of_each_role_have_a_state_or_none(self):
        for recurrent in ((), ("layer_gate",), ("channel_gate",),
                          ("layer_gate", "channel_gate")):
            plan = made([fakes.Block(layer_gate=1, channel_gate=1,
                                     recurrent=recurrent)])
            self.assertEqual(plan.layer_state_bytes,
                             8 * ("layer_gate" in recurrent))
            self.assertEqual(plan.channel_state_bytes,
                             8 * ("channel_gate" in recurrent))
            self.assertEqual(plan.scratch_at, 2 * len(recurrent))

    def test_gates_leave_enough_for_the_first_group_of_a_fixed_block(self):
        [step] = made([FIXED], stem=100, head=3).steps
        self.assertFalse(step.skippable)
        self.assertEqual((step.ask_macs, step.reserve_macs), (2 + 10, 3))

    def test_more_channels_than_a_field_holds_are_refused(self):
        with self.assertRaisesRegex(
                errors.ExportError,
                "step block0 appends 65,?536 channels, expected 65,?535"):
            made([fakes.Block(appended=1 << 16)])

    def test_more_work_memory_than_offsets_reach_is_refused(self):
        with self.assertRaisesRegex(
                errors.ExportError, "blocks that append leave takes 26.,... "
                "bytes, expected 262,140 at most"):
            made([fakes.Block(appended=(1 << 16) - 1, layer_gate=1)])


class SizesTest(tf.test.TestCase):

    @unittest.skipUnless(shutil.which("arm-none-eabi-gcc"),
                         "arm-none-eabi-gcc is not installed")
    def test_structs_are_as_large_as_the_report_says(self):
        sizes = {"ddi_plan": c_plan._PLAN_BYTES, "ddi_step": c_plan._STEP_BYTES,
                 "ddi_variant": c_plan._VARIANT_BYTES,
                 "ddi_exit": c_plan._EXIT_BYTES}
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / "sizes.c"
            source.write_text('#include "ddi_controller.h"\n' + "".join(
                f"_Static_assert(sizeof({name}) == {size}, \"{name}\");\n"
                for name, size in sizes.items()))
            found = subprocess.run(
                ["arm-none-eabi-gcc", "-std=c11", f"-I{c_sources.SOURCES}",
                 "-fsyntax-only", source], capture_output=True, text=True)
        self.assertEqual(found.returncode, 0, found.stderr)


if __name__ == "__main__":
    tf.test.main()
