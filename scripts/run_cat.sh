#!/bin/sh
# Fine-tunes a pre-trained model to recognise the category of a product, as the paper does: 20 epochs at 2e-5.
# usage: cd scripts; sh run_cat.sh [--key value ...]
# DATASET=NAME selects dataset/NAME/records, MODEL=... the model; by default that of run_pretrain.sh.
set -eu
cd "$(dirname "$0")/.."
TASK=category
. scripts/finetune.sh
