#!/bin/sh
# Finds texts for photos (ITR) by the pre-trained matching head, among 1 + 100 of the same sub-category, as the paper does.
# usage: cd scripts; sh run_i2t.sh [--key value ...]
# DATASET=NAME says which of dataset/NAME/records, MODEL=... which model; the one that run_pretrain.sh made by default.
set -eu
cd "$(dirname "$0")/.."
DIRECTION=i2t
. scripts/retrieve.sh
