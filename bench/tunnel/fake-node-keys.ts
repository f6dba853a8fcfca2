import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { type KeyPrefixes, prefixesOf } from '@labmesh/rosenpass/key-prefixes';
import { generateKeyPair } from '@labmesh/rosenpass/mceliece/generate/generate-key-pair';
import { publicRowBytes } from '@labmesh/rosenpass/mceliece/parameters';
import { openOwnKey, openStepContext, type OwnKeyPair, type StepContext } from '@labmesh/rosenpass/steps/step-context';

export type FakeNodeKey = { fingerprint: string; prefixes: KeyPrefixes };

export type FakeNodeKeys = {
  hubKey: FakeNodeKey;
  /** The node's public key, put into the hub's folder. Nodes are 0 … `nodesMax` - 1. */
  describe(node: number): FakeNodeKey;
  /** What the node runs its steps with. */
  context(node: number, key: FakeNodeKey): StepContext;
};

/** Each node has a column of its own. */
export const nodesMax = publicRowBytes * 8;

export const random = (bytes: number) => new Uint8Array(randomBytes(bytes));

/**
 * Keys of many nodes. A McEliece pair takes a third of a second to make. Here one is made, and each node's public key is that
 * one with one bit changed, in a column of its own: the secret half still fits unless the error vector has that column (1 in
 * 48), and then the node says its hello again, as after a loss.
 */
export async function openFakeNodeKeys(hubKeyPath: string, keysDir: string): Promise<FakeNodeKeys> {
  const hubPublicKey = new Uint8Array(readFileSync(hubKeyPath));
  const hubFingerprint = fingerprintOf(hubPublicKey);
  const base = await openStepContext(new Map([[hubFingerprint, hubPublicKey]]), random);
  const { publicKey, secretKey } = generateKeyPair(random, 'pc');
  const own = openOwnKey(base.suites, publicKey, secretKey);
  /** Made when it is looked at: two thousand of them would be a gigabyte. */
  const publicKeyOf = (node: number) => {
    const changed = publicKey.slice();
    changed[node >> 3] = (changed[node >> 3] ?? 0) ^ (1 << (node & 7));
    return changed;
  };
  const pairOf = (node: number, prefixes: KeyPrefixes): OwnKeyPair => ({
    get publicKey() {
      return publicKeyOf(node);
    },
    prefixes,
    decapsulate: (ciphertext) => own.decapsulate(ciphertext),
    [Symbol.dispose]: () => {},
  });
  return {
    hubKey: { fingerprint: hubFingerprint, prefixes: prefixesOf(base.suites, hubPublicKey) },
    describe(node) {
      const key = publicKeyOf(node);
      const fingerprint = fingerprintOf(key);
      writeFileSync(join(keysDir, `${fingerprint.slice('sha256:'.length)}.pk`), key);
      return { fingerprint, prefixes: prefixesOf(base.suites, key) };
    },
    context: (node, { prefixes }) => ({ ...base, ownKeys: new Map([[0, pairOf(node, prefixes)]]) }),
  };
}
