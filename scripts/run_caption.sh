#!/bin/sh
# Fine-tunes a pre-trained model to caption photos: 20 epochs at 2e-5, longer texts cut, decoded from left to right.
# usage: cd scripts; sh run_caption.sh [--key value ...]; the paper's decoder: --caption_config.decoder mask_predict
# DATASET=NAME selects dataset/NAME/records, MODEL=... the model; by default that of run_pretrain.sh.
set -eu
cd "$(dirname "$0")/.."
TASK=caption
set -- --caption_config.long_texts cut "$@"
. scripts/finetune.sh
