#!/bin/bash
# Cells of the plan in this folder as Slurm job arrays, one for each group of nodes. The folder must be on a file system
# that all nodes see.
#   bash slurm.sh                 every cell; those that have a result already do nothing
#   bash slurm.sh missing.txt     only the cells of that file (`fleet collect` writes one)
#   SBATCH='-p measure -A acct'   further options of sbatch;  FLEET_AT_ONCE=4   at most so many cells of a group at once
# It prints the ids of the arrays.
if [ "${1-}" = --job ]; then # what sbatch starts on a node: dir group
    cd -- "$2" || exit 1
    id=$(sed -n "${SLURM_ARRAY_TASK_ID}p" "groups/$3.txt")
    [ -n "$id" ] || { echo "groups/$3.txt has no line $SLURM_ARRAY_TASK_ID" >&2; exit 1; }
    exec sh ./run-cell.sh "$id"
fi
set -eu
set -f # SBATCH is split into words, not into files
only=${1-}
if [ -n "$only" ]; then only=$(CDPATH= cd -- "$(dirname -- "$only")" && pwd)/$(basename -- "$only"); fi
dir=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
cd -- "$dir"
while IFS=$'\t' read -r group constraint _ cells mem_mib minutes; do
    tasks=1-$cells
    if [ -n "$only" ]; then
        [ -r "$only" ] || { echo "slurm.sh: cannot read $only" >&2; exit 1; }
        tasks=$(grep -nxFf "$only" "groups/$group.txt" | cut -d: -f1 | paste -sd, -) || true
        [ -n "$tasks" ] || continue
    fi
    options=(--exclusive --requeue --mem="${mem_mib}M" --time="$minutes" --chdir="$dir" --output=logs/%A_%a.txt
        --open-mode=append --job-name="whichquant-$group" --array="$tasks${FLEET_AT_ONCE:+%$FLEET_AT_ONCE}")
    if [ "$constraint" != - ]; then options+=(--constraint="$constraint"); fi
    # shellcheck disable=SC2206
    options+=(${SBATCH-})
    sbatch --parsable "${options[@]}" "$dir/slurm.sh" --job "$dir" "$group"
done <groups.tsv
