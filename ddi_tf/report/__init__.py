"""A page about trained runs, made of traces: `python -m ddi_tf.report`."""
