"""Measure mmbench itself, and print a table: `make bench`, or `make bench BENCH="startup"` for one of them.

Every `bench_*.py` beside this file is a benchmark: its `measure()` yields rows as they are known. No test reads these figures, and
nothing here fails for being slow: what is measured depends on the machine and its neighbours.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all. Exits 2 for an unknown name."""
    known = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
    if unknown := [name for name in names if name not in known]:
        print(f"no benchmark is named {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    print(f"{'':<52} {'measured':>14}  aim")
    for name in sorted(names or known, key=lambda name: (name != "startup", name)):
        print(f"{name}: {(importlib.import_module(f'bench_{name}').__doc__ or '').splitlines()[0]}", flush=True)
        for row in importlib.import_module(f"bench_{name}").measure():
            print(f"  {row.what:<50} {row.value:>14}  {row.aim}{'  ' if row.aim and row.note else ''}{row.note}".rstrip(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
