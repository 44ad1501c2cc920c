"""Ask one question of a kernel, and keep its answer: Case, Variant, Samples, Check and Measurement.

A Case is the question and nothing else: two kernels that answer the same Case may be compared. A Measurement is one row of a run file.

The question is C = epilogue(alpha · A·B + beta · C), once for each of `batch` problems; A is m × k, B is k × n, C is m × n, row-major.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from enum import StrEnum

from .dtypes import ELEMENTS, MIXES, Mix, group_count, packed_bytes
from .facts import Scalar

LAYOUTS = ("nn", "nt", "tn", "tt")  # how A and B are stored: n as [rows][columns], t the other way round
BATCHES = ("strided", "pointers", "same-a", "same-b")  # how the problems of a batch lie; same-a: one A for all (its stride is 0)
STEPS = ("bias", "relu", "gelu", "silu", "residual")  # epilogue steps, joined by + in this order
TEMPERATURES = ("hot", "cold")


@dataclass(frozen=True, slots=True)
class Case:
    """One question. Leading dimensions are in elements; 0 means tight (no gap between rows).

    `epilogue` is empty or words of `STEPS` joined by +: bias[n] is added to each row, then the activation, then residual[m][n].
    gelu is x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))), silu is x / (1 + exp(-x)); both in the accumulator's type. `cold`: no operand
    is in a cache when a call begins.
    """

    m: int
    n: int
    k: int
    dtype: str = "f32"  # a name of dtypes.MIXES
    layout: str = "nn"
    batch: int = 1
    batch_kind: str = "strided"
    lda: int = 0
    ldb: int = 0
    ldc: int = 0
    alpha: float = 1.0
    beta: float = 0.0
    epilogue: str = ""
    threads: int = 1
    temperature: str = "hot"
    op: str = "gemm"

    @property
    def mix(self) -> Mix:
        """The row of the data type."""
        return MIXES[self.dtype]

    @property
    def steps(self) -> tuple[str, ...]:
        """The epilogue's steps, in order."""
        return tuple(filter(None, self.epilogue.split("+")))

    @property
    def shape(self) -> str:
        """`128x768x768`, and what is unusual of it: `12*128x128x64:nt`."""
        text = f"{self.m}x{self.n}x{self.k}"
        if self.batch > 1:
            text = f"{self.batch}*{text}" + (f"/{self.batch_kind}" if self.batch_kind != "strided" else "")
        if self.layout != "nn":
            text += f":{self.layout}"
        gaps = ",".join(f"{name}={value}" for name, value in (("lda", self.lda), ("ldb", self.ldb), ("ldc", self.ldc)) if value)
        return f"{text}[{gaps}]" if gaps else text

    @property
    def name(self) -> str:
        """The whole question in one word, the same for the same question: `f32 128x768x768 +bias t1 hot`."""
        words = [self.dtype, self.shape]
        if (self.alpha, self.beta) != (1.0, 0.0):
            words.append(f"a={self.alpha:g},b={self.beta:g}")
        if self.epilogue:
            words.append(f"+{self.epilogue}")
        return " ".join([*words, f"t{self.threads}", self.temperature])

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits of the question, for file names and joins."""
        text = "|".join(f"{f.name}={getattr(self, f.name)}" for f in fields(self))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def operations(self) -> int:
        """Arithmetic operations: 2·m·n·k a problem. The epilogue is not counted."""
        return 2 * self.m * self.n * self.k * self.batch

    @property
    def rows_a(self) -> tuple[int, int]:
        """A as stored: (rows, elements a row without the gap)."""
        return (self.m, self.k) if self.layout[0] == "n" else (self.k, self.m)

    @property
    def rows_b(self) -> tuple[int, int]:
        """B as stored: (rows, elements a row without the gap)."""
        return (self.k, self.n) if self.layout[1] == "n" else (self.n, self.k)

    @property
    def stride_a(self) -> int:
        """Leading dimension of A, in elements; rows of 4-bit elements fill whole bytes."""
        return self.lda or self.rows_a[1] + (self.rows_a[1] % 2 if ELEMENTS[self.mix.a].bits < 8 else 0)

    @property
    def stride_b(self) -> int:
        """Leading dimension of B, in elements; rows of 4-bit elements fill whole bytes."""
        return self.ldb or self.rows_b[1] + (self.rows_b[1] % 2 if ELEMENTS[self.mix.b].bits < 8 else 0)

    @property
    def stride_c(self) -> int:
        """Leading dimension of C, in elements."""
        return self.ldc or self.n

    def traffic_bytes(self) -> int:
        """The least that must move: each operand, scale, bias and residual read once, C written once (and read where beta ≠ 0)."""
        mix = self.mix
        a = self.m * packed_bytes(self.k, ELEMENTS[mix.a].bits) + scale_bytes(self.m, self.k, mix.group_a, mix.scale_a)
        b = self.n * packed_bytes(self.k, ELEMENTS[mix.b].bits) + scale_bytes(self.n, self.k, mix.group_b, mix.scale_b)
        width_c = ELEMENTS[mix.c].bits // 8
        c = self.m * self.n * width_c * (2 if self.beta else 1)
        extra = (self.n * width_c if "bias" in self.steps else 0) + (self.m * self.n * width_c if "residual" in self.steps else 0)
        copies_a = 1 if self.batch_kind == "same-a" else self.batch
        copies_b = 1 if self.batch_kind == "same-b" else self.batch
        return a * copies_a + b * copies_b + (c + extra) * self.batch


def scale_bytes(rows: int, k: int, group: int, scale: str) -> int:
    """Bytes of the scales of an operand of `rows` rows; 0 where it has none."""
    return rows * group_count(k, group) * ELEMENTS[scale].bits // 8 if scale else 0


@dataclass(frozen=True, slots=True)
class Variant:
    """Who answers: a kernel at a version, the instruction set that it uses, and its parameters (tile, blocks, library, core…)."""

    kernel: str
    version: str
    isa: str = ""
    params: dict[str, Scalar] = field(default_factory=dict)


class Status(StrEnum):
    """How a question was answered."""

    OK = "ok"
    NOISY = "noisy"  # right and timed, but not to the precision that was asked for
    SKIPPED = "skipped"  # it does not serve this case; `reason` says why
    WRONG = "wrong"
    CRASHED = "crashed"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Samples:
    """Raw times. `time_s[i]` is that of `calls[i]` calls; `clock_hz[i]` the core's clock around it; `at_s[i]` when, since the run began.

    `dirty[i]` names what disturbed the sample (words of `measure.contamination`); it is empty when nothing disturbed any. `timed_by` is
    `machine` for the emitted stopwatch and `python` for what can only be called from there (then clocks are 0: unknown).
    """

    calls: tuple[int, ...] = ()
    time_s: tuple[float, ...] = ()
    clock_hz: tuple[float, ...] = ()
    at_s: tuple[float, ...] = ()
    dirty: tuple[str, ...] = ()
    timed_by: str = "machine"


@dataclass(frozen=True, slots=True)
class Check:
    """What the correctness gate found. `error` and `bound` are the largest error and what it may be, in units of `unit`.

    `steps` are the parts that passed, in order. On failure `failed` names the part, `where` the first element that differs (row, column
    and problem), `cause` the likely reason in words. `bitwise`: two runs gave the same bits ("yes", "no", "" not tried);
    `threads_bitwise`: one thread and the case's several did ("" with one thread, or where the kernel does not run on one).
    """

    passed: bool
    error: float = 0.0
    bound: float = 0.0
    unit: str = ""
    oracle: str = ""
    steps: tuple[str, ...] = ()
    failed: str = ""
    where: str = ""
    cause: str = ""
    bitwise: str = ""
    threads_bitwise: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row: a question, who answered, how it went, and the raw samples.

    `origin` says where the shape comes from ("BERT-base ffn up"). `time_s` with `low_s` and `high_s` is the time of one call. `reason`
    is empty for a row that is OK. `roof` is the share of the measured roof as it stood when the row was written; readers derive it again
    from the machine file.
    """

    case: Case
    variant: Variant
    status: Status
    origin: str = ""
    reason: str = ""
    samples: Samples = Samples()
    check: Check | None = None
    first_call_s: float | None = None
    code_sha: str = ""
    warnings: tuple[str, ...] = ()
