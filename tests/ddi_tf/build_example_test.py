"""The backbone that BUILD.md shows how to add is one."""

import pathlib
import re
import types
from unittest import mock

import backbone_cases
import backbones_test
import tensorflow as tf
from absl.testing import parameterized

from ddi_tf import block
from ddi_tf import network

_BUILD = pathlib.Path(__file__).parents[2] / "BUILD.md"
_MOST_LINES = 60
_CASE = {"plain": {"backbone": "plain", "depth": 14,
                   "image_shape": (16, 16, 3)}}


def _code():
    """The example's file: the block in its section that has a docstring."""
    section = _BUILD.read_text().split("## Adding a backbone\n")[1]
    return re.search('```python\n(""".*?)```', section, re.DOTALL)[1]


class ExampleTest(backbones_test.Contract):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        module = types.ModuleType("plain")
        exec(compile(_code(), f"{_BUILD}: plain.py", "exec"), vars(module))
        cls.enterClassContext(mock.patch.dict(
            network.BACKBONES, {"plain": (module.build, 14)}))
        cls.enterClassContext(mock.patch.dict(
            backbone_cases.NETWORKS, _CASE))

    def test_it_is_short(self):
        self.assertLessEqual(len(_code().splitlines()), _MOST_LINES)

    @parameterized.parameters(*block.MASK_SITES)
    def test_walking_the_pieces_is_the_masked_forward(self, mask_site):
        self.assert_pieces_are_the_network("plain", mask_site)

    def test_it_fulfils_the_contract_of_backbones(self):
        self.assert_forward("plain")
        self.assert_base("plain")
        self.assert_gradients("plain")
        self.assert_macs("plain")
        self.assert_training_steps("plain")


if __name__ == "__main__":
    tf.test.main()
