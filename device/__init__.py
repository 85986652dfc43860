"""Runs a bundle's subgraphs one by one, and only those an image needs.

Imports no TensorFlow: the standard library, numpy, absl and a TFLite
interpreter (ai-edge-litert or tflite-runtime) are enough.
"""
