"""The parts of the live view's one screen."""
