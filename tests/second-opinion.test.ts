/**
 * Certificates of ours, verified by a second implementation in another language over openssl, which shares no code with
 * the first. Where both look, they have to agree; what ours refuses beyond that is its own matter.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifyCertificate } from '@labmesh/attest/certificate/verify-certificate';
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { trustText } from '@labmesh/attest/keys/trust';
import {
  infraInput,
  sampleFile,
  sampleInput,
  sampleIssuer,
  sampleNow,
  sampleTrust,
} from '@labmesh/attest/testing/sample-certificate';

const programs = ['openssl', 'python3'].every((name) => Bun.which(name) !== null);
// `pkeyutl -rawin` came with openssl 3.
const isRecent = programs && /^OpenSSL [3-9]/.test(Bun.spawnSync(['openssl', 'version']).stdout.toString());

const folder = mkdtempSync(join(tmpdir(), 'second-opinion-'));
afterAll(() => rmSync(folder, { recursive: true }));
const script = join(import.meta.dir, 'second-opinion', 'verify_certificate.py');

type Members = { [key: string]: unknown };
const edited = (file: Uint8Array, edit: (bundle: Members) => void): Uint8Array => {
  const bundle = JSON.parse(new TextDecoder().decode(file)) as Members;
  edit(bundle);
  return canonicalBytes(bundle);
};

describe.skipIf(!isRecent)('a second opinion (needs openssl 3 and python3)', () => {
  let file: Uint8Array;
  let other: Uint8Array;
  let trust: Awaited<ReturnType<typeof sampleTrust>>;

  beforeAll(async () => {
    // Fractions are written alike by both; 17.5 is one.
    const issuer = await sampleIssuer(700);
    file = await sampleFile(issuer);
    other = await sampleFile(issuer, { ...infraInput() });
    trust = sampleTrust(issuer);
    writeFileSync(join(folder, 'trust.json'), trustText(trust));
  });

  const second = (bytes: Uint8Array, trustFile = 'trust.json') => {
    const path = join(folder, 'certificate.labcert');
    writeFileSync(path, bytes);
    const run = Bun.spawnSync(['python3', script, path, join(folder, trustFile)]);
    return { exitCode: run.exitCode, stdout: run.stdout.toString() };
  };
  const first = async (bytes: Uint8Array) =>
    (await verifyCertificate(bytes, trust, { now: sampleNow, revocationsUnknown: true })).verdict;

  test('both say yes', async () => {
    for (const bytes of [file, other]) {
      const { exitCode, stdout } = second(bytes);
      expect([exitCode, stdout]).toEqual([0, expect.stringContaining('ok: the inclusion proof leads to the root\n')]);
      expect(stdout).toEndWith('ok: the entry has the hash of what was signed\n');
      expect(await first(bytes)).toBe('valid');
    }
  });

  test('both say no, whichever part is changed', async () => {
    const dsseOf = (bundle: Members) => bundle['dsse'] as { payload: string; signatures: { sig: string }[] };
    const proofWith = (from: RegExp | string, to: string) => (bundle: Members) =>
      void (bundle['tlog_proof'] = (bundle['tlog_proof'] as string).replace(from, to));
    const changes: ((bundle: Members) => void)[] = [
      (bundle) => void (dsseOf(bundle).payload = btoa(atob(dsseOf(bundle).payload).replace('cert-1', 'cert-2'))),
      (bundle) => void (dsseOf(bundle).signatures[0]!.sig = new Uint8Array(64).toBase64()),
      (bundle) => void (bundle['statement'] = {}),
      (bundle) => void (bundle['tlog_proof'] = (JSON.parse(new TextDecoder().decode(other)) as Members)['tlog_proof']),
      (bundle) => void delete bundle['tlog_proof'],
      proofWith('index 700', 'index 699'),
      proofWith(/\n700\n|\n701\n/, '\n702\n'),
      proofWith(/(index \d+\n)[^\n]+\n/, '$1'),
      proofWith(/(index \d+\n)[^\n]+\n/, `$1${new Uint8Array(32).toBase64()}\n`),
      proofWith(/— (\S+) (\S{8})/, '— $1 AAAAAAAA'),
      proofWith('labmesh.example/log\n', 'labmesh.example/lag\n'),
    ];
    for (const [index, change] of changes.entries()) {
      const bytes = edited(file, change);
      expect([index, second(bytes).exitCode, await first(bytes)]).toEqual([index, 1, 'invalid']);
    }
  });

  test('both say no when another issuer is trusted', async () => {
    const stranger = sampleTrust(await sampleIssuer());
    writeFileSync(join(folder, 'stranger.json'), trustText(stranger));
    expect(second(file, 'stranger.json')).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('refused') });
    const { verdict } = await verifyCertificate(file, stranger, { now: sampleNow });
    expect(verdict).toBe('invalid');
  });

  test('a log of many shapes: the proofs of both agree', async () => {
    for (const others of [0, 1, 2, 3, 6, 255, 256, 257]) {
      const issuer = await sampleIssuer(others);
      const bytes = await sampleFile(issuer, sampleInput({ certificate_id: `of-${others}` }));
      writeFileSync(join(folder, 'own.json'), trustText(sampleTrust(issuer)));
      expect([others, second(bytes, 'own.json').exitCode]).toEqual([others, 0]);
    }
  });
});
