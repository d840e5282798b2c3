#!/bin/sh
# The collector must run on any node: no interpreter, no library, no name resolution, small, and in
# an empty root.
set -eu
binary=$1
limit_bytes=$((15 * 1024 * 1024))
fail() { echo "check-static: $*" >&2; exit 1; }

size=$(wc -c < "$binary")
[ "$size" -lt "$limit_bytes" ] || fail "$binary has $size bytes, limit $limit_bytes"
if readelf -lW "$binary" | grep -q INTERP; then fail "$binary has an interpreter"; fi
if readelf -dW "$binary" | grep -q NEEDED; then fail "$binary needs libraries"; fi
# A static glibc that resolves names loads the node's NSS modules, and may crash in them.
if strings -a "$binary" | grep -qE '^(getaddrinfo|/etc/nsswitch.conf)$'; then
    fail "$binary resolves names"
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "check-static: skipped the empty root: not root"
else
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    cp "$binary" "$root/collect"
    status=0
    chroot "$root" /collect --window 0 -q -o /bundle.tar.zst > /dev/null 2>&1 || status=$?
    # 3: there is no /proc in an empty root, and the collector says so.
    [ "$status" -eq 3 ] || fail "exit code $status in an empty root"
    [ -s "$root/bundle.tar.zst" ] || fail "no bundle in an empty root"
fi
echo "check-static: $binary is static, $size bytes"
