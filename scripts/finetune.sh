# Sourced by the run_*.sh scripts of fine-tuning, in the top folder; TASK names the task.
if [ -x .venv/bin/python ]; then python=.venv/bin/python; else python=${PYTHON:-python3}; fi
. scripts/prepared.sh
model=${MODEL:-runs/pretrain_base_$DATASET/model}
if [ ! -f "$model/config.json" ]; then
  echo "$0: no model in $model; run run_pretrain.sh first, or name one: MODEL=... sh $0" >&2
  exit 2
fi
exec "$python" -m kaleido finetune --task "$TASK" --records "dataset/$DATASET/records" --model "$model" \
  --out "runs/${TASK}_$DATASET" --train_config.batch_size 64 "$@"
