import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endKey, keyInForce, newKeyRing, succeedEnded } from '../keys/key-ring.ts';
import { instantText } from '../statement/instant.ts';
import { refusalOf } from '../testing/refusal.ts';
import { sampleNow } from '../testing/sample-certificate.ts';
import { readRevocations, writeRevocations } from './revocation-file.ts';
import type { Revocation } from './revocations.ts';

const ring = newKeyRing(sampleNow - 60_000);

const revocation = (target: Partial<Revocation>): Revocation => ({
  ...target,
  reason: 'policy_error',
  time: instantText(sampleNow),
  by: 'alice',
});

describe('the list of an issuer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'attest-revocations-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('counts up, keeps what it said, and is for everybody to read', async () => {
    expect(await readRevocations(folder, ring)).toBeUndefined();
    await writeRevocations(folder, ring, sampleNow, [revocation({ certificate_id: 'a' })]);
    const bytes = await writeRevocations(folder, ring, sampleNow + 5, [revocation({ certificate_id: 'b' })]);
    expect(new Uint8Array(readFileSync(join(folder, 'revocations.json')))).toEqual(bytes);
    expect(statSync(join(folder, 'revocations.json')).mode & 0o777).toBe(0o644);
    const list = await readRevocations(folder, ring);
    expect([list?.number, list?.revocations.map((one) => one.certificate_id)]).toEqual([2, ['a', 'b']]);
  });

  test('goes on when its key is ended in the millisecond of its last list', async () => {
    const { keyid } = keyInForce(ring, 'revocation', sampleNow + 5);
    const ended = await succeedEnded(endKey(ring, keyid, sampleNow + 5), sampleNow + 5);
    await writeRevocations(folder, ended, sampleNow + 5, [revocation({ keyid })]);
    expect((await readRevocations(folder, ended))?.number).toBe(3);
  });

  test('is not begun anew when it cannot be read: that would take back what it said', async () => {
    writeFileSync(join(folder, 'revocations.json'), '{}');
    expect(await refusalOf(() => writeRevocations(folder, ring, sampleNow))).toBe('ENVELOPE_BAD');
    expect(readFileSync(join(folder, 'revocations.json'), 'utf8')).toBe('{}');
  });
});
