"""`naive` and `blocked`, the two kernels that are read as Python, and the crew of threads: through the gate, for every data type."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mmbench.configs.cases import Case
from mmbench.configs.dtypes import MIXES
from mmbench.kernels.abi import Slot
from mmbench.kernels.battery import prove
from mmbench.kernels.blocked import loop_sizes
from mmbench.kernels.blocks import block_sizes
from mmbench.kernels.crew import crew_of
from mmbench.kernels.emit.jit import compile_ir
from mmbench.kernels.host import CacheSize, Host
from mmbench.kernels.operands import Operands
from mmbench.kernels.registry import OWN, own_kernels
from mmbench.kernels.verify import verify

HOST = Host.of(None, (0, 1))
TINY = Host((CacheSize("L1d", 4096, 4, 64, 1, False), CacheSize("L2", 16384, 8, 64, 1, False)), (0,))


def layout_of(dtype: str) -> str:
    return "nt" if MIXES[dtype].packed else "tn"


def test_the_names_of_the_kernels_are_fixed() -> None:
    assert set(OWN) <= set(own_kernels())
    assert all(kernel.title and kernel.source and kernel.version for kernel in own_kernels().values())


@pytest.mark.parametrize("dtype", list(MIXES))
@pytest.mark.parametrize("name", ["naive", "blocked"])
def test_every_data_type_passes_the_gate(name: str, dtype: str) -> None:
    kernel = own_kernels()[name]
    case = Case(20, 20, 20, dtype=dtype, layout=layout_of(dtype))
    check = prove(lambda small: kernel.prepare(small, HOST), case)
    assert check.passed, f"{check.failed} {check.where} {check.cause}"


@pytest.mark.parametrize("name", ["naive", "blocked"])
def test_epilogues_and_batches_pass_the_gate(name: str) -> None:
    kernel = own_kernels()[name]
    for dtype, steps in (("f32", "bias+gelu+residual"), ("s8", "bias+relu+residual"), ("bf16bf16", "bias+silu")):
        for batch, kind in ((1, "strided"), (3, "pointers")):
            case = Case(20, 20, 20, dtype=dtype, epilogue=steps, batch=batch, batch_kind=kind)
            check = prove(lambda small: kernel.prepare(small, HOST), case)
            assert check.passed, f"{case.name}: {check.failed} {check.where} {check.cause}"


def test_naive_runs_on_one_thread_and_says_so() -> None:
    assert "one thread" in own_kernels()["naive"].serves(Case(8, 8, 8, threads=2))


@pytest.mark.parametrize("case", [Case(70, 90, 50), Case(3, 200, 33, layout="nt"), Case(65, 17, 300, layout="tt", dtype="s8")])
def test_blocks_smaller_than_the_problem_give_the_same(case: Case) -> None:
    kernel = own_kernels()["blocked"]
    sizes = loop_sizes(case, TINY)
    assert sizes.kc < 64
    for threads in (1, 2):
        wanted = replace(case, threads=threads)
        host = replace(TINY, cpus=(0, 1))
        check = verify(kernel.prepare(wanted, host), Operands(wanted, "integers", seed=2))
        assert check.passed, f"{check.failed} {check.where} {check.cause}"


def test_vectorized_is_right_with_blocks_for_tiny_caches() -> None:
    kernel = own_kernels()["vectorized"]
    blocks = block_sizes(TINY, 6, 16, 4)
    assert blocks.mc % 6 == 0
    assert blocks.nc % 16 == 0
    for dtype in ("f32", "bf16bf16", "s8"):
        case = Case(300, 200, 400, dtype=dtype)
        check = verify(kernel.prepare(case, TINY), Operands(case, "integers", seed=2))
        assert check.passed, f"{check.failed} {check.where} {check.cause}"


def part_ir() -> str:
    """A part that adds its own state to a cell of its own: `part(arguments, state)`."""
    return (
        "define void @part(ptr %arguments, ptr %state) {\n"
        "  %place = load ptr, ptr %state\n  %own = getelementptr i64, ptr %state, i64 1\n  %value = load i64, ptr %own\n"
        "  %old = load i64, ptr %place\n  %new = add i64 %old, %value\n  store i64 %new, ptr %place\n  ret void\n}\n"
    )


@pytest.mark.parametrize("count", [2, 3])
def test_a_crew_runs_every_part_once_a_call(count: int) -> None:
    code = compile_ir(part_ir())
    crew = crew_of(count, (0, 1))
    cells = np.zeros(count, dtype=np.int64)
    states = [np.array([cells[i:].ctypes.data, i + 1], dtype=np.int64) for i in range(count)]
    record = crew.record(code.address("part"), states)
    block = np.zeros(64, dtype=np.int64)
    block[Slot.STATE] = record.ctypes.data
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(crew.address)
    for _ in range(200):
        call(block.ctypes.data)
    time.sleep(0.02)  # the others sleep by now
    call(block.ctypes.data)
    assert cells.tolist() == [201 * (i + 1) for i in range(count)]
    assert threading.active_count() >= count


def test_a_crew_does_not_keep_its_process_alive() -> None:
    code = (
        "from mmbench.kernels.host import Host; from mmbench.kernels.registry import own_kernel\n"
        "from mmbench.configs.cases import Case; from mmbench.kernels.operands import Operands; from mmbench.kernels.verify import verify\n"
        "case = Case(64, 64, 64, threads=2); kernel = own_kernel('vectorized')\n"
        "assert verify(kernel.prepare(case, Host.of(None, (0, 1))), Operands(case)).passed\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_second_process_takes_compiled_loops_from_the_cache_without_numba(tmp_path: Path) -> None:
    code = (
        "import sys; from mmbench.kernels.host import Host; from mmbench.kernels.registry import own_kernel\n"
        "from mmbench.configs.cases import Case\n"
        "for name in ('naive', 'blocked'): own_kernel(name).prepare(Case(16, 16, 16), Host.of(None, (0,)))\n"
        "print('numba' in sys.modules)\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "MMBENCH_CACHE": str(tmp_path / "mmbench")}
    said = [
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment).stdout.strip()
        for _ in range(2)
    ]
    assert said == ["True", "False"]


def test_a_crew_ends_before_the_code_that_it_naps_in_is_freed() -> None:
    text = (
        "from mmbench.configs.cases import Case\n"
        "from mmbench.kernels.crew import crew_of\n"
        "from mmbench.kernels.host import Host\n"
        "from mmbench.kernels.operands import Operands\n"
        "from mmbench.kernels.registry import own_kernel\n"
        "from mmbench.kernels.verify import verify\n"
        "host, case = Host.of(None, (0, 1)), Case(64, 64, 64, threads=2)\n"
        "prepared = own_kernel('vectorized').prepare(case, host)\n"
        "assert verify(prepared, Operands(case, 'integers', seed=1)).passed\n"
        "crew = crew_of(2, host.cpus)\n"
        "crew.stop()\n"
        "print(any(thread.is_alive() for thread in crew._threads))\n"
    )
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr


@pytest.mark.parametrize("name", ["naive", "blocked", "compiled"])
def test_compiled_loops_take_slots_as_numbers(name: str) -> None:
    # numba learned to index by an enumeration in 0.68; the least version that is declared is older
    text = (Path(__file__).parents[2] / "kernels" / f"{name}.py").read_text(encoding="utf-8")
    assert re.findall(r"\[Slot\.\w+\]", text) == []
