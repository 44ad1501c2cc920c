"""Keep threads that wait in machine code for their part of a product: no Python, no lock and no system call while they are needed often.

The calling thread does part 0 and starts the others by raising a generation number; they spin on it for about a millisecond, then sleep,
50 microseconds at first and twice as long each time, up to some milliseconds. Each part is a function `part(arguments, state)` of the
product's module, with a state record a thread. A crew lives as long as its process, and ends before its code is freed; its threads are
pinned, one a CPU, the calling thread excepted.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import sys
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..configs.errors import NotPossibleError
from .abi import Slot
from .emit.jit import compile_ir
from .emit.target import Target, host_arch
from .emit.writer import Writer
from .measure.affinity import pin

# The control block: one line of cache each. USLEEP is the address of a function.
_GENERATION, _DONE, _WORK, _STOP, _USLEEP = 0, 8, 16, 24, 32
_RECORD = 2  # slots of a product's record before its states: control block, address of `part`
_SPINS = 20_000
_NAP_US, _LONGEST_NAP_US = 50, 3200
_LONGEST_S = 2.0  # a thread that does not get a CPU for so long at the end is left behind


def crew_ir(arch: str) -> str:
    """`crew(ptr arguments)`: run all parts; `member(ptr control, i64 index)`: what each thread does for ever."""
    return _crew_ir(arch) + _member_ir(arch) + _relax_declaration(arch)


def _relax(w: Writer, arch: str) -> None:
    """Tell the core that this is a spin loop."""
    if arch == "x86_64":
        w.line("call void @llvm.x86.sse2.pause()")
    elif arch == "aarch64":
        w.line("call void @llvm.aarch64.hint(i32 1)")


def _relax_declaration(arch: str) -> str:
    return {"x86_64": "declare void @llvm.x86.sse2.pause()\n", "aarch64": "declare void @llvm.aarch64.hint(i32)\n"}.get(arch, "")


def _crew_ir(arch: str) -> str:
    w = Writer("crew", (("ptr", "s"),), internal=False)
    record = w.slot("%s", Slot.STATE, "ptr")
    control, part = w.slot(record, 0, "ptr"), w.slot(record, 1, "ptr")
    count = w.slot(record, _RECORD)
    w.store("i64", "0", w.at(control, _DONE), 8)
    w.store("ptr", "%s", w.at(control, _WORK), 8)
    w.line(f"{w.name('was')} = atomicrmw add ptr {w.at(control, _GENERATION)}, i64 1 seq_cst")
    w.line(f"call void {part}(ptr %s, ptr {w.slot(record, _RECORD + 1, 'ptr')})")
    others = w.sub(count, 1)
    w.line("br label %wait")
    w.block("wait")
    _relax(w, arch)
    done = w.let(f"load atomic i64, ptr {w.at(control, _DONE)} acquire, align 8")
    w.line(f"br i1 {w.compare('eq', done, others)}, label %end, label %wait")
    w.block("end")
    return w.text()


def _member_ir(arch: str) -> str:
    w = Writer("member", (("ptr", "control"), ("i64", "index")), internal=False)
    seen, spins, nap = w.variable("i64"), w.variable("i64"), w.variable("i32")
    w.store("i64", "0", seen, 8)
    w.line("br label %begin")
    w.block("begin")
    w.store("i64", "0", spins, 8)
    w.store("i32", str(_NAP_US), nap, 4)
    w.line("br label %wait")
    w.block("wait")
    _relax(w, arch)
    stop = w.let(f"load atomic i64, ptr {w.at('%control', _STOP)} monotonic, align 8")
    w.line(f"br i1 {w.compare('ne', stop, 0)}, label %end, label %look")
    w.block("look")
    now = w.let(f"load atomic i64, ptr {w.at('%control', _GENERATION)} acquire, align 8")
    w.line(f"br i1 {w.compare('ne', now, w.load('i64', seen, 8))}, label %work, label %spin")
    w.block("spin")
    turned = w.add(w.load("i64", spins, 8), 1)
    w.store("i64", turned, spins, 8)
    w.line(f"br i1 {w.compare('slt', turned, _SPINS)}, label %wait, label %nap")
    w.block("nap")
    now_us = w.load("i32", nap, 4)
    w.let(f"call i32 {w.load('ptr', w.at('%control', _USLEEP), 8)}(i32 {now_us})")
    longer = w.op("shl", now_us, 1, "i32")
    w.store("i32", w.select(w.compare("slt", longer, _LONGEST_NAP_US, "i32"), longer, _LONGEST_NAP_US, "i32"), nap, 4)
    w.line("br label %wait")
    w.block("work")
    w.store("i64", now, seen, 8)
    arguments = w.load("ptr", w.at("%control", _WORK), 8)
    record = w.slot(arguments, Slot.STATE, "ptr")
    part = w.slot(record, 1, "ptr")
    state = w.load("ptr", w.at(record, w.add("%index", _RECORD + 1)), 8)
    w.line(f"call void {part}(ptr {arguments}, ptr {state})")
    w.line(f"{w.name('was')} = atomicrmw add ptr {w.at('%control', _DONE)}, i64 1 seq_cst")
    w.line("br label %begin")
    w.block("end")
    return w.text()


class Crew:
    """`count` threads, the caller's included. `address` is `void crew(int64_t *arguments)`."""

    def __init__(self, count: int, cpus: Sequence[int]) -> None:
        if sys.platform == "win32":
            raise NotPossibleError("several threads of the generated kernel need a POSIX system")
        self._code = compile_ir(crew_ir(host_arch()), Target.host())
        self.address = self._code.address("crew")
        self._count = count
        self._control = np.zeros(128, dtype=np.int64)
        start = -(self._control.ctypes.data // 8) % 8  # on a line of its own
        self._place: NDArray[np.int64] = self._control[start : start + 64]
        libc = ctypes.CDLL(None)
        self._place[_USLEEP] = ctypes.cast(libc.usleep, ctypes.c_void_p).value or 0
        member = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(self._code.address("member"))
        control = self._place.ctypes.data
        places = [cpu for cpu in cpus if cpu != cpus[-1]] or list(cpus)

        def work(index: int) -> None:
            pin(places[(index - 1) % len(places)])
            member(control, index)

        self._keep: list[Any] = [member]
        self._threads = [threading.Thread(target=work, args=(index,), daemon=True) for index in range(1, count)]
        for thread in self._threads:
            thread.start()
        atexit.register(self.stop)

    def stop(self) -> None:
        """End the threads. The interpreter frees machine code on its way out, and a thread that naps in it would wake in nothing."""
        self._place[_STOP] = 1
        for thread in self._threads:
            thread.join(_LONGEST_S)

    def record(self, part: int, states: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """What slot STATE points to for one product: control block, `part`, number of parts, a state a part."""
        addresses = [state.ctypes.data for state in states]
        return np.array([self._place.ctypes.data, part, len(states), *addresses], dtype=np.int64)


@functools.cache
def crew_of(count: int, cpus: tuple[int, ...]) -> Crew:
    """The crew of this process with so many threads."""
    return Crew(count, cpus)
