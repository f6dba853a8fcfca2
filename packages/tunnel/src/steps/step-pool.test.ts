import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@labmesh/kit/log';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { keepPublicKey, readPublicKey } from '../keys/public-key-files.ts';
import { ensureRosenpassKeys, readRosenpassKeys } from '../keys/rosenpass-keys.ts';
import { type RosenpassPair, StepPool } from './step-pool.ts';

let folder = '';
let pool: StepPool;
let pair: RosenpassPair;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'labmesh-pool-'));
  pool = new StepPool({ workers: 1, keysDir: folder, cacheBytes: 1024 * 1024, log: silentLogger });
  pair = await pool.generate();
});
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});
const copy = () => ({ secretKey: pair.secretKey.slice(), publicKey: pair.publicKey.slice() });

describe('threads of the heavy steps', () => {
  test('make keys, describe a public one, and begin a handshake', async () => {
    const peerKey = keepPublicKey(folder, pair.publicKey);
    expect(peerKey).toBe(fingerprintOf(pair.publicKey));
    const described = await pool.run({ step: 'describe', peerKey });
    expect(described.step).toBe('describe');
    pool.setOwnKey(0, copy);
    const version = 'V03';
    const ciphertext = 'pc188';
    const zeros = (bytes: number) => new Uint8Array(bytes);
    const begun = await pool.run({
      step: 'initiate',
      version,
      ciphertext,
      ownKey: 0,
      peerKey,
      presharedKey: zeros(32),
      ckInit: zeros(32),
      sidi: zeros(4),
    });
    expect(begun.step).toBe('initiate');
  });

  test('a key that is not there fails the step and nothing else', async () => {
    const peerKey = `sha256:${'0'.repeat(64)}`;
    expect(await pool.run({ step: 'describe', peerKey })).toEqual({ step: 'failed', reason: 'key_missing' });
  });

  test('a thread that dies answers its steps and is replaced', async () => {
    await using short = new StepPool({ workers: 1, keysDir: folder, cacheBytes: 0, log: silentLogger });
    short.setOwnKey(0, () => ({ secretKey: new Uint8Array(7), publicKey: pair.publicKey.slice() }));
    const peerKey = fingerprintOf(pair.publicKey);
    expect(await short.run({ step: 'describe', peerKey })).toEqual({ step: 'failed', reason: 'worker_lost' });
    short.setOwnKey(0, copy);
    await Bun.sleep(1_200);
    expect((await short.run({ step: 'describe', peerKey })).step).toBe('describe');
  });

  test('the pair is made once and read again; half a pair is told', async () => {
    const paths = { privateKeyPath: join(folder, 'pqsk'), publicKeyPath: join(folder, 'pqpk') };
    let made = 0;
    const generate = () => {
      made++;
      return Promise.resolve(copy());
    };
    const first = await ensureRosenpassKeys(paths, generate);
    const again = await ensureRosenpassKeys(paths, generate);
    expect([first.isNew, again.isNew, made]).toEqual([true, false, 1]);
    expect(again.fingerprint).toBe(fingerprintOf(pair.publicKey));
    expect(readRosenpassKeys(paths)?.secretKey).toEqual(pair.secretKey);
    rmSync(paths.publicKeyPath);
    expect(() => readRosenpassKeys(paths)).toThrow('is there');
  });

  test('a public key of another length or content is not taken', () => {
    expect(() => keepPublicKey(folder, new Uint8Array(9))).toThrow('524160 bytes; found 9');
    expect(() => readPublicKey(folder, '../../etc/passwd')).toThrow('64 hex digits');
    expect(readPublicKey(folder, `sha256:${'1'.repeat(64)}`)).toBeUndefined();
  });
});
