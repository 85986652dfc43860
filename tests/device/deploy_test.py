"""deploy/: the systemd unit and its settings fit the command."""

import pathlib
import re
import shutil
import subprocess
import sys
import unittest

from absl.testing import absltest

import command_case

_ROOT = pathlib.Path(__file__).parents[2]
_UNIT = _ROOT / "deploy" / "ddi.service"
_SETTINGS = _ROOT / "deploy" / "ddi.cfg"


def run(*flags):
    """The finished process of `python -m device.run` with these flags."""
    return subprocess.run(
        [sys.executable, "-m", "device.run", *map(str, flags)], cwd=_ROOT,
        capture_output=True, text=True, check=False)


def settings():
    """Every flag line, also those that are commented out."""
    return re.findall(r"^#?(--.*)$", _SETTINGS.read_text(), re.MULTILINE)


class DeployTest(command_case.CommandCase):

    def test_every_flag_is_one_of_device_run(self):
        used = re.findall(r"--([a-z_]+)", _UNIT.read_text()) + [
            line[2:].partition("=")[0] for line in settings()]
        known = re.findall(r"^ *--(?:\[no\])?([a-z_]+)",
                           run("--helpfull").stdout, re.MULTILINE)
        self.assertContainsSubset(
            ["flagfile", "state", "output", "bundle", "power", "view"], known)
        self.assertContainsSubset(used, known)

    def test_the_command_takes_all_settings(self):
        given = self.folder / "ddi.cfg"
        given.write_text("\n".join(settings()))
        self.assert_failed(
            run(f"--flagfile={given}", f"--bundle={self.folder}"),
            "error: .* is not a bundle")

    def test_settings_have_no_comment_behind_a_value(self):
        for line in settings():
            self.assertNotIn("#", line)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "needs systemd")
    def test_systemd_finds_nothing_wrong_with_the_unit(self):
        installed = self.folder / "ddi.service"
        installed.write_text(_UNIT.read_text().replace(
            "/opt/ddi/bin/python", "/usr/bin/env"))
        found = subprocess.run(
            ["systemd-analyze", "verify", installed], capture_output=True,
            text=True, check=False)
        self.assertEqual(found.returncode, 0, found.stderr)
        self.assertNotIn("ddi.service", found.stderr)


if __name__ == "__main__":
    absltest.main()
