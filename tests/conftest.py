"""For every test: Ctrl-C means what it means at a terminal."""

import signal

# A shell's background job ignores it, and so would every test of it here and
# every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
