"""Everything about the package is in setup.cfg; pip needs this call."""

import setuptools

setuptools.setup()
