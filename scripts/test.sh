#!/bin/sh
# The tests, in the same environment as the quickstart plus the test tools; without the slow ones if no -m is given.
# usage: sh scripts/test.sh [PYTEST_ARGUMENT ...]
#   sh scripts/nightly.sh          the slow ones
#   sh scripts/test.sh -m tables   the paper's tables at the smoke preset, a quarter of an hour
set -eu
cd "$(dirname "$0")/.."
EXTRA=${EXTRA:-test}
. scripts/environment.sh
exec "$python" -m pytest --numprocesses 3 --dist loadfile "$@"
