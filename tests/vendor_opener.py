"""Open a vendor's library in a worker for a test, start it again where it dies, and say what is known to be wrong with it.

Results that are wrong on a chip are findings, not faults of the tests: `FINDINGS` lists them with what is known of them, so that a test
fails on anything else. What an adapter passes wrongly would show in single and double precision on every chip.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from mmbench.configs.cases import Case, Status
from mmbench.configs.codec import decode, encode
from mmbench.configs.kernel_names import library_of
from mmbench.configs.plan import Entrant, Opened
from mmbench.kernels.host import Host
from mmbench.kernels.measure.worker import Worker, WorkerError

HOST = Host.of(None, tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else (0,))
SESSION = "mmbench.kernels.session"


@dataclass(frozen=True)
class Finding:
    """A product that a library gets wrong: on which core and in which version it was seen, and a part of what the gate says of it."""

    library: str
    dtype: str
    says: tuple[str, ...]
    layout: str = ""  # its last letters; "" for any
    core: str = ""  # a part of what the library says that it runs; "" for any
    version: str = ""  # its beginning

    def fits(self, info: Opened, case: Case) -> bool:
        """Whether this is that library, there, on such a product."""
        return (
            library_of(info.kernel) == self.library
            and case.dtype == self.dtype
            and case.layout.endswith(self.layout)
            and self.core in info.core
            and info.version.startswith(self.version)
        )


SIGSEGV = "a bad memory access"
FINDINGS = (
    Finding("onednn-gemm", "bf16", ("alpha 0, beta 0",)),  # 3.13.2: C is read although beta is 0
    Finding("mkl", "f16f16", ("instead of",)),  # 2026.2, libmkl_def: rounds sums toward zero
    Finding("aocl", "s8", ("rows with gaps",), layout="t"),  # 5.3.0: reads behind the last row of a transposed B
    # 5.3.0: 32-bit sums are rounded to single precision on their way out; where k is so small that none is beyond 2^24, nothing is lost.
    Finding("aocl", "s8", ("single precision",)),
    Finding("aocl", "u8s8", ("single precision",)),
    # Seen without mmbench, too: a call through ctypes with operands that end at an unmapped page traps (nn and tn; 6x50x130, 33x47x65).
    Finding("blis", "f32", (SIGSEGV,), core="haswell", version="0.9.0"),
    # Likewise: of a C filled with NaN the last columns stay NaN although beta is 0 (both operands transposed, 23x29x37).
    Finding("blis", "f64", ("nan instead of",), layout="tt", core="haswell", version="0.7.0"),
    # 3.13.2 with AMX where k is no multiple of 64: k = 65 and n of 40, 47 or 48, k = 200 and n = 64, other numbers in every run; right with
    # k of 64, 128, 256, and without AMX (ONEDNN_MAX_CPU_ISA).
    Finding("onednn", "s8", ("instead of",), core="amx", version="3.13"),
    Finding("onednn", "u8s8", ("instead of",), core="amx", version="3.13"),
    # Weight × scale is rounded to bf16 before it is multiplied, where the chip has products of bf16.
    Finding("onednn", "int4bf16", ("rounded to bf16",), core="avx512_core_"),
)


class Opener:
    """A library in a worker, which is started again where it died."""

    def __init__(self, entrant: Entrant, worker: Worker) -> None:
        self.entrant, self.worker = entrant, worker
        self.info = self.open()

    def open(self) -> Opened:
        """Load it; what it says of itself."""
        arguments = {"entrant": encode(self.entrant), "host": encode(HOST)}
        return decode(Opened, self.worker.call(f"{SESSION}:open_kernel", arguments, 60))

    def ask(self, case: Case) -> dict[str, Any]:
        """The answer of `prepare_case`; a status of `crashed` where the process died, with what it was at."""
        steps = [""]
        if not self.worker.alive:
            self.open()
        try:
            arguments = {"case": encode(case), "thorough": False, "seed": 1}
            answer: dict[str, Any] = self.worker.call(f"{SESSION}:prepare_case", arguments, 60, lambda _share, step: steps.append(step))
        except WorkerError as error:
            return {"status": Status.CRASHED.value, "reason": f"{steps[-1]}: {error.message}"}
        return answer

    def known(self, case: Case, answer: dict[str, Any]) -> bool:
        """Whether the answer is a failure that is in `FINDINGS`."""
        if answer["status"] not in (Status.WRONG.value, Status.CRASHED.value):
            return False
        return any(f.fits(self.info, case) and any(words in answer["reason"] for words in f.says) for f in FINDINGS)

    def right(self, case: Case) -> dict[str, Any] | None:
        """The answer, which has to be right; None where it is a known failure."""
        answer = self.ask(case)
        if self.known(case, answer):
            return None
        assert answer["status"] == Status.OK.value, f"{self.entrant.kernel}, {case.name}: {answer['status']}: {answer['reason']}"
        return answer
