#!/usr/bin/env python3
"""A second implementation of the certificate check, which shares no code with the first: Python's standard library and
the openssl program. It checks the DSSE signature, that the payload is the statement shown, that the log entry holds the
payload's hash, the inclusion proof, and the checkpoint's signature. It knows nothing of revocation, time or claims.

    verify_certificate.py FILE.labcert TRUST.json      exit 0 and one line for each check, or 1 and the first that fails
"""

import base64
import hashlib
import json
import subprocess
import sys
import tempfile

SPKI_ED25519 = bytes.fromhex("302a300506032b6570032100")


class Refused(Exception):
    pass


def need(holds, what):
    if not holds:
        raise Refused(what)
    print("ok: " + what)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def openssl_verifies(spki, message, signature):
    with tempfile.TemporaryDirectory() as folder:
        names = {"key": spki, "message": message, "signature": signature}
        for name, content in names.items():
            with open(folder + "/" + name, "wb") as file:
                file.write(content)
        pem = ["openssl", "pkey", "-pubin", "-inform", "DER", "-in", folder + "/key", "-out", folder + "/pem"]
        subprocess.run(pem, check=True, capture_output=True)
        check = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", folder + "/pem", "-rawin"]
        check += ["-in", folder + "/message", "-sigfile", folder + "/signature"]
        return subprocess.run(check, capture_output=True).returncode == 0


def pae(kind, body):
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


def trusted_keys(trust):
    keys = {}
    for key in trust["keys"]:
        spki = base64.b64decode(key["spki"], validate=True)
        need(hashlib.sha256(spki).hexdigest() == key["keyid"], "a keyid is the hash of its key")
        if key["usage"] == "certificate":
            keys[key["keyid"]] = spki
    return keys


def check_envelope(envelope, trust):
    payload = base64.b64decode(envelope["payload"], validate=True)
    need(envelope["payloadType"] == "application/vnd.in-toto+json", "the payload is an in-toto statement")
    signed = pae(envelope["payloadType"].encode(), payload)
    keys = trusted_keys(trust)
    made_by = set()
    for signature in envelope["signatures"]:
        raw = base64.b64decode(signature["sig"], validate=True)
        made_by |= {keyid for keyid, spki in keys.items() if openssl_verifies(spki, signed, raw)}
    need(len(made_by) >= trust["threshold"], "as many trusted keys signed as have to")
    return payload, signed


def check_checkpoint(note, log):
    text, signatures = note.rsplit("\n\n", 1)
    text += "\n"
    raw_key = base64.b64decode(log["key"], validate=True)
    name = log["origin"]
    key_id = sha256(name.encode(), b"\n\x01", raw_key)[:4]
    found = False
    for line in signatures.splitlines():
        dash, signer, blob = line.split(" ")
        blob = base64.b64decode(blob, validate=True)
        if dash == "\u2014" and signer == name and blob[:4] == key_id:
            found = openssl_verifies(SPKI_ED25519 + raw_key, text.encode(), blob[4:])
    need(found, "the log's key signed the checkpoint")
    origin, size, root = text.splitlines()[:3]
    need(origin == name, "the checkpoint is of the log that is trusted")
    return int(size), base64.b64decode(root, validate=True)


def root_of(leaf, index, size, path):
    """RFC 9162 section 2.1.3.2, by the bits of the index."""
    node, last = index, size - 1
    value = leaf
    for sibling in path:
        if last == 0:
            raise Refused("the inclusion proof is too long")
        if node % 2 == 1 or node == last:
            value = sha256(b"\x01", sibling, value)
            while node % 2 == 0 and node != 0:
                node, last = node >> 1, last >> 1
        else:
            value = sha256(b"\x01", value, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise Refused("the inclusion proof is too short")
    return value


def check_proof(proof, trust, signed, certificate_id):
    head, note = proof.split("\n\n", 1)
    first, extra, place, *hashes = head.split("\n")
    need(first == "c2sp.org/tlog-proof@v1", "the proof is a tlog-proof")
    entry = base64.b64decode(extra[len("extra ") :], validate=True)
    index = int(place[len("index ") :])
    size, root = check_checkpoint(note, trust["log"])
    need(0 <= index < size, "the index is in the log")
    path = [base64.b64decode(each, validate=True) for each in hashes]
    need(root_of(sha256(b"\x00", entry), index, size, path) == root, "the inclusion proof leads to the root")
    logged = json.loads(entry)
    need(logged["kind"] == "certificate" and logged["id"] == certificate_id, "the entry is of this certificate")
    need(logged["sha256"] == hashlib.sha256(signed).hexdigest(), "the entry has the hash of what was signed")


def main():
    with open(sys.argv[1], "rb") as file:
        bundle = json.load(file)
    with open(sys.argv[2], "rb") as file:
        trust = json.load(file)
    payload, signed = check_envelope(bundle["dsse"], trust)
    statement = json.loads(payload)
    # Canonical JSON of what has ASCII keys and no fractions is what Python writes too.
    again = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    need(again == payload, "the payload is canonical JSON")
    need(bundle["statement"] == statement, "the statement shown is the one that was signed")
    certificate_id = statement["predicate"]["labmesh"]["certificate_id"]
    check_proof(bundle["tlog_proof"], trust, signed, certificate_id)


try:
    main()
except Refused as refusal:
    print("refused: not so: " + str(refusal))
    sys.exit(1)
except Exception as error:  # Whatever cannot be read is not valid.
    print("refused: " + type(error).__name__)
    sys.exit(1)
