"""Modules that stand for PyTorch and JAX on devices that work later than they are asked: what was queued happens at the synchronisation.

A result that is looked at before holds what memory held before, so that an adapter that does not wait is found out by the numbers. Only
what the adapters use is there. `events` lists what was called, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np

NAMES = {"cuda": "NVIDIA Fake 100", "xpu": "Intel Fake Max", "mps": "", "cpu": ""}
_POISON = 77.0


def install(folder: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """A distribution in `folder` as pip leaves it: its files, METADATA and RECORD."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    lines = []
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        lines.append(f"{path},sha256={content.hex() or '00'},{len(content)}")
    (info / "RECORD").write_text("\n".join([*lines, f"{info.name}/RECORD,,"]) + "\n", encoding="utf-8")


class Tensor:
    """An array on a device."""

    def __init__(self, array: Any, device: str = "cpu") -> None:
        self.array, self.device = array, device

    @property
    def dtype(self) -> Any:
        """The element type."""
        return self.array.dtype

    def _like(self, array: Any) -> Tensor:
        return Tensor(array, self.device)

    def __getitem__(self, index: Any) -> Tensor:
        return self._like(self.array[index])

    def transpose(self, one: int, other: int) -> Tensor:
        """A view."""
        return self._like(np.swapaxes(self.array, one, other))

    def expand(self, count: int, *_rest: int) -> Tensor:
        """A view with the first dimension repeated."""
        return self._like(np.broadcast_to(self.array, (count, *self.array.shape[1:])))

    def view(self, dtype: Any) -> Tensor:
        """The same bits as another type."""
        return self._like(self.array.view(dtype))

    def to(self, device: str) -> Tensor:
        """A copy of what the memory holds now."""
        return Tensor(np.array(self.array), device)

    def numpy(self) -> Any:
        """The memory, on the processor only."""
        assert self.device == "cpu"
        return self.array


class Torch(ModuleType):
    """PyTorch with `count` devices of one kind."""

    def __init__(self, kind: str, count: int = 2, *, single_out: bool = True) -> None:
        super().__init__("torch")
        self.events: list[str] = []
        self.pending: list[Callable[[], None]] = []
        self.__version__ = "9.9.0"
        here = SimpleNamespace(
            is_available=lambda: True,
            device_count=lambda: count,
            get_device_name=lambda device: f"{NAMES[kind]} at {device}",
            synchronize=self._synchronize,
        )
        switches = SimpleNamespace(matmul=SimpleNamespace())
        self.backends = SimpleNamespace(cpu=SimpleNamespace(get_cpu_capability=lambda: "AVX512"), cuda=switches, mps=None)
        if kind == "mps":
            self.backends.mps, self.mps = here, here
        elif kind != "cpu":
            setattr(self, kind, here)
        overloads = ["default", "out", *(["dtype", "dtype_out"] if single_out else [])]
        self.ops = SimpleNamespace(aten=SimpleNamespace(mm=SimpleNamespace(overloads=lambda: overloads)))
        self.__config__ = SimpleNamespace(parallel_info=lambda: "ATen parallel backend: OpenMP")
        for name in ("float64", "float32", "float16", "int32", "int16", "int8", "uint8"):
            setattr(self, name, np.dtype(name))
        for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
            setattr(self, name, np.dtype(getattr(ml_dtypes, name)))

    def _synchronize(self, device: str = "") -> None:
        self.events.append(f"synchronize {device}".strip())
        for work in self.pending:
            work()
        self.pending.clear()

    def _do(self, name: str, out: Tensor, work: Callable[[], Any]) -> None:
        """At once on the processor, at the synchronisation elsewhere."""
        self.events.append(name)

        def now() -> None:
            out.array[...] = work().astype(out.dtype)

        if out.device == "cpu":
            now()
        else:
            self.pending.append(now)

    def set_num_threads(self, count: int) -> None:
        """Nothing to set."""

    def set_grad_enabled(self, enabled: bool) -> None:
        """Nothing to set."""

    def from_numpy(self, array: Any) -> Tensor:
        """The same memory; as PyTorch, not for types that NumPy does not know itself."""
        assert array.dtype.kind in "fiu", array.dtype
        assert type(array.dtype).__module__ == "numpy.dtypes", array.dtype
        return Tensor(array)

    def empty(self, shape: Sequence[int], dtype: Any, device: str) -> Tensor:
        """Memory with something in it."""
        return Tensor(np.full(shape, _POISON).astype(dtype), device)

    def ones(self, shape: Sequence[int], dtype: Any, device: str) -> Tensor:
        """Ones."""
        return Tensor(np.ones(shape, dtype=dtype), device)

    def matmul(self, a: Tensor, b: Tensor, *, out: Tensor) -> None:
        """A product in double precision, as of its operands when it happens."""
        assert a.dtype == b.dtype == out.dtype
        self._do("matmul", out, lambda: a.array.astype(np.float64) @ b.array.astype(np.float64))

    def mm(self, a: Tensor, b: Tensor, out_dtype: Any, *, out: Tensor) -> None:
        """A product with results of another type."""
        assert (out.dtype, out_dtype) == (np.float32, np.float32)
        self._do("mm", out, lambda: a.array.astype(np.float64) @ b.array.astype(np.float64))

    bmm = mm

    def _scaled_mm(self, a: Tensor, b: Tensor, *, scale_a: Tensor, scale_b: Tensor, out_dtype: Any, out: Tensor) -> None:
        assert scale_a.array == scale_b.array == 1
        assert out.dtype == out_dtype
        if out.device != "cpu" and (a.array.shape[1] % 16 or b.array.shape[1] % 16):
            raise RuntimeError("Expected trailing dimension of mat1 to be divisible by 16\nException raised from somewhere")
        self._do("_scaled_mm", out, lambda: a.array.astype(np.float64) @ b.array.astype(np.float64))


class _Later:
    """A result of JAX's that is there once it has been waited for."""

    def __init__(self, jax: Jax, work: Callable[[], Any]) -> None:
        self._jax, self._work = jax, work
        self._value = np.full_like(work(), _POISON)

    def block_until_ready(self) -> _Later:
        """Wait."""
        self._jax.events.append("block_until_ready")
        self._value = self._work()
        return self

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self._value


class Jax(ModuleType):
    """JAX with `count` devices of one kind."""

    def __init__(self, kind: str, count: int = 2) -> None:
        super().__init__("jax")
        self.events: list[str] = []
        self.__version__ = "9.9.0"
        self.config = SimpleNamespace(update=lambda _name, _value: None)
        self._devices = {kind: [SimpleNamespace(device_kind=f"Fake {kind} {i}") for i in range(count)]}
        self.numpy = np
        self.lax = SimpleNamespace(dot_general=self._dot_general, Precision=SimpleNamespace(HIGHEST="highest"))
        self.put_on: list[Any] = []

    def devices(self, kind: str) -> list[Any]:
        """Those of this kind; as JAX, an error for none."""
        if kind not in self._devices:
            raise RuntimeError(f"Unknown backend: '{kind}' requested\nand more lines")
        return self._devices[kind]

    def device_put(self, values: Any, device: Any) -> Any:
        """The values, and a note of where they went."""
        self.put_on.append(device)
        return values

    def jit(self, function: Callable[..., Any]) -> Callable[..., _Later]:
        """A function whose result comes later."""

        def later(*operands: Any) -> _Later:
            self.events.append("product")
            return _Later(self, lambda: function(*operands))

        return later

    @staticmethod
    def _dot_general(a: Any, b: Any, dimensions: Any, *, precision: str, preferred_element_type: Any) -> Any:
        assert precision == "highest"
        ((side_a,), (side_b,)), _batch = dimensions
        left = np.swapaxes(a, 1, 2) if side_a == 1 else a
        right = np.swapaxes(b, 1, 2) if side_b == 2 else b
        return (left.astype(np.float64) @ right.astype(np.float64)).astype(preferred_element_type)
