"""Energy of an inference: of its arithmetic, and of moving its numbers.

    E = e_mac MACs + e_weight weights + e_activation activations

with `work.Work`'s counts: the model of EnergyNet (Wang et al. 2018) and Eyeriss
(Chen, Emer and Sze, ISCA 2016). It is a model: it ranks ways to spend work;
what a device really draws has to be measured there.
"""

from typing import NamedTuple

from ddi_tf import errors


class EnergyModel(NamedTuple):
    """Energy of one of each, in `unit`."""

    mac: float
    weight: float
    activation: float
    unit: str
    source: str

    def energy(self, work):
        """Of a `work.Work`, in `unit`."""
        return (self.mac * work.macs + self.weight * work.weights
                + self.activation * work.activations)


# Picojoules per byte, of 64 bits at a time.
_DRAM = (1300 + 2600) / 2 / 8
_SRAM_1_MB = 100 / 8
_SRAM_32_KB = 20 / 8


def _horowitz(multiply, add, number_bytes, weight_byte, where):
    """Features in a 32 KB SRAM; picojoules."""
    return EnergyModel(
        multiply + add, weight_byte * number_bytes, _SRAM_32_KB * number_bytes,
        "pJ", "M. Horowitz, Computing's energy problem, ISSCC 2014, Fig. 1.1.9 "
        f"(45 nm, 0.9 V); weights from {where}, features in a 32 KB SRAM")


_FLOAT32, _INT8 = (3.7, 0.9, 4), (0.2, 0.1, 1)  # multiply, add, bytes


def _measured(nanojoules, board):
    """All of a board's energy per MAC; what moves is in the MAC."""
    return EnergyModel(
        1000 * nanojoules, 0.0, 0.0, "pJ",
        f"MLPerf Tiny results, int8, {board}: {nanojoules} nJ per MAC, "
        "everything included")


# (name, width of the numbers) -> model.
MODELS = {
    # On one chip, as small networks are; then a processor with its memory
    # outside, where weights are most of the energy, and exits dear.
    ("horowitz", "float32"): _horowitz(*_FLOAT32, _SRAM_1_MB, "a 1 MB SRAM"),
    ("horowitz", "int8"): _horowitz(*_INT8, _SRAM_1_MB, "a 1 MB SRAM"),
    ("horowitz_dram", "float32"): _horowitz(*_FLOAT32, _DRAM, "DRAM"),
    ("horowitz_dram", "int8"): _horowitz(*_INT8, _DRAM, "DRAM"),
    # A MAC with the four register accesses it needs (two operands, the sum in
    # and out); 16 bits.
    ("eyeriss", "int16"): EnergyModel(
        1 + 4, 200.0, 6.0, "MACs", "Chen, Emer and Sze, Eyeriss, ISCA 2016, "
        "Table IV: register 1, buffer 6, DRAM 200 times a MAC; weights from "
        "DRAM, features in the buffer"),
    # A MAC with its operand from L1; everything else from L2.
    ("energynet", "int8"): EnergyModel(
        1 + 1, 6.0, 6.0, "MACs", "Wang et al., EnergyNet, 2018: MAC : L1 : L2 "
        "= 1 : 1 : 6"),
    ("l4r5_tflm", "int8"): _measured(2.34, "STM32L4R5 with TFLM"),
    ("l4r5_vendor", "int8"): _measured(0.44, "STM32L4R5, vendor's stack"),
    ("u575", "int8"): _measured(0.21, "STM32U575"),
    ("u385", "int8"): _measured(0.077, "STM32U385"),
    ("h7a3", "int8"): _measured(0.41, "STM32H7A3"),
}


def model(name, width):
    """The `EnergyModel` of that name. Raises ConfigError."""
    if (name, width) not in MODELS:
        known = ", ".join(f"{n} ({w})" for n, w in MODELS)
        raise errors.ConfigError(
            "energy model and width of numbers must be one of "
            f"{known}. Received: {name} ({width})")
    return MODELS[name, width]
