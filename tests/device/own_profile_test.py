"""device.own_profile: where a profile lies, and whose it must be."""

import dataclasses
import pathlib
import platform
import tempfile
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized

from device import bundle
from device import errors
from device import machine
from device import own_profile
from device import profile
import fakes
import profiles

MANIFEST = profiles.BUNDLE.manifest
HERE, INTERPRETER = profiles.PROFILE.machine, profiles.PROFILE.interpreter


class OwnProfileTest(parameterized.TestCase):
    """`self.bundle` lies in `self.folder`; this is the machine of PROFILE."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.enter_context(tempfile.TemporaryDirectory())).resolve()
        self.bundle = self.bundle_at("toy")
        self.enter_context(mock.patch.object(
            platform, "node", return_value="pi"))
        self.enter_context(mock.patch.object(
            machine, "describe", return_value=HERE))
        self.enter_context(mock.patch.object(
            machine, "interpreter", return_value=INTERPRETER))

    def bundle_at(self, name):
        (self.folder / name).mkdir()
        return bundle.Bundle(
            self.folder / name, MANIFEST, fakes.contents(MANIFEST))

    def save(self, name="toy.profile.pi.json", **changes):
        """PROFILE with changes, stored; its path."""
        profile.save(self.folder / name, profiles.changed(**changes))
        return self.folder / name

    def found(self, *file, threads=1, **options):
        return own_profile.for_budgets(
            self.bundle, *file, threads=threads, **options)

    def assert_refused(self, message, *file, **options):
        with self.assertRaisesRegex(errors.ProfileError, message):
            self.found(*file, **options)


class PathTest(OwnProfileTest):

    @parameterized.parameters(
        ("pi", "toy.profile.pi.json"),
        ("Pi-4.local", "toy.profile.Pi-4.local.json"),
        ("../etc/a b*ö", "toy.profile...-etc-a-b--.json"),
        ("", "toy.profile.machine.json"),
        ("x" * 300, f"toy.profile.{'x' * 100}.json"))
    def test_it_is_beside_the_bundle_under_a_safe_name(self, host, name):
        with mock.patch.object(platform, "node", return_value=host):
            self.assertEqual(own_profile.path(self.bundle), self.folder / name)

    def test_a_link_to_a_bundle_has_the_bundle_s(self):
        link = self.folder / "current"
        link.symlink_to(self.folder / "toy")
        linked = bundle.Bundle(link, MANIFEST, fakes.contents(MANIFEST))
        self.assertEqual(own_profile.path(linked),
                         self.folder / "toy.profile.pi.json")

    def test_this_host_s_is_found_first(self):
        names = ["a", "z", "pi"]
        for name in names:
            self.save(f"toy.profile.{name}.json")
        self.save("toy2.profile.pi.json")
        self.save("toy.json")
        self.assertEqual(
            own_profile.find(self.bundle),
            [self.folder / f"toy.profile.{name}.json"
             for name in ("pi", "a", "z")])

    def test_a_folder_of_any_name_is_searched(self):
        odd = self.bundle_at("[a]*?")
        self.assertEqual(own_profile.find(odd), [])
        self.save("[a]*?.profile.pi.json")
        self.save("axx.profile.pi.json")
        self.assertEqual(own_profile.find(odd), [own_profile.path(odd)])


class FittingTest(OwnProfileTest):

    def test_the_stored_one_is_loaded(self):
        path = self.save()
        self.assertEqual(self.found(), (path, profiles.PROFILE, ()))

    def test_another_file_may_be_named(self):
        self.save(runs=100)
        path = self.save("other.json")
        self.assertEqual(self.found(str(path)), (path, profiles.PROFILE, ()))

    def test_energy_comes_with_it(self):
        self.save(energy=profiles.ENERGY)
        self.assertEqual(self.found().profile.energy, profiles.ENERGY)

    def test_another_host_s_name_is_a_warning(self):
        self.save("toy.profile.dhcp-7.json", machine=dataclasses.replace(
            HERE, hostname="dhcp-7"))
        warning, = self.found().warnings
        self.assertRegex(warning, r"toy\.profile\.dhcp-7\.json was measured on "
                         "dhcp-7, this is pi: the same model")

    def test_another_kernel_is_no_matter(self):
        self.save(machine=dataclasses.replace(HERE, system="Linux-10"))
        self.assertEqual(self.found().warnings, ())

    @parameterized.named_parameters(
        ("model", {"machine": dataclasses.replace(HERE, model="Pi 2")},
         r"model: expected Raspberry Pi 9 \[rev 1\], found Pi 2"),
        ("architecture",
         {"machine": dataclasses.replace(HERE, architecture="armv7l")},
         "architecture: expected aarch64, found armv7l"),
        ("cores", {"machine": dataclasses.replace(HERE, cores=2)},
         "cores in use: expected 4, found 2"),
        ("interpreter", {"interpreter": machine.Interpreter("tflite", "1")},
         "interpreter: expected ai-edge-litert 9.9, found tflite 1"),
        ("threads", {"threads": 4}, "threads: expected 1, found 4"))
    def test_what_differs_is_refused_unless_forced(self, changes, message):
        path = self.save(**changes)
        for file in ((), (path,)):
            self.assert_refused(
                rf"^\S*toy\.profile\.pi\.json: {message}\. Measure again here: "
                r"`python -m device\.profile --bundle=\S*toy --threads=1`.*"
                "--force_profile", *file)
            forced = self.found(*file, forced=True)
            self.assertEqual(forced.profile, profiles.changed(**changes))
            warning, = forced.warnings
            self.assertRegex(warning, rf"does not fit: {message}$")

    def test_all_that_differs_is_named(self):
        self.save(threads=4, machine=dataclasses.replace(HERE, cores=2))
        self.assert_refused("cores in use: .*; threads: ")

    def test_one_of_another_host_that_fits_is_better_than_one_that_does_not(
            self):
        self.save(threads=4)
        self.save("toy.profile.a.json", threads=2)
        path = self.save("toy.profile.b.json")
        self.assertEqual(self.found().path, path)

    def test_none_is_an_error_with_the_command(self):
        self.assert_refused(
            r"toy\.profile\.pi\.json: no such file.*`python -m device\.profile "
            r"--bundle=\S*toy`")
        self.assert_refused("none.json: no such file", "none.json")

    def test_nothing_forces_a_damaged_one_or_another_bundle_s(self):
        path = self.save()
        self.save("other.json", bundle=profile.BundleId("x", "0" * 64))
        path.write_text(path.read_text().replace("60", "61"))
        self.assert_refused("do not match its checksum", forced=True)
        self.assert_refused("expected a profile of .*toy",
                            self.folder / "other.json", forced=True)

    def test_one_of_the_first_version_is_to_be_measured_again(self):
        self.save().write_text('{"format_version": 1}')
        self.assert_refused("expected format version 2, found 1. Measure again",
                            forced=True)


class RealMachineTest(absltest.TestCase):

    def test_what_was_measured_here_fits_here(self):
        with tempfile.TemporaryDirectory() as folder:
            loaded = bundle.Bundle(pathlib.Path(folder, "toy"), MANIFEST,
                                   fakes.contents(MANIFEST))
            profile.save(own_profile.path(loaded), profiles.changed(
                machine=machine.describe(), interpreter=machine.interpreter()))
            found = own_profile.for_budgets(loaded, threads=1)
            self.assertEqual(found.warnings, ())


if __name__ == "__main__":
    absltest.main()
