#!/bin/sh
# The tests that take too long for every change: workers, devices, JAX beside TensorFlow, exports, campaigns, notebooks.
# usage: sh scripts/nightly.sh [PYTEST_ARGUMENT ...]
set -eu
cd "$(dirname "$0")"
exec sh test.sh -m "slow and not tables" "$@"
