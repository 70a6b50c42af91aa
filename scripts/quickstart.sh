#!/bin/sh
# From an empty folder to a pre-trained model and a search page over generated products: about 10 minutes on 2 CPU cores,
# no GPU, no data.
# usage: sh scripts/quickstart.sh [--fast]
#   --fast  everything with fewer products and steps, to see it in 3 minutes after the installation; its models are poor
# Run again, it skips finished steps and resumes interrupted ones.
set -eu
cd "$(dirname "$0")/.."
name=wardrobe products=1500 align_steps=500 steps=1900 tower_steps=150 run=runs/quickstart
case ${1:-} in
  "") ;;
  --fast)
    name=wardrobe-fast products=250 align_steps=80 steps=150 tower_steps=50 run=runs/quickstart-fast
    ;;
  *) echo "usage: sh scripts/quickstart.sh [--fast]" >&2; exit 2 ;;
esac
. scripts/environment.sh

catalog=dataset/$name records=dataset/$name/records
"$python" -m kaleido catalog generate --products $products --seed 0 --out "$catalog"
"$python" -m kaleido catalog show "$catalog" --out "$run/catalog.png"
"$python" -m kaleido prepare --config prepare_wardrobe --catalog "$catalog" --out "$records"
cp "$records/patches.png" "$run/patches.png"
"$python" -m kaleido align --records "$records" --steps $align_steps
"$python" -m kaleido explain wardrobe-000007 --records "$records" --out "$run/explained"
"$python" -m kaleido pretrain --config pretrain_tiny --records "$records" --out "$run" --steps $steps
"$python" -m kaleido finetune --task contrastive --records "$records" --out "$run/two_tower" --batch-size 256 \
  --steps $tower_steps --lr 2e-3 --evaluate_config.every $tower_steps
"$python" -m kaleido embed "$catalog" --model "$run/two_tower/model" --records "$records" --out "$run/vectors.parquet"
"$python" -m kaleido index "$catalog" --model "$run/two_tower/model" --vectors "$run/vectors.parquet" --out "$run/index"

cat <<END

model                   $run/model
checkpoints             $run/checkpoints
metrics of all tasks    $run/metrics.json
curves                  $run/curves.png, $run/metrics.jsonl, tensorboard --logdir $run/tensorboard
products                $run/catalog.png
kaleido patches         $run/patches.png
one product explained   $run/explained/wardrobe-000007-0.html and .png
search                  $python -m kaleido search $run/index "red dress with long sleeves"
search page             http://127.0.0.1:8000/ after: $python -m kaleido serve $run/index
END
