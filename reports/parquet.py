"""Write rows as a Parquet file, for data frames; PyArrow does it, which is an extra (`pip install 'mmbench[parquet]'`)."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from ..configs.errors import NotPossibleError
from .flat import COLUMNS

# Columns that hold words or truths; the whole numbers and the floats are told apart by `_WHOLE`.
_WORDS = (
    *("machine", "cell", "case_id", "op", "dtype", "layout", "batch_kind", "epilogue", "temperature", "status", "kernel", "kernel_version"),
    *("isa", "origin", "reason", "timed_by", "roof_bound", "roof_name", "code_sha", "check_bitwise", "params", "warnings"),
)
_WHOLE = ("m", "n", "k", "batch", "lda", "ldb", "ldc", "threads", "operations", "samples", "dropped_samples")
_TRUTHS = ("check_passed",)


def parquet_bytes(rows: Iterable[dict[str, Any]]) -> bytes:
    """The rows of `flat.flat_rows` as the content of a Parquet file; the same rows, the same bytes. NotPossibleError without PyArrow."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise NotPossibleError("Parquet files are written by PyArrow, which is not installed", "pip install pyarrow") from None
    kept = list(rows)
    kinds = {**dict.fromkeys(_WORDS, pyarrow.string()), **dict.fromkeys(_WHOLE, pyarrow.int64()), **dict.fromkeys(_TRUTHS, pyarrow.bool_())}
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.float64())) for name in COLUMNS])
    columns = {name: [_fitting(row[name]) for row in kept] for name in COLUMNS}
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns, schema=schema), buffer, compression="zstd")
    return buffer.getvalue()


def _fitting(value: Any) -> Any:
    """What Arrow takes: no lone surrogates, no whole number beyond 64 bits."""
    if isinstance(value, str):
        return value.encode("utf-8", errors="replace").decode("utf-8")
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return None
    return value
