"""Start a worker of this very mmbench in any interpreter, beside whatever else is installed there. Run by path, as a script.

The interpreter may have no mmbench, or another one: both sides of a gate are to be timed by one stopwatch. Everything else (NumPy, LLVM,
the libraries) is that interpreter's own.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path


def import_from(root: Path) -> None:
    """Make `mmbench` the package whose `__init__.py` lies in `root`, whatever that folder is called, for this process."""
    spec = importlib.util.spec_from_file_location("mmbench", root / "__init__.py", submodule_search_locations=[str(root)])
    assert spec is not None
    assert spec.loader is not None
    sys.modules["mmbench"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


if __name__ == "__main__":
    import_from(Path(__file__).resolve().parents[2])
    importlib.import_module("mmbench.kernels.measure.worker").serve()
