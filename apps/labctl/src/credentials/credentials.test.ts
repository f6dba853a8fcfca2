import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseCsr } from '@labmesh/pki/csr';
import { sampleCa, type SampleCa, type SampleLeaf } from '@labmesh/pki/testing/sample-ca';
import type { CommandError } from '../command-error.ts';
import { readCredentials, removeCredentials, saveCredentials } from './credentials.ts';
import { renewAfter, renewalState, renewCredentials } from './renewal.ts';

const home = mkdtempSync(join(tmpdir(), 'labctl-credentials-'));
afterAll(() => rmSync(home, { recursive: true }));
const env = { HOME: home };
const path = join(home, '.labctl', 'credentials', 'prod.pem');
const userId = '01900000-0000-7000-8000-00000000000a';
let ca: SampleCa;
let leaf: SampleLeaf;
beforeAll(async () => {
  ca = await sampleCa();
  leaf = await ca.leaf('user', userId);
});
const parts = ({ key, certificatePem }: SampleLeaf) => ({
  privatePem: key.privatePem,
  certificatePem,
  chainPem: ca.chainPem,
  bundlePem: ca.bundlePem,
});
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('it was taken')),
    (error: CommandError) => error,
  );
const mode = (file: string) => statSync(file).mode & 0o777;

describe('credentials (CT-5)', () => {
  test('none there is no error', async () => {
    expect(await readCredentials(env, 'prod')).toBeUndefined();
    await removeCredentials(env, 'prod');
  });

  test('what is saved is read, 0600 in folders of 0700', async () => {
    mkdirSync(join(home, '.labctl'), { mode: 0o755 });
    await saveCredentials(env, 'prod', parts(leaf));
    const found = await readCredentials(env, 'prod');
    expect(found).toMatchObject({
      path,
      trustDomain: 'labmesh.internal',
      chainPem: ca.chainPem,
      bundlePem: ca.bundlePem,
    });
    expect(found?.certificate.uris).toEqual([`spiffe://labmesh.internal/user/${userId}`]);
    expect([mode(path), mode(join(home, '.labctl')), mode(join(home, '.labctl', 'credentials'))]).toEqual([
      0o600, 0o700, 0o700,
    ]);
  });

  test('a file that others can read is refused with the chmod line', async () => {
    for (const open of [0o640, 0o604, 0o660]) {
      chmodSync(path, open);
      const { message, hint, exitCode } = await refusal(readCredentials(env, 'prod'));
      expect(message).toBe(`${path} can be read by others`);
      expect(hint).toBe(`chmod 600 '${path}'`);
      expect(exitCode).toBe(3);
    }
    chmodSync(path, 0o600);
    expect(await readCredentials(env, 'prod')).toBeDefined();
  });

  test('a broken file is refused, and tells nothing of what is in it', async () => {
    const other = await ca.leaf('user', userId);
    const texts = [
      '',
      'secret text',
      leaf.key.privatePem,
      leaf.certificatePem,
      other.key.privatePem + leaf.certificatePem,
    ];
    for (const text of texts) {
      writeFileSync(path, text, { mode: 0o600 });
      const { message, exitCode } = await refusal(readCredentials(env, 'prod'));
      expect(message).toStartWith(`${path}: `);
      expect(message).not.toContain('secret');
      expect(exitCode).toBe(3);
    }
  });

  test('they are forgotten', async () => {
    await removeCredentials(env, 'prod');
    expect(existsSync(path)).toBe(false);
  });
});

describe('renewal (CA-6)', () => {
  const life = (serial: string) => ({ notBefore: 0, notAfter: 1_000_000, serial });

  test('at half life, give or take a twentieth of it, the same instant each time', () => {
    for (let at = 0; at < 1_000; at++) {
      const serial = crypto.randomUUID().replaceAll('-', '');
      const due = renewAfter(life(serial));
      expect(due).toBeGreaterThanOrEqual(450_000);
      expect(due).toBeLessThanOrEqual(550_000);
      expect(renewAfter(life(serial))).toBe(due);
    }
    expect(renewAfter(life('0000'))).not.toBe(renewAfter(life('ffff')));
    expect(renewAfter(life(''))).toBe(450_000);
  });

  test('fresh, due, expired', () => {
    expect([0, 449_999, 550_001, 999_999, 1_000_000].map((now) => renewalState(life('7fff'), now))).toEqual([
      'fresh',
      'fresh',
      'due',
      'due',
      'expired',
    ]);
  });

  test('a new key each time, over one file', async () => {
    await saveCredentials(env, 'prod', parts(leaf));
    let keyHash = '';
    const renewed = await renewCredentials({
      env,
      context: 'prod',
      ask: async (csrPem) => {
        const csr = parseCsr(csrPem);
        keyHash = csr.keyHash;
        const made = await ca.leaf('user', userId, {
          spki: csr.spki,
          keyHash: csr.keyHash,
        });
        const times = {
          expiresAt: '2026-01-01T00:00:00.000Z',
          renewAfter: '2026-01-01T00:00:00.000Z',
        };
        return {
          certificatePem: made.certificatePem,
          chainPem: ca.chainPem,
          caPem: ca.bundlePem,
          caPin: 'sha256:x',
          ...times,
        };
      },
    });
    expect(renewed?.caPin).toBe('sha256:x');
    expect(renewed?.credentials.certificate.keyHash).toBe(keyHash);
    expect(keyHash).not.toBe(leaf.key.keyHash);
    expect((await readCredentials(env, 'prod'))?.key.keyHash).toBe(keyHash);
  });

  test('the old ones stay when labd says no, or gives a certificate for another key', async () => {
    await saveCredentials(env, 'prod', parts(leaf));
    const no = renewCredentials({ env, context: 'prod', ask: () => Promise.reject(new Error('no')) });
    expect(await thrower(no)).toThrow('no');
    const times = { expiresAt: '2026-01-01T00:00:00.000Z', renewAfter: '2026-01-01T00:00:00.000Z' };
    const { certificatePem, chainPem, bundlePem: caPem } = parts(leaf);
    const foreign = renewCredentials({
      env,
      context: 'prod',
      ask: async () => ({ certificatePem, chainPem, caPem, caPin: 'sha256:x', ...times }),
    });
    expect(await thrower(foreign)).toThrow('another key');
    expect((await readCredentials(env, 'prod'))?.key.keyHash).toBe(leaf.key.keyHash);
  });
});
