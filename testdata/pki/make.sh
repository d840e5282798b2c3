#!/bin/sh
# Makes the certificates of this folder anew. Keys of tests: worth nothing anywhere else.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
from=20200101000000Z until=21200101000000Z
key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }

# sign NAME SUBJECT ISSUER USAGE SAN [FROM UNTIL]; an issuer's name is that of its file
sign() {
    name=$1 subject=$2 issuer=$3 usage=$4 san=$5
    key "$name.key"
    : > "$work/index"; echo "00" > "$work/serial"; rm -f "$work/index.attr"
    {
        printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nserial=%s/serial\nnew_certs_dir=%s\n' "$work" "$work" "$work"
        printf 'default_md=sha256\npolicy=p\nrand_serial=yes\n[p]\ncommonName=supplied\norganizationName=optional\n'
        printf '[x]\nkeyUsage=critical,%s\n' "$([ "$usage" = ca ] && echo keyCertSign || echo digitalSignature)"
        printf 'basicConstraints=critical,CA:%s\n' "$([ "$usage" = ca ] && echo TRUE || echo FALSE)"
        [ "$usage" = ca ] || printf 'extendedKeyUsage=%s\n' "$usage"
        [ -z "$san" ] || printf 'subjectAltName=%s\n' "$san"
    } > "$work/config"
    openssl req -new -key "$name.key" -subj "$subject" -out "$work/request" -config /dev/null 2>/dev/null ||
        openssl req -new -key "$name.key" -subj "$subject" -out "$work/request"
    self=; [ "$issuer" = "$name" ] && self=-selfsign
    openssl ca -batch -notext $self -config "$work/config" -extensions x -in "$work/request" -out "$name.crt" \
        -startdate "${6:-$from}" -enddate "${7:-$until}" -preserveDN -keyfile "$issuer.key" \
        $([ -n "$self" ] || echo -cert "$issuer.crt") 2>/dev/null
}

sign ca '/CN=kubernetes' ca ca ''
sign own-ca '/CN=node1-ca@1795212364' own-ca ca ''
# As kubelet makes them by itself: a certificate and its own CA in one file.
sign kubelet '/CN=node1@1795212364' own-ca serverAuth DNS:node1
sign expired '/CN=node1@1600000000' own-ca serverAuth DNS:node1 20200101000000Z 20210101000000Z
cat own-ca.crt >> kubelet.crt; cat own-ca.crt >> expired.crt
sign stranger '/CN=stranger' stranger serverAuth DNS:node1,IP:127.0.0.1
# As the cluster's CA signs them.
sign serving '/O=system:nodes/CN=system:node:node1' ca serverAuth DNS:node1,IP:10.0.2.15
sign serving-expired '/O=system:nodes/CN=system:node:node1' ca serverAuth DNS:node1 20200101000000Z 20210101000000Z
sign serving-node2 '/O=system:nodes/CN=system:node:node2' ca serverAuth DNS:node2,IP:10.0.2.16
sign apiserver '/CN=kube-apiserver' ca serverAuth DNS:kubernetes,IP:127.0.0.1
sign client '/O=system:nodes/CN=system:node:node1' ca clientAuth ''
sign admin '/O=system:masters/CN=kubernetes-admin' ca clientAuth ''
# Both in one file, as kubelet keeps its own.
cat client.crt client.key > kubelet-client-current.pem
rm -f own-ca.crt own-ca.key ca.key
