#!/bin/sh
# From an empty folder to a pre-trained model on generated products: about 10 minutes on 2 CPU cores, no GPU, no data.
# usage: sh scripts/quickstart.sh
# Run again, it skips finished steps and resumes interrupted ones.
set -eu
cd "$(dirname "$0")/.."
. scripts/environment.sh

run=runs/quickstart
"$python" -m kaleido catalog generate --products 1500 --seed 0 --out dataset/wardrobe
"$python" -m kaleido catalog show dataset/wardrobe --out "$run/catalog.png"
"$python" -m kaleido prepare --config prepare_wardrobe
cp dataset/wardrobe/records/patches.png "$run/patches.png"
"$python" -m kaleido align --records dataset/wardrobe/records
"$python" -m kaleido explain wardrobe-000007 --records dataset/wardrobe/records --out "$run/explained"
"$python" -m kaleido pretrain --config pretrain_tiny --out "$run"

cat <<END

model                   $run/model
checkpoints             $run/checkpoints
metrics of all tasks    $run/metrics.json
curves                  $run/curves.png, $run/metrics.jsonl, tensorboard --logdir $run/tensorboard
products                $run/catalog.png
kaleido patches         $run/patches.png
one product explained   $run/explained/wardrobe-000007-0.html and .png
END
