"""Thunks are tried against Python functions behind C pointers, which write down what reached them."""

import ctypes
from itertools import pairwise

import numpy as np
import pytest
from mmbench.kernels import abi
from mmbench.kernels.abi import Slot
from mmbench.kernels.emit.jit import compile_ir
from mmbench.kernels.vendor.thunk import Arg, CCall, Within, thunk_ir


def called(calls, functions, block, **how):
    """Run the thunk over the block with these C functions in its table."""
    code = compile_ir(thunk_ir(calls, **how))
    table = np.array([ctypes.cast(f, ctypes.c_void_p).value for f in functions], dtype=np.int64)
    block[Slot.TABLE] = table.ctypes.data
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("call"))(block.ctypes.data)


def block_of(**values):
    block = np.zeros(abi.SLOT_COUNT, dtype=np.int64)
    block[Slot.BATCH] = 1
    for name, value in values.items():
        block[Slot[name]] = abi.double_bits(value) if name in ("ALPHA", "BETA") else value
    return block


def test_a_place_behind_the_state_and_a_truth_arrive():
    seen = []
    function = ctypes.CFUNCTYPE(None, ctypes.c_bool, ctypes.c_bool, ctypes.c_void_p)(lambda *words: seen.append(words))
    arguments = [Arg("i1", 1, "zeroext"), Arg("i1", 0, "zeroext"), Arg("ptr", Within(176))]
    called([CCall(0, arguments)], [function], block_of(STATE=4096))
    assert seen == [(True, False, 4096 + 176)]


def test_every_kind_of_argument_arrives_as_its_type():
    seen = []
    kind = ctypes.CFUNCTYPE(
        None, ctypes.c_int32, ctypes.c_int64, ctypes.c_float, ctypes.c_double, ctypes.c_void_p, ctypes.c_uint16, ctypes.c_int32
    )
    function = kind(lambda *words: seen.append(words))
    arguments = [
        *(Arg("i32", 101), Arg("i64", Slot.LDA), Arg("float", Slot.ALPHA), Arg("double", Slot.BETA), Arg("ptr", Slot.A)),
        *(Arg("i16", 0x3C00, "zeroext"), Arg("i32", Slot.ALPHA)),
    ]
    called([CCall(0, arguments)], [function], block_of(LDA=77, ALPHA=2.5, BETA=-1.25, A=4096))
    assert seen == [(101, 77, 2.5, -1.25, 4096, 0x3C00, 2)]


def test_a_constant_float_and_a_null_pointer_and_the_block_itself_arrive():
    seen = []
    kind = ctypes.CFUNCTYPE(None, ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p)
    function = kind(lambda *words: seen.append(words))
    block = block_of()
    called([CCall(0, [Arg("double", 1.5), Arg("ptr", 0), Arg("ptr", "arguments")])], [function], block)
    assert seen == [(1.5, None, block.ctypes.data)]


@pytest.mark.parametrize("bytes_each", [0.5, 1, 2, 8])
def test_a_loop_steps_through_the_problems_of_a_batch(bytes_each):
    seen = []
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(lambda a, c: seen.append((a, c)))
    arguments = [Arg("ptr", "a", element_bytes=bytes_each), Arg("ptr", "c", element_bytes=8)]
    called([CCall(0, arguments)], [function], block_of(BATCH=3, A=1 << 20, C=1 << 30, STEP_A=64, STEP_C=0), loop=True)
    assert [c for _, c in seen] == [1 << 30] * 3
    assert [after - before for (before, _), (after, _) in pairwise(seen)] == [64 * bytes_each] * 2


def test_lists_of_pointers_are_followed():
    seen = []
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(seen.append)
    places = np.array([300, 100, 200], dtype=np.int64)
    called([CCall(0, [Arg("ptr", "b")])], [function], block_of(BATCH=3, LIST_B=places.ctypes.data), loop=True, pointers=True)
    assert seen == [300, 100, 200]


def test_several_calls_go_in_order_for_each_problem():
    seen = []
    first = ctypes.CFUNCTYPE(None)(lambda: seen.append("product"))
    second = ctypes.CFUNCTYPE(ctypes.c_int32)(lambda: seen.append("epilogue") or 0)
    called([CCall(0, []), CCall(1, [], "i32")], [first, second], block_of(BATCH=2), loop=True)
    assert seen == ["product", "epilogue"] * 2
