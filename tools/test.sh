#!/usr/bin/env bash
# Installs what is missing, builds everything, checks format and lint, runs every test that needs no GPU, and each reader's
# fuzzer for a minute.
# Usage: tools/test.sh [--yes]   (--yes installs packages without asking)
# Leaves build/bin/ftc and build/bin/ftrun.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
"" | --yes) ;;
*)
  echo "test.sh: unknown argument \"$1\"; usage: tools/test.sh [--yes]" >&2
  exit 1
  ;;
esac
jobs=$(nproc)
# A second clone of the same sources finds what the first has compiled.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$PWD}
started=$SECONDS
phase() { echo "== $1 (after $((SECONDS - started)) s)"; }

phase "packages"
tools/setup.sh "$@" build test fuzz

phase "format"
# Every file that is not formatted is named; clang-format alone would stop reading at its limit of warnings.
unformatted=()
while IFS= read -r file; do
  clang-format-14 --dry-run -Werror "$file" >/dev/null 2>&1 || unformatted+=("$file")
done < <(git ls-files '*.cpp' '*.h')
if [ ${#unformatted[@]} -gt 0 ]; then
  printf 'not formatted: %s\n' "${unformatted[@]}" >&2
  echo "test.sh: ${#unformatted[@]} files differ from .clang-format; run: clang-format-14 -i FILE" >&2
  exit 1
fi

phase "configure and build"
cmake --preset default
cmake --build build -j "$jobs"

phase "lint"
# What reads untrusted files: few sources, since each takes seconds.
git ls-files 'runtime/Config/*.cpp' 'runtime/Support/*.cpp' 'runtime/Plan/PlanFile.cpp' 'runtime/Plan/Verify.cpp' | grep -v 'Test\.cpp$' |
  xargs -P "$jobs" -n 1 clang-tidy-14 -p build --quiet --warnings-as-errors='*' 2> >(grep -v 'warnings generated' >&2)

phase "tests"
# Several programs with a team of threads each share the cores here: waiting threads must sleep, not spin.
export OMP_WAIT_POLICY=PASSIVE
ctest --preset default -j "$jobs"

phase "fuzzers"
# Ten seconds each where the machine was slow so far. The same commit starts from the same chance.
seconds=60
[ $((SECONDS - started)) -lt 2400 ] || seconds=10
FTC_FUZZ_SEED=$((16#$(git rev-parse HEAD | cut -c1-7))) test/fuzz/run.sh "$seconds"
