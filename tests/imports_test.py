"""Who may import whom: converters -> ddi_tf, converters -> device, no more."""

import ast
import pathlib

from absl.testing import absltest

_ROOT = pathlib.Path(__file__).parent.parent

# Package -> what else of ours, and of TensorFlow's world, it may import.
_ALLOWED = {
    "ddi_tf": {"ddi_tf", "tensorflow", "tf_keras", "tensorflow_datasets",
               "tensorflow_model_optimization"},
    "converters": {"converters", "ddi_tf", "device", "tensorflow"},
    "device": {"device"},
}
_GUARDED = set.union(*_ALLOWED.values())

# Of the device, converters see the bundle's format (what int8 numbers stand for
# is part of it) and its errors; and the profile's format, to show what graphs
# of a bundle take. For microcontrollers also the costs along a plan and the
# features, which C tables carry as Python's controller has them, and how images
# are read.
_FORMAT = {"budget", "bundle", "errors", "images", "passing", "profile",
           "quantization"}


def imports(path):
    """Dotted names that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


class ImportsTest(absltest.TestCase):

    def test_packages_import_only_what_they_may(self):
        for package, allowed in _ALLOWED.items():
            files = sorted((_ROOT / package).glob("**/*.py"))
            self.assertNotEmpty(files)
            for path in files:
                found = {name.split(".")[0] for name in imports(path)}
                self.assertEmpty(
                    (found & _GUARDED) - allowed,
                    f"{path.relative_to(_ROOT)} crosses a boundary")

    def test_converters_see_only_the_bundle_format_of_the_device(self):
        for path in sorted((_ROOT / "converters").glob("**/*.py")):
            parts = [name.split(".") for name in imports(path)]
            found = {part[1] for part in parts if part[0] == "device"}
            self.assertEmpty(found - _FORMAT, str(path.relative_to(_ROOT)))

    def test_only_runtime_imports_an_interpreter(self):
        interpreters = {"ai_edge_litert", "tflite_runtime"}
        users = {
            path.name for path in sorted((_ROOT / "device").glob("**/*.py"))
            if interpreters & {n.split(".")[0] for n in imports(path)}}
        self.assertEqual(users, {"runtime.py"})

    def test_no_module_is_longer_than_300_lines(self):
        for package in _ALLOWED:
            for path in sorted((_ROOT / package).glob("**/*.py")):
                lines = len(path.read_text(encoding="utf-8").splitlines())
                self.assertLessEqual(lines, 300, path.name)


if __name__ == "__main__":
    absltest.main()
