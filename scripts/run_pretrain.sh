#!/bin/sh
# Pre-trains the paper's configuration on what was prepared under dataset/, on all visible GPUs, or on CPU without one.
# usage: cd scripts; sh run_pretrain.sh [--key value ...]
# If several data sets are prepared, name one: DATASET=fashion-gen sh run_pretrain.sh
set -eu
cd "$(dirname "$0")/.."
if [ -x .venv/bin/python ]; then python=.venv/bin/python; else python=${PYTHON:-python3}; fi

. scripts/prepared.sh
exec "$python" -m kaleido pretrain --config pretrain_base \
  --records "dataset/$DATASET/records" --out "runs/pretrain_base_$DATASET" "$@"
