"""Lay out the operands of one case in memory: filled, guarded, and described by an argument block.

Two ways. For checking, every operand ends (or begins) at a page that traps, and the last row ends with its last element, so that a kernel
which reads a whole vector there is caught. For timing, memory is aligned, huge pages are asked for, and the operands begin at different
places within a page (A at 0, B at 1408, C at 2752 bytes, and so on), because loads and stores at equal distances modulo 4 KiB hold each
other up. In both, gaps between rows hold canaries, C starts poisoned (NaN) or, where beta is not zero, with values.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..configs.cases import Case
from ..configs.dtypes import ELEMENTS, group_count, packed_bytes
from . import fills
from .abi import SLOT_COUNT, Slot, double_bits
from .guards import CANARY, Guarded, digest
from .measure.memory import Buffer

Array = NDArray[Any]
_PLACES = {"a": 0, "b": 1408, "c": 2752, "bias": 704, "residual": 3456, "scale_a": 2048, "scale_b": 512}  # multiples of 64
_PAGE = 4096


@dataclass(slots=True)
class _Operand:
    """One operand: its memory, and its problems as an array (problems, rows, stored columns) that leaves out the gaps."""

    name: str
    element: str
    view: Array
    memory: Array  # all its bytes, gaps included
    owner: Guarded | Buffer
    address: int
    order: list[int]  # where problem i lies
    step: int  # elements from one problem to the next
    gap: bool
    digest: tuple[int, int] = (0, 0)


def _bytes_of(element: str, columns: int) -> int:
    return packed_bytes(columns, ELEMENTS[element].bits)


class Operands:
    """One set of operands.

    `a`, `b`, `c`: arrays as stored, (problems, rows, columns), gaps between rows left out by their strides; 4-bit elements as bytes of two.
    `bias`, `residual`, `scale_a`, `scale_b`: None where the case has none. Problem i of a batch is `a_of(i)`, `b_of(i)`, `c_of(i)`.
    `block` is the argument block (slots of `abi.Slot`); slots STATE and TABLE are left to `verify.bind`. `limit` bounds the integers of the
    fill `integers`. `shift` (a multiple of 64) moves all operands of a timing set by so many bytes, modulo a page. NotPossibleError where
    the memory cannot be had.
    """

    def __init__(
        self, case: Case, fill: str = "integers", *, seed: int = 0, timing: bool = False, front: bool = False, shift: int = 0
    ) -> None:
        self.case = case
        self.timing = timing
        self._front = front
        self._places = {name: (place + shift) % _PAGE for name, place in _PLACES.items()}
        mix = case.mix
        self.limit = fills.whole_limit(mix, case.k)
        scrambled = case.batch_kind == "pointers" and case.batch > 1
        order = list(range(case.batch))
        if scrambled:
            random.Random(seed).shuffle(order)
        one_a, one_b = case.batch_kind == "same-a", case.batch_kind == "same-b"
        self._operands: dict[str, _Operand] = {}
        self._add("a", mix.a, case.rows_a, case.stride_a, [0] * case.batch if one_a else order)
        self._add("b", mix.b, case.rows_b, case.stride_b, [0] * case.batch if one_b else order)
        self._add("c", mix.c, (case.m, case.n), case.stride_c, order)
        if "bias" in case.steps:
            self._add("bias", mix.c, (1, case.n), case.n, [0])
        if "residual" in case.steps:
            self._add("residual", mix.c, (case.m, case.n), case.stride_c, order)
        if mix.scale_a:
            groups = group_count(case.k, mix.group_a)
            self._add("scale_a", mix.scale_a, (case.m, groups), groups, [0])
        if mix.scale_b:
            groups = group_count(case.k, mix.group_b)
            self._add("scale_b", mix.scale_b, (case.n, groups), groups, [0])
        self._lists = [np.array([self._place(name, i) for i in range(case.batch)], dtype=np.int64) for name in "abc"]
        self.block: NDArray[np.int64] = self._block()
        self.bound: object = None  # which kernel slots STATE and TABLE are set for
        self.refill(fill, seed)

    def _add(self, name: str, element: str, shape: tuple[int, int], ld: int, order: list[int]) -> None:
        rows, columns = shape
        problems = len(set(order))
        row_bytes, used_bytes = _bytes_of(element, ld), _bytes_of(element, columns)
        step_bytes = rows * row_bytes
        size = max(0, (problems - 1) * step_bytes + max(0, rows - 1) * row_bytes + used_bytes) if rows and columns else 0
        unit = fills.storage(element)
        owner: Guarded | Buffer
        if self.timing:
            place = self._places[name]
            owner = Buffer(size + place + 128, "huge" if size >= 1 << 21 else "default")
            owner.bytes[:] = CANARY
            memory, address = owner.bytes[place : place + size], owner.address + place
        else:
            owner = Guarded(size, front=self._front)
            memory, address = owner.bytes, owner.address
        strides = (step_bytes, row_bytes, unit.itemsize)
        view: Array = np.ndarray((problems, rows, used_bytes // unit.itemsize), dtype=unit, buffer=memory, strides=strides)
        step = 0 if problems == 1 and self.case.batch > 1 else rows * ld
        gap = ld != columns and columns > 0 and problems * rows > 1
        self._operands[name] = _Operand(name, element, view, memory, owner, address, order, step, gap)

    def _place(self, name: str, problem: int) -> int:
        operand = self._operands[name]
        return operand.address + operand.order[problem] * operand.view.strides[0]

    def _block(self) -> NDArray[np.int64]:
        case, block = self.case, np.zeros(SLOT_COUNT, dtype=np.int64)
        block[Slot.M : Slot.BATCH + 1] = case.m, case.n, case.k, case.batch
        block[Slot.LDA : Slot.LDC + 1] = case.stride_a, case.stride_b, case.stride_c
        block[Slot.ALPHA], block[Slot.BETA] = double_bits(case.alpha), double_bits(case.beta)
        for index, name in enumerate("abc"):
            block[Slot.A + index] = self._place(name, 0)
            block[Slot.STEP_A + index] = self._operands[name].step
            block[Slot.LIST_A + index] = self._lists[index].ctypes.data
        for name in ("bias", "residual", "scale_a", "scale_b"):
            if name in self._operands:
                block[Slot[name.upper()]] = self._place(name, 0)
        return block

    def refill(self, fill: str, seed: int = 0) -> None:
        """New values everywhere (one of `fills.FILLS`), C back to its beginning, all watched anew."""
        self.fill, self.seed = fill, seed
        for name, operand in self._operands.items():
            if name in ("a", "b"):
                self._lay(operand, fills.pattern(operand.element, fill, seed + (name == "b"), self.limit))
            elif name.startswith("scale"):
                self._lay(operand, fills.scale_pattern(operand.element, fill, seed))
            elif name != "c":
                self._lay(operand, self._like_c(name))
            if name != "c":
                operand.digest = digest(operand.memory)
        self.reset()

    def reset(self) -> None:
        """C as it was before any product: poisoned, or filled where beta is not zero."""
        operand = self._operands["c"]
        self._lay(operand, np.full(fills.PATTERN, fills.poison(operand.element)) if self.case.beta == 0 else self._like_c("c"))

    def _like_c(self, name: str) -> Array:
        """Values for C, bias and residual; small integers for the exact fills."""
        kind = "normal" if self.fill == "normal" and not self.case.mix.integer else "integers"
        return fills.pattern(self.case.mix.c, kind, self.seed + 7 + len(name), min(self.limit, 8))

    def _lay(self, operand: _Operand, values: Array) -> None:
        if not operand.view.size:
            return
        if not operand.gap and operand.memory.nbytes == operand.view.nbytes:
            fills.lay(operand.memory.view(operand.view.dtype), values)
            return
        operand.memory[:] = CANARY
        whole = np.empty(operand.view.shape, dtype=operand.view.dtype)
        fills.lay(whole, values)
        operand.view[...] = whole

    def c_before(self) -> Array:
        """What C held before the product, (problems, rows, columns) in the order of the memory: made again, not kept."""
        whole = np.empty(self._operands["c"].view.shape, dtype=self._operands["c"].view.dtype)
        fills.lay(whole, self._like_c("c"))
        return whole

    def set_a(self, row: int, column: int, value: float) -> None:
        """Put one value (such as NaN) into row `row`, column `column` of the first problem's A."""
        stored = self.a_of(0)
        if self.case.layout[0] == "n":
            stored[row, column] = value
        else:
            stored[column, row] = value
        self._operands["a"].digest = digest(self._operands["a"].memory)

    def damage(self) -> str:
        """Empty, or what was written that must not be: an input, a gap between rows, or beside an operand."""
        for name, operand in self._operands.items():
            title = name.upper() if len(name) == 1 else name.replace("_", " ")
            if isinstance(operand.owner, Guarded):
                beside = operand.owner.damage()
            else:
                raw, start = operand.owner.bytes, self._places[name]
                before, after = raw[:start], raw[start + operand.memory.nbytes :]
                beside = "wrote before its beginning" if (before != CANARY).any() else ""
                beside = beside or ("wrote past its end" if (after != CANARY).any() else "")
            if beside:
                return f"{title}: {beside}"
            if name != "c" and digest(operand.memory) != operand.digest:
                return f"{title} was changed, an input"
            if operand.gap and name == "c" and self._gap_written(operand):
                return "C: wrote into the gap between its rows"
        return ""

    @staticmethod
    def _gap_written(operand: _Operand) -> bool:
        """Whether bytes between the rows of C are no longer the canary."""
        row_bytes, used = operand.view.strides[1], operand.view.shape[2] * operand.view.itemsize
        rows = operand.view.shape[0] * operand.view.shape[1]
        whole = operand.memory[: (rows - 1) * row_bytes].reshape(rows - 1, row_bytes)
        return bool((whole[:, used:] != CANARY).any())

    def _get(self, name: str) -> Array | None:
        operand = self._operands.get(name)
        return None if operand is None else operand.view

    @property
    def a(self) -> Array:
        """A as stored."""
        return self._operands["a"].view

    @property
    def b(self) -> Array:
        """B as stored."""
        return self._operands["b"].view

    @property
    def c(self) -> Array:
        """C as stored."""
        return self._operands["c"].view

    @property
    def bias(self) -> Array | None:
        """The bias, [n]."""
        view = self._get("bias")
        return None if view is None else view[0, 0]

    @property
    def residual(self) -> Array | None:
        """The residual, as C."""
        return self._get("residual")

    @property
    def scale_a(self) -> Array | None:
        """Scales of A, (m, groups)."""
        view = self._get("scale_a")
        return None if view is None else view[0]

    @property
    def scale_b(self) -> Array | None:
        """Scales of B, (n, groups)."""
        view = self._get("scale_b")
        return None if view is None else view[0]

    def a_of(self, problem: int) -> Array:
        """A of one problem, as stored."""
        return np.asarray(self.a[self._operands["a"].order[problem]])

    def b_of(self, problem: int) -> Array:
        """B of one problem, as stored."""
        return np.asarray(self.b[self._operands["b"].order[problem]])

    def c_of(self, problem: int) -> Array:
        """C of one problem."""
        return np.asarray(self.c[self.order_c(problem)])

    def order_c(self, problem: int) -> int:
        """Where problem i of C (and of the residual) lies."""
        return self._operands["c"].order[problem]
