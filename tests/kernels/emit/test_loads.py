"""The loops that load a core: what they compute here, and what they become on other chips."""

from __future__ import annotations

import ctypes
import re

import numpy as np
import pytest
from mmbench.kernels.emit.jit import assembly, compile_ir
from mmbench.kernels.emit.loads import ACCUMULATORS, MULTIPLY_LINKS, fma_loop_ir, multiply_chain_ir
from mmbench.kernels.emit.streams import widest_vector_bytes
from mmbench.kernels.emit.target import Target
from mmbench.kernels.emit.touch import touch_ir

# target, width in bits: the fused multiply-add between registers, and what a reference to the stack looks like
FMAS = {
    ("haswell", 128): (r"vfmadd\w+ps\s+%xmm\d+, %xmm\d+, %xmm\d+", r"\(%r[sb]p"),
    ("haswell", 256): (r"vfmadd\w+ps\s+%ymm\d+, %ymm\d+, %ymm\d+", r"\(%r[sb]p"),
    ("skylake-avx512", 512): (r"vfmadd\w+ps\s+%zmm\d+, %zmm\d+, %zmm\d+", r"\(%r[sb]p"),
    ("znver4", 512): (r"vfmadd\w+ps\s+%zmm\d+, %zmm\d+, %zmm\d+", r"\(%r[sb]p"),
    ("neoverse-v2", 128): (r"fmla\s+v\d+\.4s, v\d+\.4s, v\d+\.4s", r"\[sp"),
    ("apple-m4", 128): (r"fmla(\.4s)?\s+v\d+(\.4s)?, v\d+(\.4s)?, v\d+(\.4s)?", r"\[sp"),
    ("spacemit-x60", 128): (r"vfmadd\.vv|vfmacc\.vv", r"\(sp\)"),
    ("pwr10", 128): (r"xvmadd[am]sp", r"\(1\)"),
    ("z15", 128): (r"vfmasb", r"\(%r15\)"),
}
MULTIPLIES = {
    "haswell": r"imulq\s+%\w+, %\w+$",
    "neoverse-v2": r"mul\s+x\d+, x\d+, x\d+$",
    "apple-m4": r"mul\s+x\d+, x\d+, x\d+$",
    "spacemit-x60": r"mul\s+\w+, \w+, \w+$",
    "pwr10": r"mulld \d+, \d+, \d+$",
    "la464": r"mul\.d\s+\$\w+, \$\w+, \$\w+$",
}


def loop_of(text: str) -> str:
    """From the first label of a block that a later line jumps to, to that line."""
    lines = [line.strip() for line in text.splitlines()]
    labels = {line.split(":")[0]: i for i, line in enumerate(lines) if re.match(r"\.?LBB\w+:", line)}
    back = [
        (labels[w], i) for i, line in enumerate(lines) if ":" not in line for w in re.findall(r"\.?LBB\w+", line) if labels.get(w, i) < i
    ]
    start, end = max(back, key=lambda span: span[1] - span[0])
    return "\n".join(re.sub(r"\s*[#;/].*", "", line) for line in lines[start + 1 : end + 1])


@pytest.mark.parametrize(("name", "width"), FMAS)
def test_the_load_is_full_width_fmas_in_registers_alone(name: str, width: int) -> None:
    target = Target.named(name)
    fma, stack = FMAS[name, width]
    loop = loop_of(assembly(fma_loop_ir(target, width), target))
    assert len(re.findall(fma, loop)) == ACCUMULATORS, loop
    assert not re.search(stack, loop), loop


@pytest.mark.parametrize("name", MULTIPLIES)
def test_the_confirming_chain_is_multiplications_in_a_row(name: str) -> None:
    target = Target.named(name)
    loop = loop_of(assembly(multiply_chain_ir(target), target))
    assert len(re.findall(MULTIPLIES[name], loop, re.MULTILINE)) == MULTIPLY_LINKS, loop


@pytest.mark.parametrize("width", [128, 256, 512])
def test_the_load_computes_what_it_says(width: int) -> None:
    target = Target.host()
    width = min(width, 8 * widest_vector_bytes(target))
    code = compile_ir(fma_loop_ir(target, width))
    memory = np.full(64, 0.5, dtype=np.float32)
    memory[16:32] = 2.0
    slots = np.array([memory.ctypes.data], dtype=np.int64)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("fma_load"))(slots.ctypes.data, 3)
    assert (memory[32 : 32 + width // 32] == 0.5 + 3 * (0.5 * 2.0)).all()


def test_the_chain_of_multiplications_is_a_power() -> None:
    code = compile_ir(multiply_chain_ir(Target.host()))
    slots = np.array([3, 0], dtype=np.int64)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("multiply_chain"))(slots.ctypes.data, 2)
    assert int(slots[1]) % 2**64 == pow(3, 1 + 2 * MULTIPLY_LINKS, 2**64)


@pytest.mark.parametrize("name", ["haswell", "neoverse-v2", "apple-m4", "spacemit-x60", "pwr10", "la464"])
def test_touching_reads_and_never_writes(name: str) -> None:
    target = Target.named(name)
    text = assembly(touch_ir(), target)
    assert "touch" in text
    stores = r"mov[aqu]\w*\s+%\w+, \d*\(|^\s*(str|stp|sd|std|st\.d)\s"
    body = [line for line in text.splitlines() if not re.search(r"sp|%rbp|\$r?fp|\(1\)", line)]
    assert not re.search(stores, "\n".join(body), re.MULTILINE), text


def test_touching_goes_through_every_group_and_every_offset() -> None:
    code = compile_ir(touch_ir().replace("%seen = load volatile i64, ptr %word, align 8", "store volatile i64 7, ptr %word, align 8"))
    memory = np.zeros(64, dtype=np.int64)
    offsets = np.array([24, 0, 8], dtype=np.int64)
    slots = np.array([memory.ctypes.data, 128, offsets.ctypes.data, 3], dtype=np.int64)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("touch"))(slots.ctypes.data, 3)
    assert list(np.flatnonzero(memory)) == [g * 16 + o // 8 for g in range(3) for o in (0, 8, 24)]
