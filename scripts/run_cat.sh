#!/bin/sh
# Fine-tunes a pre-trained model to recognise the category of a product, as the paper does: 20 epochs at 2e-5.
# usage: cd scripts; sh run_cat.sh [--key value ...]
# DATASET=NAME says which of dataset/NAME/records, MODEL=... which model; the one that run_pretrain.sh made by default.
set -eu
cd "$(dirname "$0")/.."
TASK=category
. scripts/finetune.sh
