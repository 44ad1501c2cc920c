"""Run emitted code of other chips: objects by LLVM, linked with a small C main by a cross compiler, run by qemu's user mode.

The main takes calls from its standard input: the number of a function, `n`, and an image of the memory that the function sees, context
first, with the places in it where an address of this memory or of a function belongs. It gives the address where the image lay and
the image as the function left it. All four architectures here are of 64 bits and little-endian, so images are the same for all.
"""

from __future__ import annotations

import functools
import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmbench.kernels.emit.jit import _module
from mmbench.kernels.emit.target import Target
from numpy.typing import NDArray

_MAIN = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef void function(void *, int64_t);
%(declarations)s
static function *const functions[] = {%(names)s};
static void take(void *to, size_t size) { if (size && fread(to, size, 1, stdin) != 1) exit(3); }
int main(void) {
  int64_t call[4];  /* number of the function, n, bytes of the image, places with addresses */
  while (fread(call, sizeof call, 1, stdin) == 1) {
    char *image = aligned_alloc(4096, call[2]);
    int64_t (*place)[3] = malloc(24 * call[3] + 1);  /* where, 1 for a function's, which */
    take(place, 24 * call[3]);
    take(image, call[2]);
    for (int64_t i = 0; i < call[3]; i++) {
      int64_t address = place[i][1] ? (int64_t)functions[place[i][2]] : (int64_t)image + place[i][2];
      memcpy(image + place[i][0], &address, 8);
    }
    functions[call[0]](image, call[1]);
    int64_t at = (int64_t)image;
    fwrite(&at, 8, 1, stdout);
    fwrite(image, call[2], 1, stdout);
    free(place);
    free(image);
  }
  return 0;
}
"""
_PAGE = 4096
_PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class Foreign:
    """An architecture that is emulated: what to emit for, with what to link and to run it, and the processors to run it on."""

    target: Target
    qemu: str
    compiler: str
    cpus: tuple[str, ...]
    option: str = ""  # for the processor; emulators that do not know it yet have what it switches on anyway

    def missing(self) -> str:
        """Which tool this machine lacks; empty for none."""
        return next((tool for tool in (self.qemu, self.compiler) if shutil.which(tool) is None), "")


# The plainest target of each, so that a unit's own features must be enough. Vector lengths of 128 bits and more, as bytes (Arm) or bits.
FOREIGN = {
    "aarch64": Foreign(
        Target("generic", "aarch64-unknown-linux-gnu", "generic"),
        "qemu-aarch64",
        "aarch64-linux-gnu-gcc",
        tuple(f"max,sve-default-vector-length={n},sme-default-vector-length={n}" for n in (16, 32, 64)),
    ),
    "riscv64": Foreign(
        Target.named("generic-rv64"),
        "qemu-riscv64",
        "riscv64-linux-gnu-gcc",
        tuple(f"rv64,v=true,vlen={n}" for n in (128, 256)),
        ",zvfh=true",
    ),
    "ppc64le": Foreign(Target.named("pwr10"), "qemu-ppc64le", "powerpc64le-linux-gnu-gcc", ("power10",)),
}


@dataclass(frozen=True, slots=True)
class Links:
    """An array of 64-bit words, each the address of the word with this number in the same array."""

    words: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Here:
    """The address of another slot of the context."""

    slot: int


Slot = int | str | NDArray[Any] | Links | Here


@dataclass(frozen=True, slots=True)
class Call:
    """One call of `function(context, n)`. A slot of the context is a number, a function's name, the address of a copy of an array, or that
    of another slot."""

    function: str
    slots: Sequence[Slot]
    n: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call left: its slots as they are, and for each array its address and its content."""

    slots: NDArray[np.int64]
    addresses: dict[int, int]
    arrays: dict[int, NDArray[Any]]


class Trapped(Exception):
    """The emulated program ended by a signal."""

    def __init__(self, signal_name: str, words: str) -> None:
        super().__init__(f"{signal_name}: {words}")
        self.signal_name = signal_name


@dataclass
class _Image:
    """The bytes of one call, and the places in them that take an address."""

    names: tuple[str, ...]
    data: bytearray = field(default_factory=bytearray)
    places: list[tuple[int, int, int]] = field(default_factory=list)
    at: dict[int, tuple[int, NDArray[Any]]] = field(default_factory=dict)

    def lay(self, slots: Sequence[Slot]) -> None:
        self.data += bytes(8 * len(slots))
        for number, slot in enumerate(slots):
            if isinstance(slot, int):
                struct.pack_into("<q", self.data, 8 * number, slot)
            elif isinstance(slot, str):
                self.places.append((8 * number, 1, self.names.index(slot)))
            elif isinstance(slot, Here):
                self.places.append((8 * number, 0, 8 * slot.slot))
            else:
                self._array(number, slot)
        self.data += bytes(-len(self.data) % _PAGE)

    def _array(self, number: int, slot: NDArray[Any] | Links) -> None:
        values = slot.words if isinstance(slot, Links) else slot
        self.data += bytes(-len(self.data) % 256)
        start = len(self.data)
        self.at[number] = (start, values)
        self.places.append((8 * number, 0, start))
        if isinstance(slot, Links):
            self.places += [(start + 8 * i, 0, start + 8 * int(word)) for i, word in enumerate(values)]
        self.data += values.tobytes()

    def answer(self, base: int, left: bytes) -> Answer:
        count = min((start for start, _ in self.at.values()), default=len(left)) // 8
        return Answer(
            np.frombuffer(left, dtype=np.int64, count=count),
            {number: base + start for number, (start, _) in self.at.items()},
            {number: np.frombuffer(left, values.dtype, values.size, start) for number, (start, values) in self.at.items()},
        )


@dataclass(frozen=True, slots=True)
class Program:
    """An executable for an emulated architecture, and the functions it has."""

    foreign: Foreign
    path: Path
    names: tuple[str, ...]

    def run(self, calls: Sequence[Call], cpu: str = "") -> list[Answer]:
        """Make the calls one after another in one process; `Trapped` when it dies by a signal."""
        images, sent = [], bytearray()
        for call in calls:
            image = _Image(self.names)
            image.lay(call.slots)
            images.append(image)
            sent += struct.pack("<4q", self.names.index(call.function), call.n, len(image.data), len(image.places))
            sent += b"".join(struct.pack("<3q", *place) for place in image.places) + image.data
        command = [self.foreign.qemu, "-cpu", (cpu or self.foreign.cpus[0]) + _known_option(self), str(self.path)]
        ended = subprocess.run(command, input=bytes(sent), capture_output=True, timeout=_PATIENCE_S, check=False)
        words = ended.stderr.decode(errors="replace").strip()
        if ended.returncode < 0 or ended.returncode > 128:
            raise Trapped(signal.Signals(abs(ended.returncode) % 128).name, words)
        assert ended.returncode == 0, f"{' '.join(command)}: {ended.returncode} {words}"
        answers, at = [], 0
        for image in images:
            (base,) = struct.unpack_from("<q", ended.stdout, at)
            at += 8 + len(image.data)
            answers.append(image.answer(base, ended.stdout[at - len(image.data) : at]))
        return answers


_OPTIONS: dict[str, str] = {}


def _known_option(tried: Program) -> str:
    """The option of the processor, where this emulator knows it; found once by running a program without calls."""
    foreign = tried.foreign
    if foreign.qemu not in _OPTIONS:
        command = [foreign.qemu, "-cpu", foreign.cpus[0] + foreign.option, str(tried.path)]
        ended = subprocess.run(command, input=b"", capture_output=True, timeout=_PATIENCE_S, check=False)
        _OPTIONS[foreign.qemu] = foreign.option if ended.returncode == 0 else ""
    return _OPTIONS[foreign.qemu]


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="mmbench-emulated-")


@functools.cache
def program(arch: str, text: str, target: Target | None = None) -> Program:
    """The module `text`, compiled for an architecture's plainest target or the given one, and linked. Skips where a tool is missing."""
    foreign = FOREIGN[arch]
    target = target or foreign.target
    if missing := foreign.missing():
        pytest.skip(f"needs {missing}")
    machine = target.machine()
    module = _module(text, target, machine)
    names = tuple(f.name for f in module.functions if not f.is_declaration and f.linkage.name == "external")
    folder = Path(tempfile.mkdtemp(dir=_scratch().name))
    (folder / "code.o").write_bytes(machine.emit_object(module))
    declarations = "\n".join(f"function {name};" for name in names)
    (folder / "main.c").write_text(_MAIN % {"declarations": declarations, "names": ", ".join(names)}, encoding="ascii")
    command = [foreign.compiler, "-O1", "-static", "-o", "run", "main.c", "code.o"]
    linked = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert linked.returncode == 0, linked.stderr
    return Program(foreign, folder / "run", names)
