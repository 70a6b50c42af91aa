#!/bin/sh
# The paper's Tables 2 to 4 and Figures 6 and 7: runs the experiments of a preset and writes the report.
# usage: sh scripts/reproduce_tables.sh [PRESET] [OPTION of `kaleido experiments` ...]
# PRESET: smoke (the default; generated products, minutes), small (fashion-small), paper (Fashion-Gen), or original (the
# released model on the released files); docs/experiments.md lists what each needs. Run again, it skips finished stages
# and resumes interrupted ones. RUNS=... and OUT=... name other folders than runs/tables_PRESET and its report/.
set -eu
cd "$(dirname "$0")/.."
preset=smoke
case ${1:-} in "" | -*) ;; *) preset=$1 && shift ;; esac
. scripts/environment.sh

runs=${RUNS:-runs/tables_$(basename "$preset" .yaml)}
out=${OUT:-$runs/report}

# In the background, so that what ends this script reaches the experiments, which then save what they have.
"$python" -m kaleido experiments "$preset" --out "$runs" "$@" &
child=$!
trap 'kill -TERM "$child" 2>/dev/null; wait "$child"; exit 143' TERM HUP
trap 'kill -TERM "$child" 2>/dev/null; wait "$child"; exit 130' INT
failed=0
wait "$child" || failed=$?
trap - TERM HUP INT
# Exit code 1: some failed, and the report says which.
if [ "$failed" -gt 1 ]; then exit "$failed"; fi
case " $* " in *" --dry-run "*) exit "$failed" ;; esac
"$python" -m kaleido report "$runs" --out "$out"
exit "$failed"
