#!/bin/sh
# Fetches the original release's data for retrieval, image to text and text to image.
# usage: cd scripts/dataset; KALEIDO_DATA_URL=... sh get_retrieve_data.sh [OPTION of `kaleido fetch`]
#
# KALEIDO_DATA_URL is a mirror that you have access to: http(s)://..., s3://bucket/prefix (signed as AWS tools do, or
# anonymously) or the full path of a folder. The files lie there in retrieve/ and land here in dataset/retrieve/.
# Files that are there are not fetched again, and interrupted downloads are resumed. If the mirror has SHA256SUMS at its
# top, as `sha256sum */*` writes it, all files are checked against it.
set -eu
cd "$(dirname "$0")/../.."
if [ -x .venv/bin/python ]; then python=.venv/bin/python; else python=${PYTHON:-python3}; fi

# One file a line; those that start with # are left out.
exec "$python" -m kaleido fetch --folder retrieve --out dataset/retrieve --list - "$@" <<'FILES'
retrieve_i2t__01b600c2a5874bbfaea0bc89d855b771
retrieve_i2t__52dccf651b204ae8bbe9f8e2e1b0a077
retrieve_i2t__8bc6875d40134459b4a7da967545949c
retrieve_i2t__a08201b321d1406fb4d4d8641ad62e1e
retrieve_i2t__cdff430117d64b399b469ff89cc193ba
retrieve_t2i__05718d09802440d3b19ea87cb92eb7cc
retrieve_t2i__2779a2e0cec14254a2bd0492665e4083
retrieve_t2i__48cf4224d0a14e1abc3fe9e4aaf0a204
retrieve_t2i__5e589686d0bc4d5ba5e43e6b95346532
retrieve_t2i__c31c57c04c4e43f0b1019762591060fd
FILES
