#!/bin/sh
# Finds texts for photos (ITR) by the pre-trained matching head, among 1 + 100 of the same sub-category, as the paper does.
# usage: cd scripts; sh run_i2t.sh [--key value ...]
# DATASET=NAME selects dataset/NAME/records, MODEL=... the model; by default that of run_pretrain.sh.
set -eu
cd "$(dirname "$0")/.."
DIRECTION=i2t
. scripts/retrieve.sh
