"""device.profile: what was saved is loaded, and nothing else is."""

import cProfile
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from unittest import mock

import hypothesis
from absl.testing import absltest
from absl.testing import parameterized
from hypothesis import strategies as st

from device import errors
from device import profile
from device import sealed_json
import fakes
import profiles
import strategies

_ROOT = pathlib.Path(__file__).parents[2]

_POSITIVE = st.floats(0, 1e300, exclude_min=True)
_ANY = (st.none() | st.booleans() | st.integers() | st.floats() | st.text()
        | st.lists(st.integers()) | st.dictionaries(st.text(), st.text()))


class ProfileTest(absltest.TestCase):
    """`self.path` is a good profile in a folder of its own."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.enter_context(tempfile.TemporaryDirectory()))
        self.path = self.folder / "profile.json"
        profile.save(self.path, profiles.PROFILE)
        self.content = self.path.read_bytes()

    def write(self, values):
        """These values, with their checksum."""
        self.path.write_text(json.dumps(sealed_json.sealed(values)))

    def values(self):
        """The good profile's values, without a checksum."""
        values = json.loads(self.content)
        del values["checksum"]
        return values

    def assert_refused(self, message, *, loaded_for=None):
        with self.assertRaisesRegex(errors.ProfileError, message):
            profile.load(self.path, loaded_for)


class RoundTripTest(ProfileTest):

    def test_what_was_saved_is_loaded(self):
        self.assertEqual(profile.load(self.path), profiles.PROFILE)
        self.assertEqual(profile.load(self.path, profiles.BUNDLE),
                         profiles.PROFILE)

    def test_a_path_may_be_text(self):
        self.assertEqual(profile.load(str(self.path)), profiles.PROFILE)

    @strategies.SETTINGS
    @hypothesis.given(
        st.lists(st.tuples(_POSITIVE, _POSITIVE, _POSITIVE,
                           st.integers(1, 10**12)), min_size=9, max_size=9),
        st.text(), st.lists(st.text()))
    def test_any_measurement_is_read_back(self, numbers, model, warnings):
        graphs = tuple(
            dataclasses.replace(graph, median_ms=min(pair), p95_ms=max(pair),
                                mean_ms=mean, count=count)
            for graph, (*pair, mean, count) in zip(
                profiles.PROFILE.graphs, numbers))
        measured = profiles.changed(
            graphs=graphs, warnings=tuple(warnings),
            machine=dataclasses.replace(profiles.PROFILE.machine, model=model))
        profile.save(self.path, measured)
        self.assertEqual(profile.load(self.path, profiles.BUNDLE), measured)

    def test_the_file_is_for_others_to_read(self):
        values = json.loads(self.content)
        self.assertEqual(values["format_version"], 2)
        self.assertEqual(values["bundle"]["checksum"],
                         profiles.BUNDLE.checksum)
        self.assertEqual(values["graphs"][0], {
            "name": "stem", "role": "stem", "macs": 100, "median_ms": 1.0,
            "p95_ms": 1.5, "mean_ms": 1.25, "count": 60})
        self.assertEqual(values["full_path"]["graphs"],
                         ["stem", "block0_way2", "head"])

    def test_energy_is_read_back(self):
        measured = profiles.changed(energy=profiles.ENERGY)
        profile.save(self.path, measured)
        self.assertEqual(profile.load(self.path), measured)
        values = json.loads(self.path.read_text())["energy"]
        self.assertEqual(values["scale"], 25.0)
        self.assertEqual(values["workloads"][1], {
            "name": "cheapest", "images": 2400, "seconds": 60.0,
            "draw_w": 3.0, "modelled_mj": 0.5, "real_mj": 12.5,
            "real_mj_error": 0.1})

    def test_a_graph_is_found_by_its_name(self):
        self.assertEqual(profiles.PROFILE.graph("head").role, "head")
        with self.assertRaises(KeyError):
            profiles.PROFILE.graph("tail")

    def test_parts_are_those_of_the_full_path(self):
        # stem, block and head are the roles 1, 4 and 7.
        self.assertEqual(profiles.PROFILE.parts_ms, 12.0)


class DamagedTest(ProfileTest, parameterized.TestCase):

    def test_a_missing_file_is_refused(self):
        self.path.unlink()
        self.assert_refused(r"profile\.json: no such file\. Give the file that "
                            r"`python -m device\.profile --output")

    def test_a_pipe_is_refused_and_not_waited_for(self):
        self.path.unlink()
        os.mkfifo(self.path)
        self.assert_refused("cannot be read as JSON .neither a file nor a link")

    def test_a_folder_is_refused(self):
        self.path.unlink()
        self.path.mkdir()
        self.assert_refused("cannot be read as JSON .*directory")

    @strategies.SETTINGS
    @hypothesis.given(strategies.POSITIONS, strategies.FLIPS)
    def test_another_byte_is_refused_or_changes_nothing(self, position, flip):
        damaged = bytearray(self.content)
        damaged[int(position * len(damaged))] ^= flip
        self.path.write_bytes(damaged)
        try:
            loaded = profile.load(self.path)
        except errors.ProfileError as error:
            self.assertIn("profile.json: ", str(error))
        else:  # a blank between two values
            self.assertEqual(loaded, profiles.PROFILE)

    @strategies.SETTINGS
    @hypothesis.given(strategies.POSITIONS)
    def test_a_file_cut_short_is_refused(self, position):
        whole = self.content.rstrip()
        self.path.write_bytes(whole[:int(position * len(whole))])
        self.assert_refused(r"profile\.json: cannot be read as JSON")

    @strategies.FEW
    @hypothesis.given(st.binary(max_size=50))
    def test_what_is_no_profile_is_refused(self, content):
        self.path.write_bytes(content)
        self.assert_refused(r"profile\.json: ")

    @parameterized.parameters("[]", "3", "null", '"text"')
    def test_json_that_is_no_object_is_refused(self, text):
        self.path.write_text(text)
        self.assert_refused("expected a JSON object, found .*Measure again")

    def test_endless_nesting_is_refused(self):
        self.path.write_text("[" * 100_000)
        self.assert_refused("cannot be read as JSON")

    @parameterized.parameters(0, 1, 3, None, "2")
    def test_another_version_is_refused_first(self, version):
        self.path.write_text(json.dumps({"format_version": version}))
        self.assert_refused("expected format version 2, found .*Measure again "
                            "with .*, or install")

    def test_an_edited_number_is_refused(self):
        values = json.loads(self.content)
        values["graphs"][0]["median_ms"] = 0.9
        self.path.write_text(json.dumps(values))
        self.assert_refused("do not match its checksum.*edited or damaged")

    @strategies.SETTINGS
    @hypothesis.given(st.data())
    def test_any_other_value_is_a_profile_error_or_a_profile(self, data):
        values = self.values()
        name = data.draw(st.sampled_from(sorted(values)))
        values[name] = data.draw(_ANY)
        self.write(values)
        try:
            loaded = profile.load(self.path)
        except errors.ProfileError as error:
            self.assertIn("profile.json: ", str(error))
        else:
            self.assertIsInstance(loaded, profile.Profile)

    @parameterized.parameters("graphs", "machine", "checksum", "threads")
    def test_a_missing_value_is_refused(self, name):
        values = json.loads(self.content)
        del values[name]
        self.path.write_text(json.dumps(values))
        self.assert_refused("do not match its checksum")


class NumbersTest(ProfileTest, parameterized.TestCase):

    @parameterized.product(
        name=["median_ms", "p95_ms", "mean_ms"],
        value=[0.0, -1.0, float("nan"), float("inf"), None, "1", True])
    def test_a_time_is_finite_and_above_zero(self, name, value):
        for find, where in (
                (lambda values: values["graphs"][-1],
                 r"graph head|graphs\[8\]"),
                (lambda values: values["full_path"],
                 r"the full path|full_path")):
            values = self.values()
            find(values)[name] = value
            self.write(values)
            self.assert_refused(f"({where}).*{name}.*found .*Measure again")

    @parameterized.parameters(
        (profiles.graph("head", count=0), "graph head: .*count.*found 0"),
        (profiles.full_path(count=-3), "the full path: .*count.*found -3"),
        (profiles.graph("head", p95_ms=1.0),
         r"graph head: expected a p95_ms of at least its median_ms 7\.0, found "
         r"1\.0"),
        (profiles.graph("head", role="tail"), "graph head: .*found 'tail'"),
        (profiles.graph("head", macs=-1), "graph head: .*no negative MACs.*-1"),
        (profiles.graph("head", name="stem"), "names are not unique"),
        (profiles.full_path(graphs=()), "the full path runs nothing"),
        (profiles.full_path(graphs=("stem", "tail")),
         "the full path runs tail, which was not measured"),
        (profiles.changed(threads=0), "threads: .*positive.*found 0"),
        (profiles.changed(runs=0), "runs: .*positive.*found 0"),
        (profiles.changed(energy=dataclasses.replace(
            profiles.ENERGY, scale=0.0)),
         r"energy: scale: expected a number above 0, found 0\.0"))
    def test_a_value_that_no_measurement_gives_is_refused(
            self, measured, message):
        message = rf"profile\.json: .*{message}.*\. Measure again"
        with self.assertRaisesRegex(errors.ProfileError, message):
            profile.save(self.path, measured)
        self.assertEqual(self.path.read_bytes(), self.content)
        self.write(json.loads(json.dumps(dataclasses.asdict(measured))))
        self.assert_refused(message)


class OtherBundleTest(ProfileTest):

    def test_a_graph_that_was_not_measured_is_named(self):
        other = fakes.in_memory(fakes.manifest([fakes.GATED, fakes.Block()]))
        self.assert_refused(
            "profile.json: expected the graph block1_way0 of role block of "
            "toy, found none. Measure again", loaded_for=other)

    def test_a_graph_of_another_role_is_named(self):
        profile.save(self.path, profiles.graph("head", role="exit"))
        self.assert_refused("the graph head of role head of toy, found exit",
                            loaded_for=profiles.BUNDLE)

    def test_a_bundle_with_the_same_names_is_another_one(self):
        other = fakes.in_memory(fakes.manifest([fakes.GATED], stem=101))
        self.assert_refused(
            rf"expected a profile of toy \(checksum {other.checksum[:12]}"
            rf"\.\.\.\), found one of toy \({profiles.BUNDLE.checksum[:12]}",
            loaded_for=other)

    def test_a_graph_that_the_plan_never_runs_is_not_missed(self):
        manifest = profiles.BUNDLE.manifest
        spare = dataclasses.replace(manifest.graphs[-1], name="spare")
        other = fakes.in_memory(dataclasses.replace(
            manifest, graphs=(*manifest.graphs, spare)))
        profile.save(self.path, profiles.changed(
            bundle=profile.BundleId("toy", other.checksum)))
        self.assertLen(profile.load(self.path, other).graphs,
                       len(manifest.graphs))


class SaveTest(ProfileTest, parameterized.TestCase):

    @parameterized.parameters(OSError(28, "No space left on device"),
                              KeyboardInterrupt())
    def test_an_interrupted_save_leaves_the_old_file_alone(self, error):
        expected = (errors.ProfileError if isinstance(error, OSError)
                    else KeyboardInterrupt)
        for function in ("fsync", "replace"):
            with mock.patch.object(os, function, side_effect=error):
                with self.assertRaises(expected):
                    profile.save(self.path, profiles.changed(runs=99))
            self.assertEqual(self.path.read_bytes(), self.content)
            self.assertEqual(list(self.folder.iterdir()), [self.path])

    def test_nothing_else_stays_in_the_folder(self):
        profile.save(self.path, profiles.changed(runs=99))
        self.assertEqual(profile.load(self.path).runs, 99)
        self.assertEqual(list(self.folder.iterdir()), [self.path])

    def test_a_link_stays_a_link(self):
        link = self.folder / "link.json"
        link.symlink_to(self.path)
        profile.save(link, profiles.changed(runs=99))
        self.assertTrue(link.is_symlink())
        self.assertEqual(profile.load(self.path).runs, 99)

    def test_a_place_that_cannot_be_written_is_refused(self):
        with self.assertRaisesRegex(errors.ProfileError,
                                    r"cannot be written \(No such file"):
            profile.save(self.folder / "none" / "p.json", profiles.PROFILE)


class NameTest(absltest.TestCase):
    """A module called like one of the standard library's."""

    def test_cprofile_finds_its_own_profile(self):
        with cProfile.Profile() as profiler:
            profiles.changed(runs=1)
        self.assertNotEmpty(profiler.getstats())

    def test_it_runs_under_cprofile(self):
        process = subprocess.run(
            [sys.executable, "-m", "cProfile", "-m", "device.profile"],
            cwd=_ROOT, capture_output=True, text=True, check=False)
        self.assertNotIn("Traceback", process.stderr)
        self.assertIn("--bundle must have a value", process.stderr)

    def test_importing_it_defines_no_flag(self):
        code = ("from device import profile; from absl import flags; "
                "import sys; sys.exit('bundle' in flags.FLAGS)")
        subprocess.run([sys.executable, "-c", code], cwd=_ROOT, check=True)


if __name__ == "__main__":
    absltest.main()
