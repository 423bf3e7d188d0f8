#!/bin/bash
# Cells of the plan in this folder through GNU parallel over ssh, one at a time on each host. Nothing need be shared:
# the plan, its models and bin/ go to each host once, results come back.
#   bash parallel.sh               every cell; run it again and it goes on where it was, failed ones again
#   bash parallel.sh missing.txt   only the cells of that file (`fleet collect` writes one)
#   FLEET_HOSTS=a,user@b           hosts of a plan without --nodes (this machine)
#   FLEET_SIGN_KEY=/path/of/key    a key of each host, which signs its results
#   FLEET_SSH='ssh -p 2222'  FLEET_RETRIES=3  FLEET_FOLDER=whichquant-fleet   how, how often, where on the hosts
set -eu
only=${1-}
if [ -n "$only" ]; then only=$(CDPATH= cd -- "$(dirname -- "$only")" && pwd)/$(basename -- "$only"); fi
[ -z "$only" ] || [ -r "$only" ] || { echo "parallel.sh: cannot read $only" >&2; exit 1; }
dir=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
cd -- "$dir"
export PARALLEL_SHELL=/bin/sh # one quoting everywhere, whatever the login shells are, or where SHELL is not set
command -v parallel >/dev/null || { echo "parallel.sh: install GNU parallel" >&2; exit 1; }
folder=${FLEET_FOLDER:-whichquant-fleet}/$(sha256sum plan.json | cut -c1-12)
files=(--basefile plan.json --basefile cells.jsonl --basefile run-cell.sh)
for file in bin/*/* models/*; do if [ -e "$file" ]; then files+=(--basefile "$file"); fi; done

# Hosts of different groups measure at the same time; what may run anywhere waits until they are free.
run_group() { # name hosts
    local log=logs/$1.joblog ids=groups/$1.txt options=() hosts host
    if [ -n "$only" ]; then
        ids=logs/$1.missing log=logs/$1.missing.joblog
        grep -xFf "$only" "groups/$1.txt" >"$ids" || return 0
        rm -f "$log"
    elif [ -s "$log" ]; then
        options+=(--resume-failed)
    fi
    if [ "$2" = - ]; then set -- "$1" "${FLEET_HOSTS-:}"; fi
    if [ "$2" != : ]; then
        IFS=, read -ra hosts <<<"$2"
        for host in "${hosts[@]}"; do options+=(--sshlogin "$host"); done
        options+=(--workdir "$folder" "${files[@]}" --return 'results/{}')
    fi
    # -q: names with spaces stay what they are, also on the other side
    parallel --will-cite --ssh "${FLEET_SSH:-ssh}" -j1 --retries "${FLEET_RETRIES:-3}" --joblog "$log" "${options[@]}" \
        -q sh ./run-cell.sh {} --results results -q ${FLEET_SIGN_KEY:+--sign-key "$FLEET_SIGN_KEY"} :::: "$ids"
}
failed=0 pids=()
while IFS=$'\t' read -r group _ nodes _; do
    case $group in 0 | 0.*) continue ;; esac
    run_group "$group" "$nodes" </dev/null &
    pids+=($!)
done <groups.tsv
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
while IFS=$'\t' read -r group _ nodes _; do
    case $group in 0 | 0.*) run_group "$group" "$nodes" </dev/null || failed=1 ;; esac
done <groups.tsv
[ $failed = 0 ] || { echo "parallel.sh: some cells have no result; run it again, or look at logs/*.joblog" >&2; exit 1; }
