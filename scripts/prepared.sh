# Sourced in the top folder: sets DATASET to the one that is prepared under dataset/, if it is not set.
if [ -z "${DATASET:-}" ]; then
  found=0
  for info in dataset/*/records/dataset_info.json; do
    [ -f "$info" ] || continue
    found=$((found + 1))
    DATASET=$(basename "$(dirname "$(dirname "$info")")")
  done
  if [ "$found" -ne 1 ]; then
    echo "$0: $found data sets are prepared under dataset/; prepare one with 'kaleido prepare', or name one: DATASET=... sh $0" >&2
    exit 2
  fi
fi
