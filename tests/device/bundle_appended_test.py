"""device.bundle_check: blocks that append channels to what they received."""

import dataclasses

from absl.testing import absltest
from absl.testing import parameterized

from device import bundle_check
from device import errors
import fakes

# Blocks that leave 3 channels behind the 4, then the 7, received.
DENSE = fakes.Block(layer_gate=1, appended=3)
GOOD = fakes.manifest([DENSE, DENSE])


def _int8(scale, zero_point, shape=fakes.FEATURES):
    return fakes.tensors(
        shape, dtype="int8", scale=scale, zero_point=zero_point)


class AppendedTest(parameterized.TestCase):

    def assert_refused(self, manifest, message):
        with self.assertRaisesRegex(errors.BundleError, message):
            bundle_check.check("toy/manifest.json", manifest)

    def test_features_grow(self):
        self.assertIsNone(bundle_check.check("toy/manifest.json", GOOD))
        self.assert_refused(
            fakes.with_graph(GOOD, "head", inputs=fakes.tensors((1, 2, 2, 7))),
            r"graph head: expected inputs \(\(1, 2, 2, 10\),\), found "
            r"\(\(1, 2, 2, 7\),\)")

    def test_a_graph_leaves_what_is_appended(self):
        for shape in ((1, 2, 2, 10), (1, 2, 2, 2), (1, 3, 2, 3), (3,)):
            self.assert_refused(
                fakes.with_graph(GOOD, "block1_way0",
                                 outputs=fakes.tensors(shape)),
                r"graph block1_way0: expected what step block1 appends, of "
                rf"shape \(1, 2, 2, 3\), found \({str(shape)[1:-1]}\)")

    @parameterized.parameters(-3, -1)
    def test_nothing_less_than_nothing_is_appended(self, appended):
        self.assert_refused(
            fakes.with_step(GOOD, 0, appended=appended),
            rf"step block0 appends {appended} channels .*positive number")

    def test_a_skip_leaves_zeros_without_a_graph(self):
        manifest = fakes.manifest([dataclasses.replace(DENSE, skip=1), DENSE])
        self.assert_refused(
            manifest, "step block0 appends 3 .*block0_skip: expected .*no skip")

    def test_features_without_channels_have_nothing_behind_them(self):
        manifest = fakes.manifest([fakes.Block(appended=3)])
        manifest = fakes.with_graph(
            manifest, "stem", outputs=fakes.tensors(()))
        self.assert_refused(fakes.with_graph(
            manifest, "block0_way0", inputs=fakes.tensors(())),
            r"step block0 appends 3 channels to features of shape \(\)")

    @parameterized.parameters((0.25, 3), (0.5, 4))
    def test_all_channels_are_of_one_scale(self, scale, zero_point):
        manifest = fakes.with_graph(GOOD, "stem", outputs=_int8(0.5, 3))
        for name in ("block0_layer_gate", "block0_way0"):
            tensors = manifest.graphs[1].inputs[1:] if "gate" in name else ()
            manifest = fakes.with_graph(
                manifest, name, inputs=(*_int8(0.5, 3), *tensors))
        manifest = fakes.with_graph(
            manifest, "block0_way0",
            outputs=_int8(scale, zero_point, (1, 2, 2, 3)))
        self.assert_refused(
            manifest, "step block0 leaves features that differ in shape, type "
            "or scale")


if __name__ == "__main__":
    absltest.main()
