#!/usr/bin/env bash
# Makes one archive of all that searches for faults, for a larger machine: fuzzers and their corpora, the mutants' runner and
# plans, programs and plans of test/e2e/deaths.py and process_failures.py, and run_all.py. It runs on any x86-64 Linux with
# glibc 2.36 or later and Python 3.9.
# Usage: test/fuzz/pack.sh ARCHIVE.tar.xz [CORPUS]     CORPUS: a folder of corpora of an earlier run, by fuzzer
# Needs build/ (ftc, ftrun, RunMutants) and tools/setup.sh fuzz. Mutants run under sanitizers where
# `cmake --build build-fuzz --target RunMutants` has been called before.
set -euo pipefail

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
  echo "pack.sh: usage: test/fuzz/pack.sh ARCHIVE.tar.xz [CORPUS]" >&2
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
mkdir -p "$top"/{fuzz,mutants,lib,bin,deaths,plans}
for program in build-fuzz/fuzz/*Fuzz; do
  strip --strip-debug -o "$top/fuzz/$(basename "$program")" "$program"
done
mutants=build-fuzz/test/bin/RunMutants
[ -x "$mutants" ] || mutants=build/test/bin/RunMutants
strip --strip-debug -o "$top/bin/RunMutants" "$mutants"
strip -o "$top/bin/ftrun" "${FTC_FTRUN:-build/bin/ftrun}"
python3 test/fuzz/make_corpus.py "$top/corpus"
[ -z "$grown" ] || cp -r "$grown"/. "$top/corpus/"
test/plans/compile.sh "$top/mutants"
rm "$top"/mutants/*.log
cp test/e2e/{deaths,process_failures,resume,harness,launch}.py "$top/deaths/"
for program in deaths process_failures; do
  FTC_PLANS=$top/plans python3 -B test/e2e/$program.py compile
done
# What oneDNN brings along.
dnnl=$(ldconfig -p | sed -n 's/.*libdnnl\.so\.2 .*=> //p' | head -n 1)
if [ -z "$dnnl" ]; then
  echo "pack.sh: libdnnl.so.2 is missing; install it with tools/setup.sh build" >&2
  exit 1
fi
cp -L "$dnnl" "$top/lib/libdnnl.so.2"
for name in libgomp.so.1 libstdc++.so.6 libgcc_s.so.1; do
  cp -L "$(ldd "$dnnl" | sed -n "s|.*$name => \([^ ]*\) .*|\1|p")" "$top/lib/$name"
done
cp test/fuzz/run_all.py "$top/"
tar -C "$folder" -cf - ftc-search | xz -T0 -6 >"$archive"
echo "$archive: $(du -h "$archive" | cut -f1), unpacked $(du -sh "$top" | cut -f1)"
echo "there: tar -xf $(basename "$archive") && ftc-search/run_all.py SECONDS JOBS OUT_DIR"
