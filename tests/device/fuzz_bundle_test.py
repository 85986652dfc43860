"""device.bundle: what fuzzing found, and all that a manifest may be cut to."""

import dataclasses
import hashlib
import json
import os

from absl.testing import absltest
from absl.testing import parameterized

from device import bundle
from device import bundle_check
from device import errors
import damage
import fuzzing
import toy_folder


class OddFileTest(toy_folder.BundleTest, parameterized.TestCase):

    def place(self, kind, path):
        path.unlink()
        damage.ODD_FILES[kind](path)

    @parameterized.parameters("pipe", "endless", "nothing", "huge", "socket")
    def test_no_manifest_is_waited_for_or_read_without_end(self, kind):
        self.place(kind, self.path)
        with fuzzing.limits():
            self.assert_refused(r"manifest\.json: cannot be read")

    @parameterized.parameters("pipe", "socket")
    def test_no_graph_is_waited_for(self, kind):
        self.place(kind, self.graph)
        with fuzzing.limits():
            self.assert_refused(r"block0_way0\.tflite: cannot be read")

    def test_a_graph_of_another_size_is_not_read(self):
        self.place("huge", self.graph)
        with fuzzing.limits():
            self.assert_refused(r"expected 21 bytes .*found 68719476736 bytes")

    def test_the_right_bytes_of_another_number_are_refused(self):
        self.edit(lambda values: values["graphs"][0].update(bytes=13))
        self.assert_refused(r"stem\.tflite: expected 13 bytes .*found 14 bytes")


class ForgedManifestTest(toy_folder.BundleTest, parameterized.TestCase):
    """The checksum is right, the values are not."""

    @parameterized.parameters(
        ("macs", 10**400), ("macs", 2**53 + 1), ("energy_nj", 1e300),
        ("bytes", 0), ("bytes", 10**400), ("bytes", 2**31))
    def test_numbers_beyond_arithmetic_are_refused(self, key, value):
        self.edit(lambda values: values["graphs"][0].update({key: value}))
        self.assert_refused("graph stem is malformed")

    def test_the_base_network_s_macs_are_numbers_to_calculate_with(self):
        self.edit(lambda values: values.update(base_macs=10**400))
        self.assert_refused("base_macs: expected 1 to 9007199254740992, found")

    @parameterized.parameters(
        ("std", 1e-50), ("std", 1e300), ("mean", 1e300), ("mean", -1e300))
    def test_a_scaling_beyond_float32_is_refused(self, key, value):
        self.edit(lambda values: values["input"].update({key: [value] * 3}))
        self.assert_refused("or scale beyond float32")

    @parameterized.parameters(
        ("tune_accuracy", 1.5), ("tune_accuracy", -0.1),
        ("tune_mean_macs", -1.0), ("tune_mean_macs", 1e300))
    def test_what_a_point_promises_must_be_possible(self, key, value):
        self.edit(
            lambda values: values["operating_points"][0].update({key: value}))
        self.assert_refused("operating point default: expected an accuracy")

    def test_half_a_character_is_refused(self):
        self.edit(lambda values: values.update(labels=["a", "\ud800", "c"]))
        self.assert_refused(r"labels\[1\]: expected text, found '\\ud800'")

    def test_a_message_is_one_line(self):
        self.edit(lambda values: values["graphs"][0].update(
            {"two\nlines \x1b[2J": 1}))
        self.assert_refused(r"has unknown two\\nlines \\x1b\[2J\. Export")

    def test_a_message_is_short_and_keeps_its_remedy(self):
        self.edit(lambda values: values["operating_points"][0].update(
            thresholds=[0.125] * 10_000))
        with self.assertRaises(errors.BundleError) as caught:
            bundle.load(self.folder)
        self.assertLess(len(str(caught.exception)), 2000)
        self.assertEndsWith(str(caught.exception), "Export again.")

    def test_many_names_take_no_time(self):
        point, = toy_folder.MANIFEST.operating_points
        with fuzzing.limits(seconds=5):
            bundle_check.check(self.path, dataclasses.replace(
                toy_folder.MANIFEST, operating_points=tuple(
                    dataclasses.replace(point, name=str(number))
                    for number in range(40_000))))

    def test_nesting_of_any_depth_is_refused(self):
        """Reading, hashing and quoting each have a depth of their own."""
        values = json.loads(self.text)
        del values["checksum"]
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        self.assertIn('"tensor0"', text)
        for depth in range(700, 1000):
            forged = text.replace(
                '"tensor0"', "[" * depth + "]" * depth, 1)
            found = hashlib.sha256(forged.encode()).hexdigest()
            self.path.write_text(f'{forged[:-1]},"checksum":"{found}"}}')
            self.assert_refused("expected str, found|cannot be read")


class EveryCutTest(toy_folder.BundleTest):

    def test_a_manifest_cut_anywhere_is_refused(self):
        for length in reversed(range(len(self.text))):
            os.truncate(self.path, length)
            self.assert_refused(r"manifest\.json: cannot be read as JSON")


class NoDamageTest(toy_folder.BundleTest, parameterized.TestCase):
    """The checksum is of values, so other spellings are the same bundle."""

    @parameterized.named_parameters(
        ("spaces", b"\n", b"\r\n\t "), ("a_key_twice", b'"head": ',
                                        b'"head": "other", "head": '),
        ("an_escaped_letter", b'"stem"', b'"s\\u0074em"'),
        ("an_exponent", b"2.0,", b"20.0e-1,"))
    def test_another_spelling_is_the_same_bundle(self, old, new):
        self.assertIn(old, self.text)
        self.path.write_bytes(self.text.replace(old, new))
        self.assertEqual(bundle.load(self.folder).manifest,
                         toy_folder.MANIFEST)

    @parameterized.named_parameters(
        ("the_last_of_two", b'"base_macs": 1000',
         b'"base_macs": 1000, "base_macs": 1001'),
        ("a_whole_number", b"2.0,", b"2,"), ("true", b"true", b"1"))
    def test_another_value_is_damage(self, old, new):
        self.assertIn(old, self.text)
        self.path.write_bytes(self.text.replace(old, new))
        self.assert_refused("do not match its checksum")


if __name__ == "__main__":
    absltest.main()
