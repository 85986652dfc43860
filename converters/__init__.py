"""Cuts a trained network into a bundle of TFLite graphs, and checks it."""
