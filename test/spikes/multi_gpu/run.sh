#!/bin/bash
# Builds and runs every part on a machine with two GPUs, within 4 minutes. Table last; $OUT/spike.json and $OUT/log when
# OUT is set.
cd "$(dirname "$0")" || exit 2
budget=${BUDGET:-235}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=$work/log
export SPIKE_JSON=$work/json NCCL_NVLS_ENABLE=0 NCCL_DEBUG=${NCCL_DEBUG:-WARN}

first() { for f in "$@"; do [ -e "$f" ] && { echo "$f"; return; }; done; }
site=$(python3 -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null)
cuda=${CUDA_HOME:-/usr/local/cuda}
export PATH=$PATH:$cuda/bin
nccl=$(dirname "$(first "$site"/nccl/lib/libnccl.so.2 "$cuda"/lib/libnccl.so.2 "$cuda"/lib64/libnccl.so.2 \
  /usr/lib/x86_64-linux-gnu/libnccl.so.2)")
nccl_inc=$(dirname "$(first "$site"/nccl/include/nccl.h "$cuda"/include/nccl.h /usr/include/nccl.h)")
lt=$(dirname "$(first "$site"/cu13/lib/libcublasLt.so.13 "$cuda"/lib64/libcublasLt.so.13 \
  "$site"/cublas/lib/libcublasLt.so.13)")
lt_inc=$(dirname "$(first "$cuda"/include/cublasLt.h "$site"/cu13/include/cublasLt.h \
  "$site"/cublas/include/cublasLt.h)")
# libcuda.so.1 itself where no stub is installed.
stub=$cuda/lib64/stubs driver=-lcuda
if [ ! -e "$stub/libcuda.so" ]; then
  driver=-l:libcuda.so.1
  stub=$(dirname "$(ldconfig -p | awk '/libcuda.so.1/{print $NF; exit}')")
fi
# Behind the toolkit's own headers: the folder of cublasLt.h may hold those of another version.
inc=(-I"$nccl_inc")
[ "$lt_inc" = "$cuda/include" ] || inc+=(-Xcompiler -idirafter -Xcompiler "$lt_inc")
nvcc -arch=sm_90 -O2 -std=c++17 "${inc[@]}" -o "$work/spike" spike.cu -L"$nccl" -L"$lt" -L"$stub" \
  $driver -l:libcublasLt.so.13 -l:libnccl.so.2 -Xlinker -rpath,"$nccl" -Xlinker -rpath,"$lt" -lpthread ||
  { echo "build failed (nccl $nccl $nccl_inc, cublasLt $lt $lt_inc)"; exit 1; }
echo "built in $SECONDS s; nccl $nccl, cublasLt $lt"
{ nvidia-smi --query-gpu=index,name,driver_version,clocks.sm,power.limit --format=csv,noheader; nvidia-smi topo -m; \
  nvidia-smi nvlink -s; } 2>&1 | head -60 >"$log"
head -16 "$log"

part() { # at most 60 s, and what is left of the budget
  local left=$((budget - SECONDS)) start=$SECONDS rc
  [ $left -gt 60 ] && left=60
  [ $left -lt 5 ] && { echo "| part $* | SKIPPED: no time left" | tee -a "$log"; return 9; }
  timeout -k 2 $left "$work/spike" "$@" >"$work/part" 2>&1
  rc=$?
  cat "$work/part" >>"$log"
  grep -v '^|' "$work/part"
  echo "part $*: rc $rc, $((SECONDS - start)) s" | tee -a "$log"
  grep -q '^HANG' "$work/part" && echo "| part $* | $(grep '^HANG' "$work/part" | head -1)" >>"$log"
  [ $rc = 124 ] && echo "| part $* | TIMED OUT" >>"$log"
  [ $rc -gt 128 ] && echo "| part $* | DIED, rc $rc" >>"$log"
  return $rc
}
part capture
part spin
forms=multi,nccl caps=
part memop && { forms=memop,$forms; caps=memop; }
part caps $caps
for again in 1 2 3; do # a form that hangs is left out and the rest runs again
  part gather $forms
  [ $? = 3 ] || break
  case "$(grep '^HANG' "$work/part")" in
    *memop*) hung=memop ;;
    *"one graph"*) hung=multi ;;
    *NCCL* | *nccl*) hung=nccl ;;
    *) break ;;
  esac
  forms=$(echo $forms | tr , '\n' | grep -vx $hung | paste -sd,)
  [ -n "$forms" ] || forms=none
done
part reduce f32
part latency
part reduce adapters
part reduce bf16
echo
echo "== $SECONDS s =="
grep '^|' "$log"
[ -n "$OUT" ] || exit 0
mkdir -p "$OUT" && cp "$log" "$OUT/log" && python3 - "$work/json" "$OUT/spike.json" <<'P'
import json, re, sys
# C prints what JSON has no word for.
rows = [json.loads(re.sub(r'(?<=:)-?(nan|inf)\b', 'null', line)) for line in open(sys.argv[1])]
json.dump(rows, open(sys.argv[2], 'w'), indent=0)
P
