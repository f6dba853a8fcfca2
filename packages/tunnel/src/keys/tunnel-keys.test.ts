import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@labmesh/kit/log';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { readPublicKey } from './public-key-files.ts';
import { TunnelKeys } from './tunnel-keys.ts';

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'labmesh-keys-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const keysDir = () => join(folder, 'keys');
const open = () =>
  TunnelKeys.open({
    wireguard: { privateKeyPath: join(folder, 'wg.key'), publicKeyPath: join(folder, 'wg.pub') },
    rosenpass: { privateKeyPath: join(folder, 'pqsk'), publicKeyPath: join(folder, 'pqpk') },
    keysDir: keysDir(),
    workers: 1,
    cacheBytes: 0,
    log: silentLogger,
  });
/** A thread that holds the pair of an index can begin with it. */
async function canBegin({ pool, ownKey }: TunnelKeys, index: number): Promise<boolean> {
  const job = {
    step: 'initiate',
    version: 'V03',
    ciphertext: 'pc188',
    ownKey: index,
    peerKey: ownKey.fingerprint,
    presharedKey: new Uint8Array(32),
    ckInit: new Uint8Array(32),
    sidi: new Uint8Array(4),
  } as const;
  return (await pool.run(job)).step === 'initiate';
}
const fingerprintOnDisk = (name: string) => fingerprintOf(new Uint8Array(readFileSync(join(folder, name))));

describe('own keys', () => {
  test('are made at the first start and found again at the next', async () => {
    let first = '';
    {
      await using keys = await open();
      first = keys.ownKey.fingerprint;
      expect(keys.ownKey.index).toBe(0);
      expect(keys.nextKey).toBeUndefined();
      expect(fingerprintOf(keys.rosenpassPublicKey)).toBe(first);
      expect(await canBegin(keys, 0)).toBe(true);
    }
    await using keys = await open();
    expect(keys.ownKey.fingerprint).toBe(first);
  });

  test('a next WireGuard pair is found at the next start, and takes over; one that is broken stops nobody', async () => {
    const next = await (async () => {
      await using keys = await open();
      return Buffer.from(keys.makeNextWireguard().publicKey).toString('hex');
    })();
    await using keys = await open();
    const old = keys.wireguard.privateKey;
    expect(Buffer.from(keys.nextWireguard?.publicKey ?? []).toString('hex')).toBe(next);
    expect(Buffer.from(keys.promoteNextWireguard().publicKey).toString('hex')).toBe(next);
    expect([keys.nextWireguard, old.every((byte) => byte === 0)]).toEqual([undefined, true]);
    expect(() => keys.promoteNextWireguard()).toThrow('no next WireGuard pair');
    keys.makeNextWireguard();
    keys.dropNextWireguard();
    expect(readdirSync(folder).filter((name) => name.includes('next'))).toEqual([]);
    keys.makeNextWireguard();
    chmodSync(join(folder, 'wg.key.next'), 0o644);
    await using again = await open();
    expect([again.nextWireguard, Buffer.from(again.wireguard.publicKey).toString('hex')]).toEqual([undefined, next]);
  });

  test('a next pair is made once, held beside the own one, and takes over', async () => {
    await using keys = await open();
    const old = keys.ownKey;
    const [next, again] = await Promise.all([keys.makeNext(), keys.makeNext()]);
    expect(again).toBe(next);
    expect(await keys.makeNext()).toBe(next);
    expect(keys.nextKey).toBe(next);
    expect([next.index, await canBegin(keys, 0), await canBegin(keys, 1)]).toEqual([1, true, true]);
    expect([fingerprintOnDisk('pqpk'), fingerprintOnDisk('pqpk.next')]).toEqual([old.fingerprint, next.fingerprint]);

    expect(keys.promoteNext()).toBe(old);
    expect([keys.ownKey, keys.nextKey]).toEqual([next, undefined]);
    expect([await canBegin(keys, 0), await canBegin(keys, 1)]).toEqual([false, true]);
    expect(fingerprintOnDisk('pqpk')).toBe(next.fingerprint);
    expect(readdirSync(folder).filter((name) => name.includes('.next'))).toEqual([]);
    expect(readPublicKey(keysDir(), old.fingerprint)).toBeUndefined();
    expect(() => keys.promoteNext()).toThrow('no next');
    // And once more, back to the first index.
    expect((await keys.makeNext()).index).toBe(0);
  });

  test('a next pair of an earlier run is taken up again', async () => {
    let next = '';
    {
      await using keys = await open();
      next = (await keys.makeNext()).fingerprint;
    }
    await using keys = await open();
    expect(keys.nextKey?.fingerprint).toBe(next);
    expect([await canBegin(keys, 0), await canBegin(keys, 1)]).toEqual([true, true]);
  });

  test('a next pair that others could read is left alone, and nobody is kept from starting', async () => {
    {
      await using keys = await open();
      await keys.makeNext();
    }
    chmodSync(join(folder, 'pqsk.next'), 0o644);
    await using keys = await open();
    expect(keys.nextKey).toBeUndefined();
    expect(existsSync(join(folder, 'pqsk.next'))).toBe(true);
  });
});
