"""Which operations TFLM (see `tflm`) has, and which a bundle needs."""

from converters import tflm
from ddi_tf import errors

SOURCE = ("https://github.com/tensorflow/tflite-micro/blob/main/tensorflow/lite"
          "/micro/micro_mutable_op_resolver.h")

# Operations of the .tflite schema (BuiltinOperator) -> the method of TFLM's
# MicroMutableOpResolver that adds each: of SOURCE, those that the interpreter
# of tflite-micro 0.dev20261023182759 holds. Most are the name in other letters.
_SPELLED = {
    "AVERAGE_POOL_2D": "AveragePool2D", "BATCH_MATMUL": "BatchMatMul",
    "CONV_2D": "Conv2D", "CUMSUM": "CumSum",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2D", "L2_POOL_2D": "L2Pool2D",
    "MAX_POOL_2D": "MaxPool2D", "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}
_NAMES = """
    ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_MATMUL
    BATCH_TO_SPACE_ND BROADCAST_ARGS BROADCAST_TO CALL_ONCE CAST CEIL
    CONCATENATION CONV_2D COS CUMSUM DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE
    DIV DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL
    FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GREATER
    GREATER_EQUAL HARD_SWISH IF L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS
    LESS_EQUAL LOG LOG_SOFTMAX LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC
    MAX_POOL_2D MAXIMUM MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2
    PRELU QUANTIZE READ_VARIABLE REDUCE_ALL REDUCE_MAX REDUCE_MIN RELU RELU6
    RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT
    SELECT_V2 SHAPE SIN SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT
    SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM SVDF
    TANH TRANSPOSE TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK VAR_HANDLE
    WHILE ZEROS_LIKE""".split()
ADD_METHODS = {name: "Add" + _SPELLED.get(name, "".join(
    part.capitalize() for part in name.split("_"))) for name in _NAMES}


def of_bundle(bundle):
    """The operations of all graphs of a `bundle.Bundle`, sorted names.

    Raises:
        ExportError: a graph has one that TFLM lacks; names both.
    """
    every = set()
    for name in bundle.graphs:
        found = tflm.operations(bundle.content(name))
        if lacking := sorted(found - ADD_METHODS.keys()):
            raise errors.ExportError(
                f"{name}: TensorFlow Lite for Microcontrollers has no "
                f"{', '.join(lacking)} ({SOURCE}). A microcontroller cannot "
                "run this bundle; run it with `python -m device.run`, or "
                "change the network.")
        every |= found
    return tuple(sorted(every))
