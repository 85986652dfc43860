"""absl's test cases want parsed flags, and pytest parses none."""

from absl import flags

flags.FLAGS.mark_as_parsed()
