"""device.bundle: what was written is read back, and nothing else loads."""

import json
import pathlib
import tempfile

import hypothesis
from absl.testing import absltest
from absl.testing import parameterized

from device import bundle
from device import errors
import fakes
import strategies
import toy_folder


class RoundTripTest(toy_folder.BundleTest):

    def test_a_bundle_is_read_as_it_was_written(self):
        loaded = bundle.load(self.folder)
        self.assertEqual(loaded.manifest, toy_folder.MANIFEST)
        self.assertEqual(loaded.folder, self.folder)
        self.assertEqual(loaded.content("block0_exit"),
                         b"the graph block0_exit")

    def test_a_path_may_be_text(self):
        self.assertEqual(bundle.load(str(self.folder)).manifest,
                         toy_folder.MANIFEST)

    def test_graphs_and_exits_are_found_by_name(self):
        loaded = bundle.load(self.folder)
        self.assertEqual(loaded.graphs["stem"].macs, 100)
        self.assertLen(loaded.graphs, 9)
        self.assertEqual(loaded.exits, ("block0_exit",))

    def test_a_plan_names_every_graph_that_it_runs(self):
        self.assertEqual(toy_folder.MANIFEST.plan.graph_names,
                         {graph.name for graph in toy_folder.MANIFEST.graphs})
        self.assertEqual(fakes.manifest().plan.graph_names, {"stem", "head"})

    def test_contents_stay_those_that_were_checked(self):
        loaded = bundle.load(self.folder)
        self.graph.write_bytes(b"another")
        self.assertEqual(loaded.content("block0_way0"),
                         b"the graph block0_way0")

    def test_an_operating_point_is_found_by_name(self):
        point = bundle.load(self.folder).operating_point("default")
        self.assertEqual(point, bundle.OperatingPoint(
            "default", (0.5,), tune_accuracy=0.5, tune_mean_macs=12.5))

    def test_an_unknown_operating_point_is_refused_with_those_there_are(self):
        with self.assertRaisesRegex(
                errors.BundleError, "toy has no .*'fast'; it has: default"):
            bundle.load(self.folder).operating_point("fast")

    def test_a_bundle_without_operating_points_says_so(self):
        loaded = fakes.in_memory(fakes.manifest())
        with self.assertRaisesRegex(errors.BundleError, "it has: none"):
            loaded.operating_point("default")

    @strategies.FEW  # each writes a dozen files
    @hypothesis.given(strategies.manifests())
    def test_any_manifest_is_read_as_it_was_written(self, manifest):
        with tempfile.TemporaryDirectory() as folder:
            bundle.write(folder, manifest, fakes.contents(manifest))
            loaded = bundle.load(folder)
        self.assertEqual(loaded.manifest, manifest)
        self.assertEqual({name: loaded.content(name) for name in loaded.graphs},
                         fakes.contents(manifest))

    def test_half_a_bundle_does_not_load(self):
        contents = fakes.contents(toy_folder.MANIFEST)
        del contents["head"]
        folder = self.root / "half"
        folder.mkdir()
        with self.assertRaises(KeyError):
            bundle.write(folder, toy_folder.MANIFEST, contents)
        with self.assertRaisesRegex(errors.BundleError, "has no manifest.json"):
            bundle.load(folder)


class DamagedManifestTest(toy_folder.BundleTest):

    def test_a_folder_without_manifest_is_refused_with_what_makes_one(self):
        self.path.unlink()
        self.assert_refused(
            r"toy is not a bundle: .*manifest\.json.*converters\.export")

    def test_no_folder_is_refused(self):
        with self.assertRaisesRegex(errors.BundleError, "none is not a bundle"):
            bundle.load(self.root / "none")

    def test_a_file_is_refused(self):
        with self.assertRaisesRegex(errors.BundleError, "Copy the bundle agai"):
            bundle.load(self.graph)

    def test_a_manifest_that_is_no_object_is_refused(self):
        self.path.write_text("[]")
        self.assert_refused(r"manifest\.json: expected a JSON object, found l")

    def test_a_manifest_that_is_no_text_is_refused(self):
        self.path.write_bytes(b"\xff" + self.text)
        self.assert_refused(r"manifest\.json: cannot be read .*Copy the bundle")

    def test_a_manifest_nested_without_end_is_refused(self):
        self.path.write_text("[" * 200_000)
        self.assert_refused(r"manifest\.json: cannot be read .*Copy the bundle")

    @strategies.SETTINGS
    @hypothesis.given(strategies.POSITIONS)
    def test_a_manifest_cut_short_is_refused(self, position):
        self.path.write_bytes(self.text[:int(position * len(self.text))])
        self.assert_refused(r"manifest\.json: cannot be read .*Copy the bundle")

    @strategies.MANY
    @hypothesis.given(strategies.POSITIONS)
    def test_flipping_the_lowest_bit_of_any_byte_is_refused(self, position):
        self._flip(position, 1)
        self.assert_refused(r"manifest\.json")

    @strategies.MANY
    @hypothesis.given(strategies.POSITIONS, strategies.FLIPS)
    def test_any_other_byte_is_refused_or_means_the_same(self, position, flip):
        # What means the same: another kind of white space, and 2e0 for 2.0.
        self._flip(position, flip)
        try:
            loaded = bundle.load(self.folder)
        except errors.BundleError as error:
            self.assertIn("manifest.json", str(error))
        else:
            self.assertEqual(loaded.manifest, toy_folder.MANIFEST)

    def _flip(self, position, flip):
        damaged = bytearray(self.text)
        damaged[int(position * len(damaged))] ^= flip
        self.path.write_bytes(damaged)


class EditedManifestTest(toy_folder.BundleTest, parameterized.TestCase):

    def test_another_format_version_is_refused_with_both(self):
        self.edit(lambda values: values.update(format_version=2))
        self.assert_refused(
            r"manifest\.json: expected format version 3, found 2\. Export "
            "again, or install the version that wrote it")

    def test_another_format_may_have_another_checksum(self):
        values = {**json.loads(self.text), "format_version": 0, "checksum": ""}
        self.path.write_text(json.dumps(values))
        self.assert_refused("expected format version 3, found 0")

    def test_a_version_that_equals_three_must_be_a_whole_number(self):
        self.edit(lambda values: values.update(format_version=3.0))
        self.assert_refused("format_version: expected int, found 3.0")

    def test_an_edit_by_hand_is_refused(self):
        self.path.write_bytes(self.text.replace(b'"macs": 7', b'"macs": 6'))
        self.assert_refused(r"manifest\.json: .*do not match its checksum.*"
                            "Copy the bundle again, or export again")

    def test_a_manifest_without_checksum_is_refused(self):
        values = json.loads(self.text)
        del values["checksum"]
        self.path.write_text(json.dumps(values))
        self.assert_refused("do not match its checksum")

    @parameterized.named_parameters(
        ("unknown", lambda values: values.update(extra=1),
         "the manifest has unknown extra"),
        ("missing", lambda values: values.pop("labels"),
         "the manifest lacks labels"),
        ("wrong_type", lambda values: values["graphs"][0].update(macs="100"),
         r"graphs\[0\]\.macs: expected int, found '100'"),
        ("not_finite", lambda values: values["input"].update(
            mean=[1, 2, float("nan")]),
         r"input\.mean\[2\]: expected a finite number, found nan"),
        ("too_large", lambda values: values["input"].update(
            mean=[1, 2, 10**400]),
         r"input\.mean\[2\]: expected a finite number"))
    def test_values_of_other_types_are_refused(self, change, message):
        self.edit(change)
        self.assert_refused(rf"manifest\.json: .*{message}.*\. Export again")

    def test_thresholds_must_be_one_per_exit(self):
        self.edit(lambda values: values["operating_points"][0].update(
            thresholds=[0.1, None]))
        self.assert_refused(
            r"manifest\.json: operating point default: expected 1 thresholds "
            r".*found \[0\.1, None\]\. Export again")

    def test_a_plan_that_does_not_connect_is_refused(self):
        self.edit(lambda values: values["graphs"][-1]["inputs"][0].update(
            shape=[1, 2, 2, 5]))
        self.assert_refused(
            r"manifest\.json: graph head: expected inputs \(\(1, 2, 2, 4\),\), "
            r"found \(\(1, 2, 2, 5\),\)\. Export again")


class ChecksumTest(absltest.TestCase):

    def test_a_bundle_in_memory_has_the_checksum_of_its_file(self):
        with tempfile.TemporaryDirectory() as folder:
            bundle.write(folder, toy_folder.MANIFEST,
                         fakes.contents(toy_folder.MANIFEST))
            written = json.loads(
                (pathlib.Path(folder) / bundle.MANIFEST).read_text())
            self.assertEqual(bundle.load(folder).checksum, written["checksum"])
        self.assertEqual(fakes.in_memory(toy_folder.MANIFEST).checksum,
                         written["checksum"])


if __name__ == "__main__":
    absltest.main()
