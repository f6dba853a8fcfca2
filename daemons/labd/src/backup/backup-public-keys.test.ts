import { errorOf } from '@labmesh/wire/testing/errors';
import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { openStore } from '@labmesh/store/open-store';
import { rosenpassPublicKeyBytes } from '@labmesh/wire/tunnel';
import { fingerprintOf, PublicKeyFiles } from '../nodes/public-key-files.ts';
import { isPublicKeyFile, publicKeyOf } from './backup-public-keys.ts';
import { openBackupGround, principal } from './testing/backup-ground.ts';
import { restore, verify } from './testing/restored.ts';

setDefaultTimeout(60_000);
const keyOf = (byte: number) => new Uint8Array(rosenpassPublicKeyBytes).fill(byte);

/** A ground whose tunnel peers have these fingerprints. */
async function openGround(fingerprints: readonly string[]) {
  const ground = await openBackupGround();
  await ground.store.write(principal, async (tx) => {
    const like = await tx.selectFrom('tunnel_peers').selectAll().limit(1).executeTakeFirstOrThrow();
    await tx.deleteFrom('tunnel_peers').execute();
    const rows = fingerprints.map((rosenpass_sha256, at) => ({
      ...like,
      id: `peer-${at}`,
      node_id: null,
      name: `peer-${at}`,
      address: `10.90.0.${at + 2}`,
      wireguard_public_key: `key ${at}`,
      rosenpass_sha256,
    }));
    await tx.insertInto('tunnel_peers').values(rows).execute();
  });
  return ground;
}

describe('public keys of the tunnel in a backup (K7, BK-1)', () => {
  test('those that rows name come back, byte for byte; one that is not there is left out', async () => {
    const keys = [keyOf(1), keyOf(2)];
    const gone = fingerprintOf(keyOf(9));
    await using ground = await openGround([...keys.map(fingerprintOf), gone]);
    const files = new PublicKeyFiles(ground.path('keys'));
    for (const key of [...keys, keyOf(7)]) await files.write(key);
    await ground.backup({ publicKeys: files });
    expect((await verify(ground.path('x.labbak'), ground.keys, { chain: ground.chain })).manifest.version).toBe(1);
    await using store = await openStore({ url: 'sqlite::memory:' });
    const restored = new PublicKeyFiles(ground.path('restored'));
    await restore({ store, path: ground.path('x.labbak'), keys: ground.keys, publicKeys: restored });
    const names = keys.map((key) => `${fingerprintOf(key).slice(7)}.pk`);
    // The third belongs to nobody.
    expect(readdirSync(ground.path('restored')).toSorted()).toEqual(names.toSorted());
    for (const key of keys) expect(await restored.read(fingerprintOf(key))).toEqual(key);
    expect(await restored.read(gone)).toBeUndefined();
  });

  test('a backup without keys, and a restore that wants none, go on as before', async () => {
    await using ground = await openGround([fingerprintOf(keyOf(1))]);
    await ground.backup();
    await using store = await openStore({ url: 'sqlite::memory:' });
    const restored = new PublicKeyFiles(ground.path('restored'));
    await restore({ store, path: ground.path('x.labbak'), keys: ground.keys, publicKeys: restored });
    expect(await restored.read(fingerprintOf(keyOf(1)))).toBeUndefined();
  });

  test('a key that is not what its name says, or has another length, is refused', async () => {
    const name = `keys/${fingerprintOf(keyOf(3)).slice(7)}.pk`;
    // oxlint-disable-next-line typescript/require-await -- a body is asynchronous
    const entry = (key: Uint8Array) => ({
      name,
      size: key.length,
      body: (async function* one() {
        yield key;
      })(),
    });
    expect(await publicKeyOf(entry(keyOf(3)))).toEqual(keyOf(3));
    expect(await errorOf(publicKeyOf(entry(keyOf(4))))).toBeInstanceOf(SyntaxError);
    expect(await errorOf(publicKeyOf(entry(new Uint8Array(9))))).toBeInstanceOf(RangeError);
    for (const other of ['keys/x.pk', `keys/../${'a'.repeat(64)}.pk`, `tables/${'a'.repeat(64)}.pk`])
      expect(isPublicKeyFile(other)).toBe(false);
  });
});
