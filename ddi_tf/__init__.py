"""Dual Dynamic Inference: train a network that skips work and answers early."""
