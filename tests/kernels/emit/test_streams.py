import ctypes
import re

import numpy as np
import pytest
from mmbench.kernels.emit.jit import assembly, compile_ir
from mmbench.kernels.emit.streams import (
    CHASE_UNROLL,
    STREAM_SLOTS,
    STREAMS,
    UNROLL,
    block_bytes,
    chase_ir,
    has_nontemporal,
    is_scalable,
    register_bytes_ir,
    stream_ir,
    widest_vector_bytes,
)
from mmbench.kernels.emit.target import Target

BY_NAME = {s.name: s for s in STREAMS}
# Per target: bytes of a vector, the load, the store, the store past the caches (None: the chip has none that LLVM knows).
PATTERNS = {
    "haswell": (32, r"vmovaps\s+\d*\(%\w+\), %ymm", r"vmovaps\s+%ymm\d+, \d*\(%\w+\)", r"vmovntps\s+%ymm"),
    "skylake-avx512": (64, r"vmovaps\s+\d*\(%\w+\), %zmm", r"vmovaps\s+%zmm\d+, \d*\(%\w+\)", r"vmovntps\s+%zmm"),
    "znver1": (32, r"vmovaps\s+\d*\(%\w+\), %ymm", r"vmovaps\s+%ymm\d+, \d*\(%\w+\)", r"vmovntps\s+%ymm"),
    "neoverse-v2": (16, r"ldr\s+q\d+, \[x\d+", r"str\s+q\d+, \[x\d+", r"stnp\s+q\d+, q\d+, \[x\d+"),
    "apple-m4": (16, r"ldr\s+q\d+, \[x\d+", r"str\s+q\d+, \[x\d+", r"stnp\s+q\d+, q\d+, \[x\d+"),
    "spacemit-x60": (16, r"vl4re32\.v\s+v\d+", r"vs4r\.v\s+v\d+", None),
    "pwr10": (16, r"lxv\s+\d+, -?\d+\(\d+\)", r"stxv\s+\d+, -?\d+\(\d+\)", None),
    "z15": (16, r"vl\s+%v\d+, \d+\(%r", r"vst\s+%v\d+, \d+\(%r", None),
    "la464": (32, r"xvld\s+\$xr\d+", r"xvst\s+\$xr\d+", None),
}


def inner_loop(text: str) -> str:
    """The instructions of the loop over blocks: the innermost one, from its label to the branch back."""
    lines = text.splitlines()
    labels = {line.split(":")[0]: i for i, line in enumerate(lines) if re.match(r"\.?LBB\w+:", line)}
    loops = []
    for i, line in enumerate(lines):
        words = re.findall(r"\.?LBB\w+", line) if ":" not in line else []
        loops += [(labels[w], i) for w in words if w in labels and labels[w] < i]
    start, end = min(loops, key=lambda span: span[1] - span[0])
    return "\n".join(lines[start : end + 1])


@pytest.mark.parametrize("name", PATTERNS)
def test_loops_load_and_store_whole_vectors_and_nothing_else(name):
    target = Target.named(name)
    width, load, store, past = PATTERNS[name]
    assert widest_vector_bytes(target) == width
    scalable = is_scalable(target)
    accesses = UNROLL // 4 if scalable else UNROLL
    for kernel, loads, stores in (("read", accesses, 0), ("write", 0, accesses), ("copy", accesses, accesses)):
        loop = inner_loop(assembly(stream_ir(BY_NAME[kernel], target, width, scalable=scalable), target))
        assert len(re.findall(load, loop)) == loads, loop
        assert len(re.findall(store, loop)) == stores, loop
    if past is None:
        assert not has_nontemporal(target)
    else:
        loop = inner_loop(assembly(stream_ir(BY_NAME["nt-write"], target, width), target))
        assert len(re.findall(past, loop)) == (accesses // 2 if target.arch == "aarch64" else accesses), loop


def test_triad_on_x86_has_no_index_registers_and_a_chip_without_fma_calls_no_library():
    haswell = Target.named("haswell")
    loop = inner_loop(assembly(stream_ir(BY_NAME["triad"], haswell, 32), haswell))
    assert len(re.findall(r"vfmadd\w+\s+\d*\(%\w+\), %ymm", loop)) == UNROLL
    assert not re.search(r"\(%\w+,%\w+", loop)
    old = Target.named("x86-64-v2")
    text = assembly(stream_ir(BY_NAME["triad"], old, 16), old)
    assert "call" not in text
    assert "mulps" in text or "addps" in text


def test_arm_vectors_of_unknown_length_are_stored_past_the_caches_throughout():
    target = Target.named("neoverse-v1").with_features("+sve")
    assert is_scalable(target)
    loop = inner_loop(assembly(stream_ir(BY_NAME["nt-write"], target, 32, scalable=True), target))
    assert len(re.findall(r"stnt1w", loop)) == UNROLL
    assert "rdvl" in assembly(register_bytes_ir(target), target)


def test_a_chase_is_loads_of_the_next_address_without_offset():
    for name, load in (("haswell", r"movq\s+\(%\w+\), %"), ("neoverse-v2", r"ldr\s+x\d+, \[x\d+\]"), ("pwr10", r"ld \d+, 0\(\d+\)")):
        target = Target.named(name)
        assert len(re.findall(load, inner_loop(assembly(chase_ir(), target)))) == CHASE_UNROLL


def run(kernel: str, width: int, lengths: int, passes: int, step_blocks: int = 0, laps: int = 1, pausing: bool = False):
    """Arrays after `passes` passes over `lengths` blocks each, and the stretch at which the walk stands."""
    stream, target = BY_NAME[kernel], Target.host()
    code = compile_ir(stream_ir(stream, target, width, pausing=pausing))
    count = lengths * laps * UNROLL * width // 4
    memory = np.zeros(3 * count + 64, dtype=np.float32)
    start = -memory.ctypes.data % 256 // 4
    arrays = [memory[start + i * count : start + (i + 1) * count] for i in range(3)]
    for i, array in enumerate(arrays):
        array[:] = np.arange(count) % 100 + 1000 * i
    context = np.zeros(STREAM_SLOTS, dtype=np.int64)
    context[:] = (*(a.ctypes.data for a in arrays), lengths, step_blocks * UNROLL * width, laps, 0, 3)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address(stream.function))(context.ctypes.data, passes)
    return [a.copy() for a in arrays], int(context[6])


@pytest.mark.parametrize("width", [8, 16, 32, 64])
def test_what_the_streams_leave_in_memory(width):
    target = Target.host()
    if width > widest_vector_bytes(target):
        width = widest_vector_bytes(target)
    first = np.arange(3 * UNROLL * width // 4) % 100
    a, b, c = run("read", width, 3, 2)[0]
    assert (a == first).all()
    assert (b == first + 1000).all()
    (a, _, _), at = run("write", width, 3, 1)
    assert (a.view(np.float64) == 2.0).all() if width == 8 else (a == 2.0).all()
    assert at == 0
    a, b, c = run("copy", width, 3, 1)[0]
    assert (b == first).all()
    assert (c == first + 2000).all()
    if width > 8:
        a, b, c = run("triad", width, 3, 1)[0]
        assert (c == first + 2 * (first + 1000)).all()
    if has_nontemporal(target) and width > 8:
        assert (run("nt-write", width, 3, 1)[0][0] == 2.0).all()


@pytest.mark.parametrize("pausing", [False, True])
def test_a_walk_goes_on_where_it_ended_and_begins_again_after_a_lap(pausing):
    block = UNROLL * 16 // 4
    (a, _, _), at = run("write", 16, 2, 1, step_blocks=2, laps=4, pausing=pausing)
    assert at == 1
    assert (a[: 2 * block] == 2.0).all()
    assert a[2 * block] == (2 * block) % 100
    (a, _, _), at = run("write", 16, 2, 5, step_blocks=2, laps=4, pausing=pausing)
    assert at == 1
    assert (a == 2.0).all()


def test_bytes_are_counted_as_stream_counts_them():
    counted = {s.name: block_bytes(s, 64) // (UNROLL * 64) for s in STREAMS}
    assert counted == {"read": 1, "write": 1, "copy": 2, "triad": 3, "nt-write": 1}
