"""Call PyTorch: `torch.mm`, `bmm` and friends, on the processor or on the device that it drives (cuBLAS, hipBLASLt, MPS, oneMKL).

Served: f64, f32, f16, bf16 (in and out of one type, as PyTorch's products are; sums in single), s8 through `torch._int_mm` (private, the
only integer product there is), fused bias through `addmm`. Bias is fused by the call; activations and the residual are elementwise
operations of their own. The reductions in half precision that PyTorch allows itself on CUDA are switched off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...configs.cases import Case, Variant
from ...configs.dtypes import ELEMENTS
from ...configs.errors import NotPossibleError
from ..epilogue import rounds_early
from ..host import Host
from ..registry import Prepared
from .framework import Framework, imported, package_files, problems
from .library import Found, Loaded

if TYPE_CHECKING:
    from ..operands import Operands

_GELU = "tanh"


class PyTorch(Framework):
    """PyTorch on one of its devices."""

    name = "torch"
    title = "PyTorch"
    licence = "BSD-3-Clause"
    bring = "pip install torch"
    package = "torch"
    prefixes = ("TORCH_", "PYTORCH_", "OMP_", "KMP_", "MKL_", "ONEDNN_", "DNNL_", "CUDA_", "CUBLAS_", "NVIDIA_", "HIP", "ROC", "GOMP_")
    devices: ClassVar[dict[str, str]] = {"cuda": "cuda:0", "rocm": "cuda:0", "mps": "mps", "xpu": "xpu:0"}
    dtypes: ClassVar[dict[str, str]] = {"f64": "float64", "f32": "float32", "f16f16": "float16", "bf16bf16": "bfloat16", "s8": "int8"}
    source = "https://docs.pytorch.org/docs/stable/generated/torch.mm.html"

    def __init__(self) -> None:
        self._torch: Any = None
        self._device = "cpu"
        self._device_name = ""

    def serves(self, case: Case) -> str:
        """As every framework; int8 without batch and epilogue; an epilogue only where the product is not rounded before it."""
        reason = super().serves(case) or rounds_early(case)
        if not reason and case.dtype == "s8" and (case.batch > 1 or case.epilogue):
            return "torch._int_mm takes one problem, and no epilogue"
        return reason

    def load(self, found: Found) -> Loaded:
        """Import torch and look for the device."""
        torch: Any = imported("torch", self.title)
        device = found.origin
        kind = device.split(":")[0]
        if kind != "cpu":
            backend = torch.backends.mps if kind == "mps" else getattr(torch, kind, None)
            if backend is None or not backend.is_available():
                raise NotPossibleError(f"PyTorch {torch.__version__} finds no device '{device}' here", "its build must be the device's own")
        self._torch, self._device = torch, device
        self._device_name = _device_name(torch, kind, device)
        if kind == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
            torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        files, size = package_files(self.package)
        from .environment import overrides

        core = f"{self._device_name}" if kind != "cpu" else str(torch.backends.cpu.get_cpu_capability())
        return Loaded(str(torch.__version__), core, _threading(torch), files, size, tuple(overrides(self.prefixes)))

    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """Tensors on the device, and a call that ends when the device has finished."""
        del host, fused
        torch = self._torch
        if self._device == "mps" and case.dtype == "f64":
            raise NotPossibleError("Apple's MPS has no double precision")
        torch.set_num_threads(case.threads)
        torch.set_grad_enabled(False)
        params = {"device": self._device, "device_name": self._device_name, "timed": "from Python"}
        variant = Variant(f"torch@{self._device}", str(torch.__version__), self._device_name, dict(params))
        return Prepared(variant, python=lambda operands: _Call(torch, self._device, case, operands))


def _device_name(torch: Any, kind: str, device: str) -> str:
    if kind in ("cuda", "xpu"):
        return str(getattr(torch, kind).get_device_name(device))
    return "Apple MPS" if kind == "mps" else "CPU"


def _threading(torch: Any) -> str:
    words = [line.strip() for line in str(torch.__config__.parallel_info()).splitlines() if "parallel backend" in line.lower()]
    return words[0].split(":")[-1].strip() if words else ""


class _Call:
    """One set of operands on the device."""

    def __init__(self, torch: Any, device: str, case: Case, operands: Operands) -> None:
        self._torch, self._case, self._operands = torch, case, operands
        self._kind = device.split(":")[0]
        batched = case.batch > 1
        a = self._tensor(operands.a, *case.rows_a, device)
        b = self._tensor(operands.b, *case.rows_b, device)
        self._a = a.transpose(-1, -2) if case.layout[0] == "t" else a
        self._b = b.transpose(-1, -2) if case.layout[1] == "t" else b
        if not batched:
            self._a, self._b = self._a[0], self._b[0]
        else:
            self._a, self._b = self._a.expand(case.batch, -1, -1), self._b.expand(case.batch, -1, -1)
        self._bias = None if operands.bias is None else self._vector(operands.bias, device)
        self._residual = None if operands.residual is None else self._tensor(operands.residual, case.m, case.n, device)
        if self._residual is not None and not batched:
            self._residual = self._residual[0]
        shape = (case.batch, case.m, case.n) if batched else (case.m, case.n)
        kind = torch.int32 if case.dtype == "s8" else self._a.dtype
        self._c = torch.empty(shape, dtype=kind, device=device)

    def _tensor(self, stored: Any, rows: int, columns: int, device: str) -> Any:
        """The operand without the gaps' meaning: strides are kept on the processor, copied elsewhere."""
        view = self._from_numpy(problems(stored))[:, :rows, :columns]
        return view if device == "cpu" else view.to(device)

    def _vector(self, stored: Any, device: str) -> Any:
        return self._from_numpy(stored).to(device)

    def _from_numpy(self, stored: Any) -> Any:
        """A tensor over the same memory; bfloat16 goes through its bits, which NumPy's bridge has no word for."""
        if stored.dtype.name == "bfloat16":
            return self._torch.from_numpy(stored.view(np.int16)).view(self._torch.bfloat16)
        return self._torch.from_numpy(stored)

    def __call__(self, n: int) -> None:
        for _ in range(n):
            self._once()
        self._wait()

    def _once(self) -> None:
        torch, case = self._torch, self._case
        if case.dtype == "s8":
            self._c = torch._int_mm(self._a, self._b)
            return
        if self._bias is not None and case.batch == 1:
            torch.addmm(self._bias, self._a, self._b, out=self._c)
        else:
            torch.matmul(self._a, self._b, out=self._c)
            if self._bias is not None:
                self._c += self._bias
        if "relu" in case.steps:
            torch.relu_(self._c)
        elif "gelu" in case.steps:
            self._c.copy_(torch.nn.functional.gelu(self._c, approximate=_GELU))
        elif "silu" in case.steps:
            torch.nn.functional.silu(self._c, inplace=True)
        if self._residual is not None:
            self._c += self._residual

    def _wait(self) -> None:
        if self._kind in ("cuda", "xpu", "mps"):
            getattr(self._torch, self._kind).synchronize()

    def fetch(self) -> None:
        """The result into the operands' C."""
        self._wait()
        result = self._c.to("cpu")
        if ELEMENTS[self._case.mix.c].name == "bf16":
            values = result.view(self._torch.int16).numpy().view(self._operands.c.dtype)
        else:
            values = result.numpy()
        target = problems(self._operands.c)
        target[:, : self._case.m, : self._case.n] = problems(values)


LIBRARY = PyTorch()
