#!/usr/bin/env bash
# Makes one archive of all that searches for faults, for a larger machine: fuzzers and their corpora, the mutants' runner and
# plans, programs and plans of test/e2e/deaths.py and process_failures.py, and run_all.py. It runs on any x86-64 Linux with
# glibc 2.36 or later and Python 3.9.
# Usage: test/fuzz/pack.sh [--fuzzers] ARCHIVE.tar.xz [CORPUS]     CORPUS: a folder of corpora of an earlier run, by fuzzer
# --fuzzers: these alone (run_all.py … fuzz), in 20 MB.
# Needs build/ (ftc, ftrun, RunMutants) and tools/setup.sh fuzz. Mutants run under sanitizers where
# `cmake --build build-fuzz --target RunMutants` has been called before.
set -euo pipefail

all=1
if [ "${1:-}" = --fuzzers ]; then
  all=0
  shift
fi
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
  echo "pack.sh: usage: test/fuzz/pack.sh [--fuzzers] ARCHIVE.tar.xz [CORPUS]" >&2
  exit 1
fi
archive=$(realpath -m "$1")
grown=${2:+$(realpath "$2")}
cd "$(dirname "$0")/../.."
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j "$(nproc)"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
top=$folder/ftc-search
mkdir -p "$top"/{fuzz,lib,bin,deaths}
for program in build-fuzz/fuzz/*Fuzz; do
  strip --strip-debug -o "$top/fuzz/$(basename "$program")" "$program"
done
python3 test/fuzz/make_corpus.py "$top/corpus"
[ -z "$grown" ] || cp -r "$grown"/. "$top/corpus/"
others() { # what is searched beside the readers, and what oneDNN brings along
  local mutants=build-fuzz/test/bin/RunMutants dnnl program name
  [ -x "$mutants" ] || mutants=build/test/bin/RunMutants
  strip --strip-debug -o "$top/bin/RunMutants" "$mutants"
  strip -o "$top/bin/ftrun" "${FTC_FTRUN:-build/bin/ftrun}"
  test/plans/compile.sh "$top/mutants"
  rm "$top"/mutants/*.log
  cp test/e2e/{deaths,process_failures,resume,harness,launch}.py "$top/deaths/"
  mkdir "$top/plans"
  for program in deaths process_failures; do
    FTC_PLANS=$top/plans python3 -B test/e2e/$program.py compile
  done
  dnnl=$(ldconfig -p | sed -n 's/.*libdnnl\.so\.2 .*=> //p' | head -n 1)
  if [ -z "$dnnl" ]; then
    echo "pack.sh: libdnnl.so.2 is missing; install it with tools/setup.sh build" >&2
    exit 1
  fi
  cp -L "$dnnl" "$top/lib/libdnnl.so.2"
  for name in libgomp.so.1 libstdc++.so.6 libgcc_s.so.1; do
    cp -L "$(ldd "$dnnl" | sed -n "s|.*$name => \([^ ]*\) .*|\1|p")" "$top/lib/$name"
  done
}
[ $all -eq 0 ] || others
cp test/fuzz/run_all.py "$top/"
# A window over all fuzzers, which share most of their code.
tar -C "$folder" -cf - ftc-search | xz -T1 --lzma2=preset=6,dict=256MiB >"$archive"
echo "$archive: $(du -h "$archive" | cut -f1), unpacked $(du -sh "$top" | cut -f1)"
echo "there: tar -xf $(basename "$archive") && ftc-search/run_all.py SECONDS JOBS OUT_DIR$([ $all -eq 1 ] || echo " fuzz")"
