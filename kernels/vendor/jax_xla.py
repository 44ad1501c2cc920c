"""JAX: `lax.dot_general` compiled by XLA for the processor, or for the GPU or TPU that it finds.

Served: f64, f32, f16 and bf16 (single out by `preferred_element_type`, or their own type), s8 summed in s32, fp8; all layouts, batches,
epilogues (XLA fuses them as it sees fit). XLA sizes its pool of threads once, when it starts, by the CPUs that the process may use: for
a case with fewer threads all of its threads are held on as many CPUs, and the row says so. Results are new arrays each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...configs.cases import Case, Variant
from ...configs.dtypes import ELEMENTS
from ...configs.errors import NotPossibleError
from ..host import Host
from ..registry import Prepared
from .environment import overrides, warnings_of
from .framework import Framework, confine, device_index, imported, package_files, package_sha, problems
from .library import Found, Loaded

if TYPE_CHECKING:
    from ..operands import Operands

_PLATFORMS = {"cuda": "gpu", "rocm": "gpu", "tpu": "tpu", "cpu": "cpu"}


class Jax(Framework):
    """JAX on one of its devices."""

    name = "jax"
    title = "JAX (XLA)"
    licence = "Apache-2.0"
    bring = "pip install jax"
    package = "jax"
    packages = ("jaxlib", "jax", "jax-cuda*", "jax-rocm*")
    prefixes = ("JAX_", "XLA_", "TF_", "OMP_", "CUDA_", "CUBLAS_", "NVIDIA_", "HIP", "ROC", "TPU_")
    devices: ClassVar[dict[str, str]] = {"cuda": "gpu", "rocm": "gpu", "tpu": "tpu"}
    dtypes: ClassVar[dict[str, str]] = {
        name: ELEMENTS[c].numpy
        for name, c in (
            *(("f64", "f64"), ("f32", "f32"), ("f16", "f32"), ("f16f16", "f16"), ("bf16", "f32"), ("bf16bf16", "bf16")),
            *(("s8", "s32"), ("e4m3", "f32"), ("e5m2", "f32")),
        )
    }
    source = "https://docs.jax.dev/en/latest/_autosummary/jax.lax.dot_general.html"

    def __init__(self) -> None:
        self._jax: Any = None
        self._device: Any = None
        self._origin = "cpu"
        self._sha = ""

    def on_disk(self, found: Found) -> tuple[tuple[str, ...], int]:
        """As any framework; with its plugin for CUDA, NVIDIA's libraries too."""
        files, size = super().on_disk(found)
        return files, size + (package_files(("nvidia-*",))[1] if package_files(("jax-cuda*",))[1] else 0)

    def load(self, found: Found) -> Loaded:
        """Import JAX and look for the device."""
        jax: Any = imported("jax", self.title)
        jax.config.update("jax_enable_x64", True)
        kind, index = device_index(found.origin)
        try:
            devices = jax.devices(_PLATFORMS.get(kind, kind))
        except RuntimeError as error:
            first = str(error).splitlines()[0]
            raise NotPossibleError(f"JAX {jax.__version__} finds no device '{found.origin}' here: {first}") from error
        if index >= len(devices):
            raise NotPossibleError(f"JAX {jax.__version__} finds {len(devices)} of {kind} here, no '{found.origin}'", "count from 0")
        self._device, self._jax, self._origin = devices[index], jax, found.origin
        self._sha = package_sha("jaxlib")
        files, size = self.on_disk(found)
        set_here, core = overrides(self.prefixes), str(self._device.device_kind)
        return Loaded(str(jax.__version__), core, "XLA's own pool", files, size, tuple(set_here), tuple(warnings_of(set_here)))

    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """The function compiled for these shapes (at its first call), threads held to the CPUs of the case."""
        del fused
        held = confine(host.cpus[-case.threads :]) if self._origin == "cpu" else ""
        params = {"device": self._origin, "device_name": str(self._device.device_kind), "timed": "from Python"}
        if held:
            params["threads"] = held
        function = self._jax.jit(self._function(case))
        variant = Variant(f"jax@{self._origin}", str(self._jax.__version__), str(self._device.device_kind), dict(params))
        return Prepared(variant, python=lambda operands: _Call(self._jax, self._device, function, case, operands), sha=self._sha)

    def _function(self, case: Case) -> Any:
        jax = self._jax
        out = jax.numpy.dtype(ELEMENTS[case.mix.c].numpy)
        acc = jax.numpy.dtype(ELEMENTS[case.mix.acc].numpy)
        side_a, side_b = (2 if case.layout[0] == "n" else 1), (1 if case.layout[1] == "n" else 2)
        dimensions = (((side_a,), (side_b,)), ((0,), (0,)))

        def product(a: Any, b: Any, bias: Any, residual: Any) -> Any:
            c = jax.lax.dot_general(a, b, dimensions, precision=jax.lax.Precision.HIGHEST, preferred_element_type=acc)
            c = c if bias is None else c + bias.astype(acc)
            if "relu" in case.steps:
                c = jax.nn.relu(c)
            elif "gelu" in case.steps:
                c = jax.nn.gelu(c, approximate=True)
            elif "silu" in case.steps:
                c = jax.nn.silu(c)
            c = c if residual is None else c + residual.astype(acc)
            return c.astype(out)

        return product


class _Call:
    """One set of operands on the device."""

    def __init__(self, jax: Any, device: Any, function: Any, case: Case, operands: Operands) -> None:
        self._function, self._case, self._operands = function, case, operands

        def put(values: Any) -> Any:
            return jax.device_put(np.ascontiguousarray(values), device)

        a = problems(operands.a)[:, :, : case.rows_a[1]]
        b = problems(operands.b)[:, :, : case.rows_b[1]]
        batched = (case.batch,)
        self._a = put(np.broadcast_to(a, batched + a.shape[1:]))
        self._b = put(np.broadcast_to(b, batched + b.shape[1:]))
        self._bias = None if operands.bias is None else put(operands.bias)
        rows = None if operands.residual is None else problems(operands.residual)[:, :, : case.n]
        self._residual = None if rows is None else put(rows)
        self._c: Any = None

    def __call__(self, n: int) -> None:
        for _ in range(n):
            self._c = self._function(self._a, self._b, self._bias, self._residual)
        self._c.block_until_ready()

    def fetch(self) -> None:
        """The result into the operands' C."""
        target = problems(self._operands.c)
        target[:, : self._case.m, : self._case.n] = problems(np.asarray(self._c))


LIBRARY = Jax()
