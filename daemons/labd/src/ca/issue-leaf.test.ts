import { expect, test } from 'bun:test';
import { createCsr } from '@labmesh/pki/csr';
import { certificatesIn } from '@labmesh/pki/der/pem';
import { readCertificate } from '@labmesh/pki/der/read-certificate';
import { generateKey } from '@labmesh/pki/keys';
import { extension, requests, usage } from '@labmesh/pki/testing/library';
import { type LeafKind, leafKinds } from '@labmesh/pki/spiffe-id';
import type { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { renewAfter } from './issue-leaf.ts';
import { revokeCertificate } from './revoke-certificate.ts';
import { caBench, day, me } from './testing/ca-bench.ts';

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  await work.then(
    () => 'ok',
    (error: unknown) => (error as FleetError).code,
  );

test('each kind: an identity that the authority itself takes, and a row that says all of CA-12', async () => {
  await using bench = await caBench({ injectFaults: 'twice' });
  const authority = await bench.open();
  for (const kind of leafKinds) {
    const leaf = await bench.leaf(authority, { kind, id: `${kind}-1`, name: 'x' });
    expect(authority.verifyClient(leaf.der)).toMatchObject({ kind, id: `${kind}-1`, serial: leaf.serial });
    const row = await bench.store.read(me, (db) =>
      db.selectFrom('certificates').selectAll().where('id', '=', leaf.serial).executeTakeFirstOrThrow(),
    );
    expect(row).toMatchObject({
      identity: `spiffe://labmesh.internal/${kind}/${kind}-1`,
      kind,
      subject_id: `${kind}-1`,
      key_hash: leaf.key.keyHash,
      not_before: leaf.notBefore,
      not_after: leaf.notAfter,
      issued_by: 'system:test',
      revoked_at: null,
    });
    expect(row.issuer_key).toBe(readCertificate(certificatesIn(leaf.chainPem)[0]!).keyHash);
  }
});

test('the same key gets the same certificate, also later and from another replica (CA-6, JT-5)', async () => {
  await using bench = await caBench();
  const [a, b] = [await bench.open(), await bench.open()];
  const first = await bench.leaf(a);
  await bench.clock.advance(10 * 60_000);
  const again = await bench.leaf(b, { key: first.key, name: 'renamed', ttlMs: 1_000 });
  expect({ ...again, key: undefined }).toEqual({ ...first, key: undefined });
  await bench.clock.advance(day);
  expect((await bench.leaf(a, { key: first.key })).serial).not.toBe(first.serial);
});

test('a key has one identity while it is live', async () => {
  await using bench = await caBench();
  const authority = await bench.open();
  const { key } = await bench.leaf(authority);
  expect(await codeOf(bench.leaf(authority, { key, id: 'a2' }))).toBe('CONFLICT');
  expect(await codeOf(bench.leaf(authority, { key, kind: 'user' }))).toBe('CONFLICT');
});

test('renewal is due at half life ± 1/20, spread over the fleet (CA-6)', async () => {
  await using bench = await caBench();
  const authority = await bench.open();
  const now = bench.clock.wall();
  const dues = new Set<number>();
  for (let index = 0; index < 20; index++) {
    const leaf = await bench.leaf(authority, { id: `a${index}` });
    const share = (leaf.renewAfter - now) / day;
    expect(share).toBeGreaterThanOrEqual(0.449);
    expect(share).toBeLessThanOrEqual(0.551);
    dues.add(leaf.renewAfter);
  }
  expect(dues.size).toBeGreaterThan(15);
  expect(renewAfter('0'.repeat(32), 0, 1_000)).toBe(450);
  expect(renewAfter('f'.repeat(32), 0, 1_000)).toBe(550);
});

test('hostile requests: CA:TRUE, CN=admin, other names give an ordinary leaf (CA-4)', async () => {
  await using bench = await caBench();
  const authority = await bench.open();
  const key = await generateKey();
  const hostile = await requests.create({
    name: 'CN=admin',
    keys: { privateKey: key.privateKey, publicKey: key.publicKey },
    signingAlgorithm: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
    extensions: [
      extension.ca(3),
      extension.keyUsage(usage.keyCertSign),
      extension.names([
        { type: 'url', value: 'spiffe://labmesh.internal/user/admin' },
        { type: 'dns', value: 'labd.example' },
      ]),
    ],
  });
  const leaf = await bench.leaf(authority, { key, csrPem: hostile.toString('pem') });
  expect(readCertificate(leaf.der)).toMatchObject({
    isCa: false,
    uris: ['spiffe://labmesh.internal/agent/a1'],
    dnsNames: [],
    otherNames: 0,
    keyUsage: 1,
  });
  expect(await codeOf(bench.leaf(authority, { csrPem: 'x' }))).toBe('VALIDATION_FAILED');
});

test('what is denied gets no certificate; a revoked one may come back with a new key (CA-9)', async () => {
  await using bench = await caBench();
  const authority = await bench.open();
  const denials = await bench.denyList();
  const leaf = await bench.leaf(authority);
  const uri = 'spiffe://labmesh.internal/agent/a1';
  const { serial } = leaf;
  const now = bench.clock.wall();
  await bench.store.write(me, (tx) => revokeCertificate(tx, denials, { serial, reason: 'deleted', now }));
  await denials.poll();
  expect(denials.check({ serial })).toBe('serial');
  const again = await bench.leaf(authority, { key: leaf.key });
  expect(again.serial).not.toBe(serial);
  // No poll: the transaction itself sees what another replica has just denied.
  await bench.store.write(me, (tx) => denials.deny(tx, 'identity', uri, 'banned'));
  expect(await codeOf(bench.leaf(authority))).toBe('REVOKED');
  await bench.store.write(me, (tx) => denials.deny(tx, 'key', leaf.key.keyHash, 'banned'));
  expect(await codeOf(bench.leaf(authority, { key: leaf.key }))).toBe('BANNED');
  expect(await codeOf(bench.leaf(authority, { key: leaf.key, id: 'a2' }))).toBe('BANNED');
  await bench.store.write(me, async (tx) => {
    await denials.lift(tx, 'identity', uri);
    await denials.lift(tx, 'key', leaf.key.keyHash);
  });
  expect(await codeOf(bench.leaf(authority))).toBe('ok');
});

test('a denied serial alone is enough not to hand the certificate out again', async () => {
  await using bench = await caBench();
  const authority = await bench.open();
  const denials = await bench.denyList();
  const leaf = await bench.leaf(authority);
  await bench.store.write(me, (tx) => denials.deny(tx, 'serial', leaf.serial, 'test'));
  expect((await bench.leaf(authority, { key: leaf.key })).serial).not.toBe(leaf.serial);
});

test('revoking: unknown serials are told, a second time changes nothing', async () => {
  await using bench = await caBench();
  const denials = await bench.denyList();
  const { serial } = await bench.leaf(await bench.open());
  const revoke = (one: string, now: number) =>
    bench.store.write(me, (tx) => revokeCertificate(tx, denials, { serial: one, reason: '', now }));
  expect(await revoke(serial.toUpperCase(), 5)).toEqual({
    identity: 'spiffe://labmesh.internal/agent/a1',
    kind: 'agent',
    subjectId: 'a1',
  });
  await revoke(serial, 9);
  const row = await bench.store.read(me, (db) => db.selectFrom('certificates').selectAll().executeTakeFirstOrThrow());
  expect(row.revoked_at).toBe(5);
  expect(await codeOf(revoke('00', 5))).toBe('NOT_FOUND');
});

test('names: only for labd, only what the constraints permit (CA-3)', async () => {
  await using bench = await caBench();
  const authority = await bench.open({ dnsNames: ['lab.example', '10.0.0.1', 'Bad Name'] });
  const read = async (kind: LeafKind, dnsNames: string[], ips: string[]) =>
    readCertificate((await bench.leaf(authority, { kind, dnsNames, ips })).der);
  const labd = await read('labd', ['localhost', 'A.lab.example'], ['127.0.0.1', '[::1]']);
  expect(labd).toMatchObject({ dnsNames: ['localhost', 'a.lab.example'], otherNames: 2 });
  expect(await read('service', ['localhost'], ['127.0.0.1'])).toMatchObject({ dnsNames: [], otherNames: 0 });
  expect(await codeOf(read('labd', ['notlab.example'], []))).toBe('VALIDATION_FAILED');
  expect(await codeOf(read('labd', [], ['localhost']))).toBe('VALIDATION_FAILED');
});

test('50 racing requests with one key: one certificate (JT-4)', async () => {
  await using bench = await caBench();
  const authority = await bench.open();
  const key = await generateKey();
  const csrPem = await createCsr(key);
  const all = await Promise.all(Array.from({ length: 50 }, () => bench.leaf(authority, { key, csrPem })));
  expect(new Set(all.map(({ serial }) => serial)).size).toBe(1);
});
