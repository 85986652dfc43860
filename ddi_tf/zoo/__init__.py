"""Trained networks, ready to run, with numbers that one command checks."""
