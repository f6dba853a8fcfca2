import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { decapsulate, prepareSecretKey } from '@labmesh/rosenpass/mceliece/decapsulate';
import { encapsulate } from '@labmesh/rosenpass/mceliece/encapsulate';
import { generateKeyPair } from '@labmesh/rosenpass/mceliece/generate/generate-key-pair';
import { joinSecretKey, splitSecretKey } from '@labmesh/rosenpass/mceliece/secret-key';
import { liboqsPeer, pqcleanPeer, type Peer, type Variant } from './peers.ts';

/** Compares with other implementations: see README.md. Exit code 1 when one answer differs. */
const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '3' },
    self: { type: 'string', default: '0' },
    liboqs: { type: 'string' },
    pqclean: { type: 'string' },
    save: { type: 'string' },
  },
});
const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
const ciphertextsPerKey = 5;
let differences = 0;

function compare(what: string, found: Uint8Array | undefined, expected: Uint8Array): void {
  if (found !== undefined && Buffer.from(found).equals(expected)) return;
  differences++;
  console.log(`DIFFERENT ${what}`);
}

/** One bit changed: never another vector of weight 96. */
function changed(ciphertext: Uint8Array, place: number): Uint8Array {
  const copy = ciphertext.slice();
  copy[place % copy.length] = (copy[place % copy.length] ?? 0) ^ (1 << (place & 7));
  return copy;
}

type Answer = { ciphertext: string; key: string };

/** All directions with one key; gives the peer's answers, the last one to a changed ciphertext. */
function checkKey(peer: Peer, what: string, publicKey: Uint8Array, secretKey: Uint8Array): Answer[] {
  using prepared = prepareSecretKey(secretKey);
  const theirs = peer.encapsulate(publicKey, ciphertextsPerKey);
  for (const { ciphertext, key } of theirs) compare(`${what}: theirs to us`, decapsulate(prepared, ciphertext), key);
  const ours = Array.from({ length: ciphertextsPerKey }, () => encapsulate(publicKey, peer.encoding, random));
  const opened = peer.decapsulate(
    secretKey,
    ours.map(({ ciphertext }) => ciphertext),
  );
  ours.forEach(({ key }, i) => compare(`${what}: ours to them`, opened[i], key));
  const bad = ours.map(({ ciphertext }, i) => changed(ciphertext, 29 * i + 3));
  const rejected = peer.decapsulate(secretKey, bad);
  bad.forEach((ciphertext, i) => compare(`${what}: changed`, rejected[i], decapsulate(prepared, ciphertext)));
  const all = [...theirs, ...bad.slice(0, 1).map((ciphertext, i) => ({ ciphertext, key: rejected[i] ?? ciphertext }))];
  return all.map(({ ciphertext, key }) => ({ ciphertext: ciphertext.toBase64(), key: key.toHex() }));
}

function checkPeer(peer: Peer, keys: number) {
  const saved = (['460896', '460896f'] as const).map((variant: Variant) => {
    let last: { publicKey: Uint8Array; secretKey: Uint8Array } = peer.generate(variant);
    let answers: Answer[] = [];
    for (let i = 0; i < keys; i++) {
      last = peer.generate(variant);
      answers = checkKey(peer, `${peer.name} ${variant} key ${i}`, last.publicKey, last.secretKey);
    }
    console.log(`${peer.name}: ${keys} of its ${variant} keys, both directions and changed: done`);
    return { peer: peer.name, variant, secret: last.secretKey.toBase64(), answers };
  });
  for (let i = 0; i < keys; i++) {
    const { publicKey, secretKey } = generateKeyPair(random, i % 2 === 0 ? 'pc' : 'r4');
    const secret = joinSecretKey(splitSecretKey(secretKey), peer.layout, random(32));
    checkKey(peer, `our key ${i} at ${peer.name}`, publicKey, secret);
  }
  console.log(`${peer.name}: ${keys} of our keys, both directions and changed: done`);
  return saved;
}

function checkSelf(keys: number): void {
  for (let i = 0; i < keys; i++) {
    const { publicKey, secretKey } = generateKeyPair(random, i % 2 === 0 ? 'pc' : 'r4');
    using prepared = prepareSecretKey(secretKey);
    for (const encoding of ['pc188', 'r4-156'] as const) {
      const { ciphertext, key } = encapsulate(publicKey, encoding, random);
      compare(`own key ${i}, ${encoding}`, decapsulate(prepared, ciphertext), key);
    }
  }
  console.log(`own: ${keys} keys, both encodings: done`);
}

checkSelf(Number(values.self));
const peers = [
  ...(values.liboqs === undefined ? [] : [await liboqsPeer(values.liboqs)]),
  ...(values.pqclean === undefined ? [] : [pqcleanPeer(values.pqclean)]),
];
const saved = peers.flatMap((peer) => checkPeer(peer, Number(values.keys)));
if (values.save !== undefined) writeFileSync(values.save, `${JSON.stringify(saved, null, 1)}\n`);
console.log(`${differences} differences`);
process.exitCode = differences === 0 ? 0 : 1;
