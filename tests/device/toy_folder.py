"""A good toy bundle in a folder, for tests that spoil it."""

import json
import pathlib
import tempfile

from absl.testing import absltest

from device import bundle
from device import errors
from device import sealed_json
import fakes

MANIFEST = fakes.manifest([fakes.GATED], stem=100, thresholds=[0.5])


class BundleTest(absltest.TestCase):
    """`self.folder` holds a good bundle, `self.graph` one of its files."""

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(
            self.enter_context(tempfile.TemporaryDirectory()))
        self.folder = self.root / "toy"
        self.folder.mkdir()
        bundle.write(self.folder, MANIFEST, fakes.contents(MANIFEST))
        self.path = self.folder / "manifest.json"
        self.graph = self.folder / "graphs" / "block0_way0.tflite"
        self.text = self.path.read_bytes()

    def edit(self, change):
        """Applies `change` to the manifest's values; the checksum is right."""
        values = json.loads(self.text)
        del values["checksum"]
        change(values)
        self.path.write_text(json.dumps(sealed_json.sealed(values)))

    def assert_refused(self, message):
        with self.assertRaisesRegex(errors.BundleError, message):
            bundle.load(self.folder)
