"""converters.plan_picture: every kind of block, drawn."""

import pathlib
import tempfile
from xml.etree import ElementTree

from absl.testing import absltest
from PIL import Image

from ddi_tf import quiet  # noqa: F401 (loads TensorFlow silently)

from converters import plan_block
from converters import plan_picture
from ddi_tf import errors
from device import bundle as bundle_lib
import fakes
import profiles

_DIGITS = pathlib.Path(__file__).parents[1] / "testdata" / "digits_resnet8"

_TOY = profiles.BUNDLE  # stem, one block with everything, head


class PictureTest(absltest.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.enter_context(tempfile.TemporaryDirectory()))

    def test_svg_is_valid_and_names_every_block_and_exit(self):
        bundle = bundle_lib.load(_DIGITS)
        path = self.folder / "plan.svg"
        plan_picture.write(bundle, path)
        root = ElementTree.fromstring(path.read_bytes())
        self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
        texts = " ".join(root.itertext())
        for step in bundle.manifest.plan.steps:
            self.assertIn(step.name, texts)
        for said in ("exit1 39.4 k", "skip 131 k", "stem 442 k", "head 640",
                     "4.72 M", "digits_resnet8", "layer gate: run this block"):
            self.assertIn(said, texts)
        self.assertEqual(list(self.folder.iterdir()), [path])

    def test_png_is_one(self):
        path = self.folder / "plan.png"
        plan_picture.write(_TOY, path)
        with Image.open(path) as image:
            image.load()
            self.assertEqual(image.format, "PNG")
            self.assertGreater(image.width, image.height)

    def test_every_kind_of_block_is_drawn(self):
        masked = fakes.Block(((10, (0,), False), (40, (0, 1, 2, 3), True)),
                             4, 1, 2, exit=3)
        for blocks, rows in (
                ([], [0]), ([fakes.Block(skippable=False), masked], [2]),
                ([fakes.GATED] * 14, [5, 5, 4])):
            bundle = fakes.in_memory(fakes.manifest(blocks))
            self.assertEqual(
                list(map(len, plan_picture.rows_of(bundle))), rows)
            svg, _ = plan_picture.render(bundle)
            texts = " ".join(ElementTree.fromstring(svg).itertext())
            for index in range(len(blocks)):
                self.assertIn(f"block{index}", texts)
            self.assertEqual("hatched" in texts, masked in blocks)

    def test_a_block_that_appends_says_how_its_features_grow(self):
        dense = fakes.Block(layer_gate=1, appended=12)
        bundle = fakes.in_memory(fakes.manifest([dense, fakes.Block(), dense]))
        self.assertEqual(list(map(len, plan_picture.rows_of(bundle))), [3])
        svg, _ = plan_picture.render(bundle)
        texts = list(ElementTree.fromstring(svg).itertext())
        for said in ("2x2x4 to 2x2x16 (+12)", "2x2x16",
                     "2x2x16 to 2x2x28 (+12)"):
            self.assertIn(said, texts)
        self.assertEqual(texts.count("skip: zeros"), 2)
        self.assertEqual(texts.count("skip"), 1)

    def test_a_block_that_cannot_be_skipped_has_no_way_round(self):
        fixed = fakes.Block(((10, (0,), False), (15, (0, 1), False)), 2,
                            channel_gate=2, skippable=False)
        svg, _ = plan_picture.render(fakes.in_memory(fakes.manifest([fixed])))
        texts = list(ElementTree.fromstring(svg).itertext())
        self.assertIn("run", texts)
        self.assertNotIn("skip", texts)

    def test_a_variant_is_wide_enough_to_be_seen(self):
        scale = plan_block.Scale(channels=1280, macs=1)
        # 0.2 and 0.52 sqrt(share) inches.
        self.assertAlmostEqual(scale.width(1280), 0.72)
        self.assertAlmostEqual(scale.width(320), 0.46)
        self.assertGreater(scale.width(8), 0.2)

    def test_names_are_drawn_letter_by_letter(self):
        bundle = fakes.in_memory(fakes.with_step(
            _TOY.manifest, 0, name="$\\no$ <&>\x1b"))
        svg, _ = plan_picture.render(bundle)
        self.assertIn(r"$\no$ <&>?",
                      list(ElementTree.fromstring(svg).itertext()))

    def test_a_missing_folder_is_an_error_that_names_the_file(self):
        with self.assertRaisesRegex(
                errors.StorageError, "plan.svg cannot be written.*No such"):
            plan_picture.write(_TOY, self.folder / "none" / "plan.svg")


if __name__ == "__main__":
    absltest.main()
