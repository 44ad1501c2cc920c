"""Modular MAX: a graph with one `ops.matmul`, compiled for the processor and called from Python.

One graph serves all shapes of a data type, layout and epilogue (its dimensions are symbolic, as in serving): compiling one takes 20 s and
more, so a graph a shape could not pass the gate. Served: f32, f64, bf16 in and out; transposed operands by `ops.transpose` in the graph,
batches, epilogues as elementwise operations, which MAX may fuse. Results are new tensors each time. Its pool has a thread for each CPU
(`num_threads` of a session ends the process in MAX 26.6, which made its device before), and is held on the CPUs of the case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...configs.cases import Case, Variant
from ...configs.errors import NotPossibleError
from ..epilogue import rounds_early
from ..host import Host
from ..registry import Prepared
from .environment import overrides, warnings_of
from .framework import Framework, confine, imported, package_sha, problems
from .library import Found, Loaded

if TYPE_CHECKING:
    from ..operands import Operands


class ModularMax(Framework):
    """Modular MAX on the processor."""

    name = "max"
    title = "Modular MAX"
    licence = "Modular Community License"
    bring = "pip install modular"
    package = "max"
    packages = ("max", "max-core", "max-mojo-libs")
    prefixes = ("MODULAR_", "MAX_", "MOJO_")
    devices: ClassVar[dict[str, str]] = {}
    dtypes: ClassVar[dict[str, str]] = {"f64": "float64", "f32": "float32", "bf16bf16": "bfloat16"}
    source = "https://docs.modular.com/max/api/python/graph/ops"

    def __init__(self) -> None:
        self._version, self._sha = "", ""
        self._models: dict[tuple[str, str, bool, str], Any] = {}

    def serves(self, case: Case) -> str:
        """As any framework; an epilogue only where the product is not rounded before it; more than one column, and something to add."""
        if case.k == 0:
            return "Modular MAX returns memory that was never set where k is 0"
        if case.n == 1:
            return "a product with one column ends the process in Modular MAX 26.6 (SIGSEGV, with any shape of graph)"
        return super().serves(case) or rounds_early(case)

    def load(self, found: Found) -> Loaded:
        """Import MAX; graphs are compiled as they are asked for."""
        imported("max.engine", self.title)
        self._version = found.package_version
        self._sha = package_sha("max-core") or package_sha(self.package)
        files, size = self.on_disk(found)
        set_here = overrides(self.prefixes)
        return Loaded(self._version, "CPU", "MAX's own pool", files, size, tuple(set_here), tuple(warnings_of(set_here)))

    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """The compiled graph for the case's class; NotPossibleError with MAX's own words where it cannot be compiled."""
        del fused
        key = (case.dtype, case.layout, case.batch > 1, case.epilogue)
        if key not in self._models:
            self._models[key] = _compiled(case, self.dtypes[case.dtype])
        params = {"device": "cpu", "timed": "from Python", "shapes": "symbolic", "threads": confine(host.cpus[-case.threads :])}
        variant = Variant("max@cpu", self._version, "CPU", dict(params))
        model = self._models[key]
        return Prepared(variant, python=lambda operands: _Call(model, case, operands), sha=self._sha)


def _compiled(case: Case, element: str) -> Any:
    driver: Any = imported("max.driver", "Modular MAX")
    engine: Any = imported("max.engine", "Modular MAX")
    try:
        session = engine.InferenceSession(devices=[driver.CPU()])
        return session.load(_graph(case, element))
    except (ValueError, RuntimeError, TypeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise NotPossibleError(f"Modular MAX does not compile {case.dtype} {case.layout} here: {first}") from error


def _graph(case: Case, element: str) -> Any:
    graphs: Any = imported("max.graph", "Modular MAX")
    dtypes: Any = imported("max.dtype", "Modular MAX")
    kind, here, ops = dtypes.DType[element], graphs.DeviceRef.CPU(), graphs.ops
    outer = ("batch",) if case.batch > 1 else ()
    sides = [outer + (("m", "k") if case.layout[0] == "n" else ("k", "m")), outer + (("k", "n") if case.layout[1] == "n" else ("n", "k"))]
    if "bias" in case.steps:
        sides.append(("n",))
    if "residual" in case.steps:
        sides.append((*outer, "m", "n"))
    with graphs.Graph("product", input_types=[graphs.TensorType(kind, side, here) for side in sides]) as graph:
        inputs = [value.tensor for value in graph.inputs]
        a = inputs[0] if case.layout[0] == "n" else ops.transpose(inputs[0], -1, -2)
        b = inputs[1] if case.layout[1] == "n" else ops.transpose(inputs[1], -1, -2)
        c = ops.matmul(a, b)
        rest = inputs[2:]
        if "bias" in case.steps:
            c = c + rest.pop(0)
        if "relu" in case.steps:
            c = ops.relu(c)
        elif "gelu" in case.steps:
            c = ops.gelu(c, approximate="tanh")
        elif "silu" in case.steps:
            c = ops.silu(c)
        graph.output(c + rest.pop(0) if "residual" in case.steps else c)
    return graph


class _Call:
    """One set of operands as MAX's buffers."""

    def __init__(self, model: Any, case: Case, operands: Operands) -> None:
        driver: Any = imported("max.driver", "Modular MAX")
        self._model, self._case, self._operands = model, case, operands
        a = _whole(operands.a, case.rows_a[1], case.batch)
        b = _whole(operands.b, case.rows_b[1], case.batch)
        extra = [] if operands.bias is None else [operands.bias]
        extra += [] if operands.residual is None else [_whole(operands.residual, case.n, case.batch)]
        self._inputs = [driver.Buffer.from_dlpack(_plain(values)) if _bits(values) else _bf16(driver, values) for values in (a, b, *extra)]
        self._c: Any = None

    def __call__(self, n: int) -> None:
        for _ in range(n):
            self._c = self._model.execute(*self._inputs)[0]

    def fetch(self) -> None:
        """The result into the operands' C."""
        case, c = self._case, self._operands.c
        if c.dtype.name == "bfloat16":
            values = self._c.view(imported("max.dtype", "Modular MAX").DType.uint16).to_numpy().view(c.dtype)  # type: ignore[attr-defined]
        else:
            values = self._c.to_numpy()
        problems(c)[:, : case.m, : case.n] = problems(values)


def _whole(stored: Any, columns: int, batch: int) -> Any:
    """The operand without gaps: (rows, columns), with the problems in front where there are several."""
    view = problems(stored)[:, :, :columns]
    return np.ascontiguousarray(view[0] if batch == 1 else np.broadcast_to(view, (batch, *view.shape[1:])))


def _bits(values: Any) -> bool:
    """Whether NumPy itself knows the type."""
    return bool(values.dtype.name != "bfloat16")


def _plain(values: Any) -> Any:
    return np.ascontiguousarray(values)


def _bf16(driver: Any, values: Any) -> Any:
    """A bfloat16 buffer through its bits, which NumPy's exchange has no word for."""
    dtypes: Any = imported("max.dtype", "Modular MAX")
    raw = driver.Buffer.from_dlpack(np.ascontiguousarray(values).view(np.uint16))
    return raw.view(dtypes.DType.bfloat16)


LIBRARY = ModularMax()
