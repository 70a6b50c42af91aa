#!/bin/sh
# Pre-trains the paper's configuration on what was prepared under dataset/, on all visible GPUs, or on CPU without one.
# usage: cd scripts; sh run_pretrain.sh [--key value ...]
# Where several data sets are prepared, say which: DATASET=fashion-gen sh run_pretrain.sh
set -eu
cd "$(dirname "$0")/.."
if [ -x .venv/bin/python ]; then python=.venv/bin/python; else python=${PYTHON:-python3}; fi

if [ -z "${DATASET:-}" ]; then
  found=0
  for info in dataset/*/records/dataset_info.json; do
    [ -f "$info" ] || continue
    found=$((found + 1))
    DATASET=$(basename "$(dirname "$(dirname "$info")")")
  done
  if [ "$found" -ne 1 ]; then
    echo "run_pretrain.sh: $found data sets are prepared under dataset/; prepare one with 'python -m kaleido prepare', or name one: DATASET=... sh run_pretrain.sh" >&2
    exit 2
  fi
fi
exec "$python" -m kaleido pretrain --config configs/pretrain_base.yaml \
  --records "dataset/$DATASET/records" --output "runs/pretrain_base_$DATASET" "$@"
