import ctypes

import numpy as np
import pytest
from mmbench.kernels import abi
from mmbench.kernels.emit import ir
from mmbench.kernels.emit.jit import compile_ir


@pytest.fixture
def recorder():
    """A kernel that appends its block's M to a list whose length lies in the block's K slot: C points to [count, values...]."""
    lines = [
        *("entry:", ir.slot("%log", abi.Slot.C, context="%arguments"), ir.slot("%m", abi.Slot.M, "i64", "%arguments")),
        "  %count = load i64, ptr %log, align 8",
        "  %next = add i64 %count, 1",
        "  store i64 %next, ptr %log, align 8",
        "  %at = getelementptr i64, ptr %log, i64 %next",
        "  store i64 %m, ptr %at, align 8",
        "  ret void",
    ]
    return compile_ir(ir.function("record", "\n".join(lines), arguments="ptr %arguments"))


def run(kernel, n):
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(kernel.address)(kernel.context, n)


def test_the_driver_goes_round_the_blocks_and_remembers_where_it_was(recorder):
    log = np.zeros(64, dtype=np.int64)
    blocks = []
    for number in (7, 8, 9):
        block = np.zeros(abi.SLOT_COUNT, dtype=np.int64)
        block[abi.Slot.C], block[abi.Slot.M] = log.ctypes.data, number
        blocks.append(block)
    kernel = abi.timed(recorder.address("record"), blocks, recorder)
    run(kernel, 4)
    run(kernel, 3)
    assert log[0] == 7
    assert list(log[1:8]) == [7, 8, 9, 7, 8, 9, 7]


def test_one_block_is_used_again_and_again(recorder):
    log = np.zeros(64, dtype=np.int64)
    block = np.zeros(abi.SLOT_COUNT, dtype=np.int64)
    block[abi.Slot.C], block[abi.Slot.M] = log.ctypes.data, 5
    run(abi.timed(recorder.address("record"), [block], recorder), 10)
    assert list(log[:12]) == [10, *[5] * 10, 0]


@pytest.mark.parametrize("value", [0.0, 1.0, -1.3, 0.7, 1e-300])
def test_a_double_survives_its_slot(value):
    assert np.int64(abi.double_bits(value)).view(np.float64) == value
