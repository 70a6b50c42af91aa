#!/bin/sh
# Finds photos for texts (TIR) by the pre-trained matching head, among 1 + 100 of the same sub-category, as the paper does.
# usage: cd scripts; sh run_t2i.sh [--key value ...]
# DATASET=NAME selects dataset/NAME/records, MODEL=... the model; by default that of run_pretrain.sh.
set -eu
cd "$(dirname "$0")/.."
DIRECTION=t2i
. scripts/retrieve.sh
