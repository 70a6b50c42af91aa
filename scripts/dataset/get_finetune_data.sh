#!/bin/sh
# Fetches the original release's data for category and sub-category recognition.
# usage: cd scripts/dataset; KALEIDO_DATA_URL=... sh get_finetune_data.sh [OPTION of `kaleido fetch`]
#
# KALEIDO_DATA_URL is a mirror that you have access to: http(s)://..., s3://bucket/prefix (signed as AWS tools do, or
# anonymously) or the full path of a folder. The files lie there in finetune/ and land here in dataset/finetune/.
# Files that are there are not fetched again, and interrupted downloads are resumed. If the mirror has SHA256SUMS at its
# top, as `sha256sum */*` writes it, all files are checked against it.
set -eu
cd "$(dirname "$0")/../.."
if [ -x .venv/bin/python ]; then python=.venv/bin/python; else python=${PYTHON:-python3}; fi

# One file a line; those that start with # are left out.
exec "$python" -m kaleido fetch --folder finetune --out dataset/finetune --list - "$@" <<'FILES'
finetune_train__05746b2d5ce143a6be1b464b77845b34
finetune_train__0b1a26bfe3704d619d187ffbb4e58868
finetune_train__658eb9240fbc406b883d46f64c1cc832
finetune_train__c1745b8e0fd84715aea9426a821df51b
finetune_train__e976961bf490411ba49252a72afb2428
finetune_valid__24f777078c1c44e49b35f7cb24dbb203
finetune_valid__2e31d958c6eb42c791df3070e721f56f
finetune_valid__49bc9638fee04ab7bbe2a448f5611575
finetune_valid__862543bc6a5243208081412f6a3c95eb
finetune_valid__bbd6a0358e0f454b878fa8eeae08266d
FILES
