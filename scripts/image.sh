#!/bin/sh
# Makes an OCI image archive that holds the static binary and nothing else: scripts/image.sh BINARY ARCHIVE.
# Same binary, same bytes. `ctr images import`, `docker load`, `skopeo copy oci-archive:` and `crane push` take it.
set -eu
binary=$1 archive=$2
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$(dirname "$0")/../Cargo.toml" | head -n 1)
case $(od -An -tx1 -j18 -N2 "$binary" | tr -d ' ') in # e_machine of the ELF header
    3e00) architecture=amd64 ;;
    b700) architecture=arm64 ;;
    *) echo "$binary: not a binary for x86-64 or aarch64" >&2; exit 1 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/layer" "$work/image/blobs/sha256"
install -m 0755 "$binary" "$work/layer/collect"
pack() { # pack FOLDER ARCHIVE: the same bytes every time
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar -C "$1" -cf "$2" .
}
digest() { sha256sum "$1" | cut -d' ' -f1; }
size() { wc -c <"$1" | tr -d ' '; }
blob() { # blob FILE: stores it under its digest and tells it
    sum=$(digest "$1")
    mv "$1" "$work/image/blobs/sha256/$sum"
    echo "$sum"
}
pack "$work/layer" "$work/layer.tar"
layer_size=$(size "$work/layer.tar")
layer=$(blob "$work/layer.tar")
printf '{"architecture":"%s","os":"linux","config":{"Entrypoint":["/collect"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$architecture" "$layer" >"$work/config"
config_size=$(size "$work/config")
config=$(blob "$work/config")
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":%s}]}' \
    "$config" "$config_size" "$layer" "$layer_size" >"$work/manifest"
manifest_size=$(size "$work/manifest")
manifest=$(blob "$work/manifest")
name=ghcr.io/freezeframe/collect:$version
printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"platform":{"architecture":"%s","os":"linux"},"annotations":{"io.containerd.image.name":"%s","org.opencontainers.image.ref.name":"%s"}}]}' \
    "$manifest" "$manifest_size" "$architecture" "$name" "$version" >"$work/image/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' >"$work/image/oci-layout"
pack "$work/image" "$archive"
