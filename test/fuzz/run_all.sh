#!/usr/bin/env bash
# Runs what pack.sh has packed, on JOBS processors, and says in one file what was found.
# Usage: run_all.sh SECONDS JOBS [fuzz|mutants|deaths ...]     (default: all three)
#   fuzz     each fuzzer for SECONDS, where there is room in several copies that share a corpus
#   mutants  MUTANTS plans (default 10000), changed, of each kind an equal share
#   deaths   DEATHS (default 1000) deaths of each kind by each signal; needs Python 3
# RESULTS (default: results beside this file) takes summary.txt, logs, what was found, and the grown corpora; SEED (default 1)
# chooses mutants and moments. Exits 1 where something was found, or a part could not run.
set -uo pipefail

seconds=${1:-} jobs=${2:-}
if [[ ! "$seconds" =~ ^[1-9][0-9]*$ || ! "$jobs" =~ ^[1-9][0-9]*$ ]]; then
  echo "run_all.sh: usage: run_all.sh SECONDS JOBS [fuzz|mutants|deaths ...]" >&2
  exit 1
fi
shift 2
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(fuzz mutants deaths)
for part in "${parts[@]}"; do
  case "$part" in fuzz | mutants | deaths) ;; *)
    echo "run_all.sh: unknown part \"$part\"; there are fuzz, mutants and deaths" >&2
    exit 1
    ;;
  esac
done
here=$(cd "$(dirname "$0")" && pwd)
results=${RESULTS:-$here/results}
mkdir -p "$results"/{logs,found}
results=$(cd "$results" && pwd)
summary=$results/summary.txt
seed=${SEED:-1}
export OMP_WAIT_POLICY=PASSIVE LD_LIBRARY_PATH=$here/lib FTC_DNNL_DIR=$here/lib
: >"$summary"
note() { echo "$*" | tee -a "$summary"; }

# task NAME COMMAND...: its log is logs/NAME; at most $jobs at once.
running=0
task() {
  if [ "$running" -ge "$jobs" ]; then
    wait -n
    running=$((running - 1))
  fi
  ("$@") &
  running=$((running + 1))
}
finish() {
  wait
  running=0
}

# A fuzzer goes on behind what it finds, until its time is over or it has found much of it.
fuzz() { # fuzzer, copy
  local log=$results/logs/$1.$2 end=$((SECONDS + seconds)) finds=0 copy=$2
  while [ "$finds" -lt 10 ] && [ "$SECONDS" -lt "$end" ]; do
    "$here/fuzz/$1" "$here/corpus/$1" -max_total_time=$((end - SECONDS)) -timeout=10 -rss_limit_mb=2048 -reload=10 \
      -artifact_prefix="$results/found/$1-" >>"$log" 2>&1 && break
    finds=$((finds + 1))
  done
  local runs
  runs=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$log" | tail -n 1)
  echo "$1.$copy: ${runs:-0} runs in the last part, ended early $finds times" >"$log.end"
  return "$finds"
}

mutants() { # plan, count, seed
  local name
  name=$(basename "$1" .bin)
  local log=$results/logs/mutants-$name.$3 folder
  folder=$(mktemp -d)
  "$here/bin/RunMutants" "$1" "$2" "$3" "$folder" >"$log" 2>&1
  local code=$?
  [ "$code" -eq 0 ] || cp "$folder"/mutant-*.bin "$results/found/" 2>/dev/null
  rm -rf "$folder"
  echo "mutants of $name from seed $3: $(tail -n 4 "$log" | tr '\n' ' ')" >"$log.end"
  [ "$code" -eq 0 ] || grep -v '^exit code' "$log" >>"$log.end"
}

deaths() { # test, count, seed
  local log=$results/logs/deaths-$1.$3
  (cd "$here/deaths" && FTC_DEATHS=$2 FTC_DEATH_SEED=$3 FTC_DEATH_PLANS=$here/deaths/plans FTC_FTRUN=$here/bin/ftrun \
    python3 -B deaths.py "$1") >"$log" 2>&1
  local code=$?
  echo "deaths $1: $(grep -h 'deaths,' "$log" || echo "exit code $code")" >"$log.end"
  [ "$code" -eq 0 ] || grep -E 'Error|seed' "$log" | cut -c1-400 | head -n 20 >>"$log.end"
  return "$code"
}

note "$(date -u +%FT%TZ), $(nproc) processors, $jobs at once, $seconds s, seed $seed: ${parts[*]}"
failed=0
for part in "${parts[@]}"; do
  begin=$SECONDS
  case "$part" in
  fuzz)
    programs=("$here"/fuzz/*Fuzz)
    copies=$((jobs / ${#programs[@]}))
    for ((copy = 0; copy < (copies > 0 ? copies : 1); ++copy)); do
      for program in "${programs[@]}"; do
        task fuzz "$(basename "$program")" "$copy"
      done
    done
    ;;
  mutants)
    plans=("$here"/mutants/*.bin)
    slice=100
    each=$(((${MUTANTS:-10000} + ${#plans[@]} - 1) / ${#plans[@]}))
    for ((first = 0; first < each; first += slice)); do
      for plan in "${plans[@]}"; do
        task mutants "$plan" $((each - first < slice ? each - first : slice)) $((seed + first))
      done
    done
    ;;
  deaths)
    if ! command -v python3 >/dev/null; then
      note "deaths: python3 is missing; nothing was run"
      failed=1
      continue
    fi
    slice=50
    for ((first = 0; first < ${DEATHS:-1000}; first += slice)); do
      for kind in Deaths DeathsOfShares DeathsOfProcesses; do
        for how in sigkill sigterm sigint; do
          task deaths "$kind.test_$how" $((${DEATHS:-1000} - first < slice ? ${DEATHS:-1000} - first : slice)) $((seed + first))
        done
      done
    done
    ;;
  esac
  finish
  note "== $part: $((SECONDS - begin)) s"
  cat "$results"/logs/*.end | sort >>"$summary"
  rm -f "$results"/logs/*.end
done
cp -r "$here/corpus" "$results/" 2>/dev/null
finds=$(find "$results/found" -type f | sort)
if [ -n "$finds" ]; then
  failed=1
  note "== found"
  note "$finds"
  grep -hE 'ERROR: |runtime error|SUMMARY|signal [0-9]+|exit code [4-9]' "$results"/logs/* | sort | uniq -c | sort -rn | head -n 60 | tee -a "$summary"
fi
grep -qE 'FAILED|Error' "$results"/logs/deaths-* 2>/dev/null && failed=1
note "$([ "$failed" -eq 0 ] && echo "nothing was found" || echo "something was found, or did not run: $summary")"
exit "$failed"
