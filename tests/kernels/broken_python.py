"""Products in Python that are right but for one fault, behind the interface of a kernel: what `verify` and `battery` are held against."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from mmbench.configs.cases import Case, Variant
from mmbench.configs.dtypes import ELEMENTS
from mmbench.configs.errors import NotPossibleError
from mmbench.kernels import fills, oracle
from mmbench.kernels.battery import special_values
from mmbench.kernels.operands import Operands
from mmbench.kernels.registry import Prepared

Fault = Callable[[Operands, list[np.ndarray]], None]  # may change the results (one array a problem), or the operands


class Product:
    """The product of one set of operands. `results` are values of f64 or int64 before they are rounded to C."""

    def __init__(self, operands: Operands, fault: Fault | None) -> None:
        self.operands, self.fault = operands, fault

    def __call__(self, n: int) -> None:
        """Done by `fetch`."""

    def fetch(self) -> None:
        case, operands = self.operands.case, self.operands
        rows, columns = np.arange(case.m), np.arange(case.n)
        befores = [operands.c_of(p).copy() if case.beta else None for p in range(case.batch)]
        with np.errstate(invalid="ignore"):  # the gate's infinities
            results = [oracle.expected(operands, p, rows, columns, befores[p]).values for p in range(case.batch)]
        if self.fault is not None:
            self.fault(operands, results)
        element = ELEMENTS[case.mix.c]
        for problem, values in enumerate(results):
            values = oracle.wrapped(values) if element.digits == 0 else values
            with np.errstate(over="ignore", invalid="ignore"):
                stored = values.astype(fills.storage(element.name))
            written = ~np.isnan(values) if element.digits else np.ones(values.shape, dtype=bool)
            if special_values(ELEMENTS[case.mix.a]) and not np.isfinite(operands.a.astype(np.float64)).all():
                written[:] = True  # NaN is what A asks for
            operands.c_of(problem)[written] = stored[written]


def kernel(fault: Fault | None = None, refuses: Callable[[Case], bool] = lambda _case: False) -> Callable[[Case], Prepared]:
    """`prepare` of a kernel with this fault that refuses some cases. Elements that the fault makes NaN are not written at all."""

    def prepare(case: Case) -> Prepared:
        if refuses(case):
            raise NotPossibleError(f"it refuses {case.shape}")
        return Prepared(Variant("python", "1"), python=lambda operands: Product(operands, fault))

    return prepare
