"""device.bundle: only the files that the manifest names are accepted."""

import hypothesis
from absl.testing import absltest
from absl.testing import parameterized

from device import bundle
import fakes
import strategies
import toy_folder


class GraphFileTest(toy_folder.BundleTest, parameterized.TestCase):

    @strategies.SETTINGS
    @hypothesis.given(strategies.POSITIONS, strategies.FLIPS)
    def test_any_other_byte_is_refused(self, position, flip):
        damaged = bytearray(b"the graph block0_way0")
        damaged[int(position * len(damaged))] ^= flip
        self.graph.write_bytes(damaged)
        self.assert_refused(
            r"block0_way0\.tflite: expected 21 bytes of sha256 .*, found 21 "
            "bytes of .*edited, swapped or cut short. Copy the bundle again")

    def test_a_file_cut_short_is_refused(self):
        self.graph.write_bytes(b"the graph")
        self.assert_refused(r"way0\.tflite: expected 21 bytes .*found 9 bytes")

    def test_a_longer_file_is_refused(self):
        self.graph.write_bytes(b"the graph block0_way0\0")
        self.assert_refused(r"way0\.tflite: expected 21 bytes .*found 22 bytes")

    def test_two_swapped_files_are_refused(self):
        other = self.graph.with_name("block0_way1.tflite")
        mine, its = self.graph.read_bytes(), other.read_bytes()
        self.graph.write_bytes(its)
        other.write_bytes(mine)
        self.assert_refused(r"block0_way0\.tflite: .*swapped")

    def test_a_missing_file_is_refused(self):
        self.graph.unlink()
        self.assert_refused(r"block0_way0\.tflite: cannot be read \(No such "
                            r"file.*\)\. Copy the bundle again, or export")

    def test_a_folder_in_place_of_a_file_is_refused(self):
        self.graph.unlink()
        self.graph.mkdir()
        self.assert_refused(r"block0_way0\.tflite: cannot be read \(Is a dir")


class FileOutsideTest(toy_folder.BundleTest, parameterized.TestCase):
    """The contents are right everywhere, so only their place is wrong."""

    def setUp(self):
        super().setUp()
        self.outside = self.root / "outside"
        self.outside.mkdir()
        for name, content in fakes.contents(toy_folder.MANIFEST).items():
            (self.outside / f"{name}.tflite").write_bytes(content)

    def name_file(self, file):
        self.edit(lambda values: values["graphs"][0].update(file=file))

    @parameterized.parameters(
        "../outside/stem.tflite", "graphs/../../outside/stem.tflite",
        "../toy-2/stem.tflite", "graphs/..", "..", ".", "", "/")
    def test_a_path_that_leaves_the_folder_is_refused(self, file):
        self.name_file(file)
        self.assert_refused(
            "toy: the manifest names the file '.*', which lies outside the "
            "bundle. Do not use this bundle; export again")

    def test_an_absolute_path_is_refused(self):
        self.name_file(str(self.outside / "stem.tflite"))
        self.assert_refused("outside/stem.tflite', which lies outside")

    def test_a_way_out_and_in_again_is_no_way_out(self):
        self.name_file("../toy/graphs/stem.tflite")
        self.assertEqual(bundle.load(self.folder).content("stem"),
                         b"the graph stem")

    def test_a_link_that_leaves_the_folder_is_refused(self):
        self.graph.unlink()
        self.graph.symlink_to(self.outside / self.graph.name)
        self.assert_refused("way0.tflite', which lies outside the bundle")

    def test_a_linked_folder_that_leaves_the_bundle_is_refused(self):
        self.graph.parent.rename(self.folder / "moved")
        self.graph.parent.symlink_to(self.outside)
        self.assert_refused("graphs/.*, which lies outside the bundle")

    def test_a_link_inside_the_folder_is_followed(self):
        self.graph.rename(self.folder / "moved.tflite")
        self.graph.symlink_to(self.folder / "moved.tflite")
        self.assertEqual(bundle.load(self.folder).content("block0_way0"),
                         b"the graph block0_way0")

    def test_a_bundle_may_be_a_link_itself(self):
        link = self.root / "link"
        link.symlink_to(self.folder)
        self.assertEqual(bundle.load(link).manifest, toy_folder.MANIFEST)

    def test_a_link_to_itself_is_refused(self):
        self.graph.unlink()
        self.graph.symlink_to(self.graph)
        self.assert_refused("block0_way0.tflite")

    def test_a_name_that_no_file_can_have_is_refused(self):
        self.name_file("graphs/\0.tflite")
        self.assert_refused(r"graphs/.*\.tflite")

    def test_a_name_that_is_too_long_is_refused(self):
        self.name_file("a" * 5000)
        self.assert_refused(r"aaa: cannot be read \(File name too long\)")


if __name__ == "__main__":
    absltest.main()
