"""Lets the tests here `import train_command`: importlib mode adds no path."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
