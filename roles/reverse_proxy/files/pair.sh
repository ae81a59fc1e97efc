#!/bin/sh
# Says what is wrong with the certificates and the key on its input, in PEM; nothing when they make a pair.
set -u
command -v openssl >/dev/null || { echo "needs openssl on the controller"; exit; }
pem=$(cat)
of() { printf '%s\n' "$pem" | openssl "$@" 2>/dev/null; }
certificate=$(of x509 -noout -pubkey) || { echo "certificate is not the PEM text of one (-----BEGIN CERTIFICATE-----)"; exit; }
key=$(of pkey -pubout -passin pass:) || { echo "key is not the PEM text of a private key without a passphrase"; exit; }
[ "$certificate" = "$key" ] || { echo "certificate is for another key (the site's own certificate comes first, then the intermediate ones)"; exit; }
of crl2pkcs7 -nocrl -certfile /dev/stdin >/dev/null || echo "certificate is followed by something that is none"
