"""Call every matrix product through one C signature, `void f(int64_t *arguments)`: naive, generated and vendor alike.

`arguments` is an array of 64-bit slots that describes one set of operands: pointers, sizes, leading dimensions. What the stopwatch
times is an emitted loop over such calls (`driver_ir`), which goes round a ring of argument blocks: with one block all operands stay
where the caches put them (hot), with enough blocks each call finds its own out of every cache (cold).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from .emit import ir
from .emit.jit import Code, compile_ir
from .measure.stopwatch import Kernel


class Slot(IntEnum):
    """Where each argument lies. Leading dimensions and steps count elements; alpha and beta are the bits of a double.

    STEP_*: elements from one problem of a batch to the next (0: the same operand for all). LIST_*: arrays of pointers, one a problem,
    for `batch_kind` pointers (A, B and C then point to the first problem). The residual has C's leading dimension and step; the
    bias is the same for all problems. STATE belongs to the kernel (what its `bind` returned); TABLE points to the addresses that an
    emitted thunk calls.
    """

    A = 0
    B = 1
    C = 2
    M = 3
    N = 4
    K = 5
    BATCH = 6
    LDA = 7
    LDB = 8
    LDC = 9
    STEP_A = 10
    STEP_B = 11
    STEP_C = 12
    ALPHA = 13
    BETA = 14
    BIAS = 15
    RESIDUAL = 16
    SCALE_A = 17
    SCALE_B = 18
    LIST_A = 19
    LIST_B = 20
    LIST_C = 21
    STATE = 22
    TABLE = 23


SLOT_COUNT = 24
_RING_HEADER = 3  # function, ring length, index of the next block


def driver_ir() -> str:
    """`void calls(ptr context, i64 n)`: n calls of the function in slot 0, each with the next argument block of the ring.

    Context: function, ring length, index of the next block, then the blocks' addresses.
    """
    lines = ["entry:", ir.slot("%function", 0), ir.slot("%length", 1, "i64"), ir.slot("%first", 2, "i64")]
    lines += [
        f"  %ring = getelementptr i64, ptr %context, i64 {_RING_HEADER}",
        "  br label %loop",
        "loop:",
        "  %left = phi i64 [ %n, %entry ], [ %next, %loop ]",
        "  %i = phi i64 [ %first, %entry ], [ %wrapped, %loop ]",
        "  %at = getelementptr ptr, ptr %ring, i64 %i",
        "  %arguments = load ptr, ptr %at, align 8",
        "  call void %function(ptr %arguments)",
        "  %i.next = add i64 %i, 1",
        "  %ends = icmp eq i64 %i.next, %length",
        "  %wrapped = select i1 %ends, i64 0, i64 %i.next",
        "  %next = sub i64 %left, 1",
        "  %more = icmp ne i64 %next, 0",
        "  br i1 %more, label %loop, label %done",
        "done:",
        ir.set_slot(2, "i64", "%wrapped"),
        "  ret void",
    ]
    return ir.function("calls", "\n".join(lines))


@functools.cache
def _driver() -> Code:
    return compile_ir(driver_ir())


def timed(address: int, blocks: Sequence[NDArray[np.int64]], keep: object = None) -> Kernel:
    """What the stopwatch times: calls of the function at `address`, going round `blocks` (each of SLOT_COUNT slots)."""
    context = np.array([address, len(blocks), 0, *(block.ctypes.data for block in blocks)], dtype=np.int64)
    return Kernel(_driver().address("calls"), context.ctypes.data, (context, tuple(blocks), keep))


def double_bits(value: float) -> int:
    """The bits of a double as a signed 64-bit integer, as slots hold it."""
    return int(np.float64(value).view(np.int64))
