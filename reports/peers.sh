#!/usr/bin/env bash
# Ours and Unsloth in turn on the GPU of this machine, under sustained load: tokens/s, memory by both meters, and budgets
# from the peer's least bytes to its most.
# peers.sh BIN_DIR OUT_DIR PEERS_DIR [SECONDS]: BIN_DIR holds ftc and ftrun (FTC_FTC and FTC_FTRUN name others); PEERS_DIR
# holds bench_peers.py and models.py, and in site/ what they import beyond torch and transformers. Stops in time for SECONDS
# (540); the same command again measures what is missing in OUT_DIR, and writes the table of all of it.
set -eu
export FTC_FTC=${FTC_FTC:-$1/ftc} FTC_FTRUN=${FTC_FTRUN:-$1/ftrun}
out=$2 peers=$(cd "$3" && pwd) seconds=${4:-540}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
export PYTHONPATH=$peers/site:$peers PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True PYTHONUNBUFFERED=1
exec python3 "$here/peers.py" --out "$out" --peers "$peers" --seconds "$seconds" --gpu "${FTC_TARGET:-h200}"
