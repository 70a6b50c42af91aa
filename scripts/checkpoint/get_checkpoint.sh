#!/bin/sh
# Fetches the original release's pre-trained checkpoint, checkpoint/pretrained/kaleidobert.ckpt-50683.
# usage: cd scripts/checkpoint; KALEIDO_DATA_URL=... sh get_checkpoint.sh [OPTION of `kaleido fetch`]
#
# KALEIDO_DATA_URL is a mirror that you have access to: http(s)://..., s3://bucket/prefix (signed as AWS tools do, or
# anonymously) or the full path of a folder. The files lie there in checkpoint/ and land here in checkpoint/pretrained/.
# Files that are there are not fetched again, and interrupted downloads are resumed. If the mirror has SHA256SUMS at its
# top, as `sha256sum */*` writes it, all files are checked against it.
set -eu
cd "$(dirname "$0")/../.."
if [ -x .venv/bin/python ]; then python=.venv/bin/python; else python=${PYTHON:-python3}; fi

# One file a line; those that start with # are left out.
exec "$python" -m kaleido fetch --folder checkpoint --out checkpoint/pretrained --list - "$@" <<'FILES'
config.json
kaleidobert.ckpt-50683.data-00000-of-00001
kaleidobert.ckpt-50683.index
# its graph, which nothing here reads:
# kaleidobert.ckpt-50683.meta
FILES
