"""device.sealed_json: what was sealed is read, and nothing else is."""

import dataclasses
import json
import pathlib
import tempfile
from typing import Optional

import hypothesis
from absl.testing import absltest
from absl.testing import parameterized
from hypothesis import strategies as st

from device import errors
from device import sealed_json
import strategies


@dataclasses.dataclass(frozen=True)
class Leaf:
    """What the trees of these tests bear."""

    label: str
    size: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Tree:
    """Contents of the files of these tests."""

    format_version: int
    leaves: tuple[Leaf, ...] = ()


_FORMAT = sealed_json.Format(
    contents=Tree, version=4, most_bytes=1000, error=errors.ProfileError,
    name="the tree", copied="the wood", again="plant again")


class SealedJsonTest(parameterized.TestCase):

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.enter_context(
            tempfile.TemporaryDirectory())) / "tree.json"

    def write(self, values):
        """These values, with their checksum."""
        self.path.write_text(json.dumps(sealed_json.sealed(values)))

    def assert_refused(self, message):
        with self.assertRaisesRegex(
                errors.ProfileError, rf"tree\.json: {message}"):
            sealed_json.read(self.path, _FORMAT)

    @strategies.SETTINGS
    @hypothesis.given(st.lists(st.builds(
        Leaf, st.text(st.characters(codec="utf-8"), max_size=9),
        st.none() | st.integers()), max_size=9))
    def test_what_was_sealed_is_read_back_with_its_checksum(self, leaves):
        tree = Tree(4, tuple(leaves))
        values = sealed_json.values(tree)
        self.write(values)
        form = dataclasses.replace(_FORMAT, most_bytes=1 << 20)
        self.assertEqual(sealed_json.read(self.path, form),
                         (tree, sealed_json.checksum(values)))

    def test_values_are_as_json_reads_them_back(self):
        self.assertEqual(
            sealed_json.values(Tree(4, (Leaf("a"), Leaf("b", 2)))),
            {"format_version": 4, "leaves": [
                {"label": "a", "size": None}, {"label": "b", "size": 2}]})

    def test_sealing_leaves_its_argument_alone(self):
        values = {"a": 1}
        self.assertEqual(sealed_json.sealed(values), {
            "a": 1, "checksum": sealed_json.checksum({"a": 1})})
        self.assertEqual(values, {"a": 1})

    def test_a_checksum_is_the_sha256_of_sorted_json_without_spaces(self):
        # printf '{"a":[2,null],"b":1}' | sha256sum
        self.assertEqual(
            sealed_json.checksum({"b": 1, "a": [2, None]}),
            "f46b8ed760aca38268fb2900e2233289"
            "115708eda572c80937e7a80cb835bfc5")

    def test_a_checksum_tells_one_from_true_and_from_a_float(self):
        self.assertLen({sealed_json.checksum({"a": value})
                        for value in (1, True, 1.0, "1")}, 4)

    def test_no_file_is_for_the_caller_to_explain(self):
        with self.assertRaises(FileNotFoundError):
            sealed_json.read(self.path, _FORMAT)

    @parameterized.named_parameters(
        ("nothing", b""), ("cut_short", b'{"format_version": 4'),
        ("no_text", b"\xff{}"), ("nested", b"[" * 900),
        ("too_large", b" " * 1001))
    def test_what_is_no_json_is_refused(self, content):
        self.path.write_bytes(content)
        self.assert_refused(r"cannot be read as JSON \(.*\)\. Copy the wood "
                            r"again, or plant again\.$")

    def test_nesting_without_end_is_refused(self):
        self.path.write_bytes(b"[" * 200_000)
        form = dataclasses.replace(_FORMAT, most_bytes=1 << 20)
        with self.assertRaisesRegex(
                errors.ProfileError, r"cannot be read as JSON \(nested too "
                r"deeply\)\. Copy the wood again, or plant again\.$"):
            sealed_json.read(self.path, form)

    @parameterized.parameters("[]", "3", "null", '"text"')
    def test_json_that_is_no_object_is_refused(self, text):
        self.path.write_text(text)
        self.assert_refused("expected a JSON object, found .*Plant again")

    @parameterized.parameters(0, 3, 5, None, "4")
    def test_another_version_is_said_before_its_checksum(self, version):
        self.path.write_text(json.dumps({"format_version": version}))
        self.assert_refused(
            r"expected format version 4, found .*\. Plant again, or install "
            r"the version that wrote it\.$")

    @parameterized.parameters({"checksum": 3}, {"checksum": None}, {})
    def test_another_checksum_is_refused(self, **seal):
        self.path.write_text(json.dumps({"format_version": 4, **seal}))
        self.assert_refused(
            "its contents do not match its checksum; it was edited or damaged. "
            "Copy the wood again, or plant again")

    @parameterized.parameters(
        ({"leaves": 3}, r"the tree\.leaves: expected a list, found 3"),
        ({"leaves": [{"label": 1}]},
         r"the tree\.leaves\[0\]\.label: expected str, found 1"),
        ({"roots": 1}, "the tree has unknown roots"))
    def test_other_values_are_refused(self, values, message):
        self.write({"format_version": 4, **values})
        self.assert_refused(rf"{message}\. Plant again\.$")


if __name__ == "__main__":
    absltest.main()
