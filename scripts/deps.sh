#!/bin/sh
# Installs what tests call: readelf and strings (binutils), mkfifo and chroot (coreutils), zstd, mount and setpriv (util-linux),
# python3 for a file system that hangs, containerd with runc, busybox (static) and curl for real pods,
# go for `go tool pprof`, and compilers of programs whose profile is known.
set -eu
missing=
for tool in readelf:binutils strings:binutils zstd:zstd setpriv:util-linux mount:mount python3:python3 \
    containerd:containerd runc:runc curl:curl \
    cc:gcc c++:g++ go:golang-go; do
    command -v "${tool%%:*}" >/dev/null || missing="$missing ${tool##*:}"
done
# A busybox that needs no library: its package leaves the name to the other one where both are installed.
[ -x /bin/busybox ] && ! readelf -l /bin/busybox 2>/dev/null | grep -q INTERP || missing="$missing busybox-static"
if [ -z "$missing" ]; then
    :
elif [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
else
    echo "please install:$missing" >&2
    exit 1
fi
# Manifests are compared with the API's published schema; without it that test says that it was skipped.
command -v kubernetes-validate >/dev/null ||
    python3 -m pip install --quiet --break-system-packages kubernetes-validate 2>/dev/null ||
    python3 -m pip install --quiet kubernetes-validate 2>/dev/null ||
    echo "without kubernetes-validate (pip): manifests are not validated" >&2
# What our exports are made for: without npm those tests say that they were skipped.
npm=$(dirname "$0")/../target/npm
[ -d "$npm/node_modules/@firefox-devtools/profiler-cli" ] ||
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$npm" \
        speedscope@1 ajv@8 @firefox-devtools/profiler-cli@0 >/dev/null 2>&1 ||
    echo "without npm: exports are not opened by speedscope and Firefox's profiler" >&2
