# Sourced by run_i2t.sh and run_t2i.sh, in the top folder; DIRECTION is i2t or t2i.
if [ -x .venv/bin/python ]; then python=.venv/bin/python; else python=${PYTHON:-python3}; fi
. scripts/prepared.sh
model=${MODEL:-runs/pretrain_base_$DATASET/model}
if [ ! -f "$model/config.json" ]; then
  echo "$0: no model in $model; run run_pretrain.sh first, or name one: MODEL=... sh $0" >&2
  exit 2
fi
exec "$python" -m kaleido retrieve --direction "$DIRECTION" --records "dataset/$DATASET/records" --model "$model" \
  --out "runs/${DIRECTION}_$DATASET" "$@"
