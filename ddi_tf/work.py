"""What a computation does: the counts that every cost is made of."""

import math
from typing import NamedTuple


class Work(NamedTuple):
    """Counts of one execution on one image.

    Every layer reads its input from feature memory and writes its output there;
    batch norm, ReLU and a residual sum happen on the way out, the sum reading
    its other operand. What stays inside a small vector (an LSTM's state) is not
    counted.
    """

    macs: int = 0         # multiply-accumulates of convs and dense layers
    weights: int = 0      # parameters read, biases included
    activations: int = 0  # feature numbers read and written

    def __add__(self, other):
        return Work(*(a + b for a, b in zip(self, other, strict=True)))

    # `sum` begins with 0.
    def __radd__(self, other):
        return self if other == 0 else other + self

    def share(self, part, whole):
        """`part / whole` of it, rounded down."""
        return Work(*(count * part // whole for count in self))


def dense(inputs, outputs):
    """`Work` of a dense layer with bias."""
    return Work(inputs * outputs, (inputs + 1) * outputs, inputs + outputs)


def traffic(*shapes):
    """`Work` of reading or writing features of these shapes, once each."""
    return Work(activations=sum(math.prod(shape) for shape in shapes))
