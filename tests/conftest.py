"""For every test: Ctrl-C as at a terminal, and flags as if none was given."""

import signal

from absl import flags

# A shell's background job ignores it, and so would every test of it here and
# every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# absl's test cases read their temporary folder from a flag, and pytest parses
# none of those.
flags.FLAGS.mark_as_parsed()
