#!/bin/sh
# All tests, in the same environment as the quickstart plus the test tools; at most 12 minutes on 2 cores.
# usage: sh scripts/test.sh [PYTEST_ARGUMENT ...]      sh scripts/test.sh -m "not slow" leaves out the slow ones
set -eu
cd "$(dirname "$0")/.."
EXTRA=test
. scripts/environment.sh
exec "$python" -m pytest --numprocesses 2 --dist loadfile "$@"
