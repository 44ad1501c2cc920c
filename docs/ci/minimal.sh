#!/usr/bin/env bash
# The smallest gate, for any CI that runs a command and shows a JUnit file: minimal.sh OLD [more words for mmbench sweep]
#
#     docs/ci/minimal.sh lib:/opt/old/libopenblas.so --kernels openblas --shapes bert-base
#
# It ends with the exit code of the gate (mmbench explain exit-codes), both files written.
set -euo pipefail

old=${1:-}
if [ -z "$old" ]; then
    echo "usage: minimal.sh OLD [more words for mmbench sweep]" >&2
    exit 2
fi
shift
exec mmbench sweep --preset=ci --against="$old" --export-junit=mmbench-gate.xml --export-markdown=mmbench-gate.md "$@"
