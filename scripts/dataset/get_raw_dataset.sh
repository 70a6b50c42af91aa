#!/bin/sh
# Fetches Fashion-Gen itself, which `kaleido catalog import fashion-gen` reads.
# usage: cd scripts/dataset; KALEIDO_DATA_URL=... sh get_raw_dataset.sh [OPTION of `kaleido fetch`]
#
# KALEIDO_DATA_URL is a mirror that you have access to: http(s)://..., s3://bucket/prefix (signed as AWS tools do, or
# anonymously) or the full path of a folder. The files lie there in raw_data/ and land here in dataset/raw_data/.
# Files that are there are not fetched again, and interrupted downloads are resumed. If the mirror has SHA256SUMS at its
# top, as `sha256sum */*` writes it, all files are checked against it.
#
# The licence of Fashion-Gen has to be asked for from its authors; the mirror is therefore your own.
set -eu
cd "$(dirname "$0")/../.."
if [ -x .venv/bin/python ]; then python=.venv/bin/python; else python=${PYTHON:-python3}; fi

# One file a line; those that start with # are left out.
exec "$python" -m kaleido fetch --folder raw_data --out dataset/raw_data --list - "$@" <<'FILES'
fashiongen_256_256_train.h5
fashiongen_256_256_validation.h5
# the photos and texts as the original release packed them:
# extracted_images.tar.gz
# full_train_info.txt
# full_valid_info.txt
FILES
