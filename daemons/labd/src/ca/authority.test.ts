import { errorOf } from '@labmesh/wire/testing/errors';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'bun:test';
import { silentLogger } from '@labmesh/kit/log';
import { certificatesIn } from '@labmesh/pki/der/pem';
import { readCertificate } from '@labmesh/pki/der/read-certificate';
import { readRootFile, signIntermediate } from '@labmesh/pki/issue/root-file';
import { matchesPin } from '@labmesh/pki/pin';
import { hasOpenssl, openssl } from '@labmesh/pki/testing/openssl';
import { Authority } from './authority.ts';
import { AuthorityRefused } from './ca-options.ts';
import { pemOf } from './keys/ca-state.ts';
import { revokeCertificate } from './revoke-certificate.ts';
import { caBench, day, me, minute } from './testing/ca-bench.ts';

const secondsOf = (ms: number) => Math.floor(ms / 1_000) * 1_000;

test('the first start makes root and intermediate; later ones find them (CA-1)', async () => {
  await using bench = await caBench({ injectFaults: 'twice' });
  const authority = await bench.open();
  const { keys, phase, trustDomain, rootMode } = authority.status();
  expect({ phase, trustDomain, rootMode }).toEqual({
    phase: 'standby',
    trustDomain: 'labmesh.internal',
    rootMode: 'local',
  });
  expect(keys.map(({ role, phase }) => `${role} ${phase}`)).toEqual(['root active', 'intermediate active']);
  const [root, intermediate] = keys;
  const now = bench.clock.wall();
  expect(root!.notAfter).toBe(secondsOf(now + 3_650 * day));
  expect(intermediate!.notAfter).toBe(secondsOf(now + 365 * day));
  const { pem, pins, digest } = authority.bundle();
  expect(matchesPin(pem, pins.join(','))).toBe(true);
  const again = await bench.open();
  expect(again.bundle()).toEqual({ pem, pins, digest });
  expect(again.status().keys).toEqual(keys);
});

test('racing first starts: one CA for all', async () => {
  await using bench = await caBench();
  const all = await Promise.all(Array.from({ length: 6 }, () => bench.open()));
  expect(new Set(all.map((one) => one.bundle().digest)).size).toBe(1);
  expect(all[0]!.status().keys).toHaveLength(2);
  for (const one of all) await bench.leaf(one, { id: crypto.randomUUID() });
});

test('no private key lies unsealed in the store (P2)', async () => {
  await using bench = await caBench();
  const authority = await bench.open();
  const leaf = await bench.leaf(authority);
  await authority.rotate(me, { to: 'init' });
  await bench.store[Symbol.asyncDispose]();
  const bytes = Buffer.concat(
    [bench.file, `${bench.file}-wal`].filter((path) => existsSync(path)).map((path) => readFileSync(path)),
  );
  expect(bytes.includes('enc:v1:')).toBe(true);
  expect(bytes.includes('PRIVATE KEY')).toBe(false);
  // Beginning of every PKCS#8 EC key, as bytes and as base64.
  const head = Buffer.from('020100301306072a8648ce3d020106082a8648ce3d030107', 'hex');
  expect(bytes.includes(head)).toBe(false);
  expect(bytes.includes('MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEH')).toBe(false);
  expect(bytes.includes(leaf.serial)).toBe(true);
});

test('a CA of another trust domain, or keys that do not open: refused', async () => {
  await using bench = await caBench();
  await bench.open();
  const error: unknown = await bench.open({ trustDomain: 'other.internal' }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(AuthorityRefused);
  expect((error as AuthorityRefused).exitCode).toBe(78);
  expect(await errorOf(bench.open({ trustDomain: 'not a domain' }))).toMatchObject({ exitCode: 3 });
  await bench.store.write(me, (tx) => tx.updateTable('ca_keys').set({ sealed_key: 'enc:v1:AAAA' }).execute());
  expect(await errorOf(bench.open())).toMatchObject({ code: 'INTERNAL' });
});

test('away for 10, 40 and 400 days: the expired leaf still tells who it was (CA-7)', async () => {
  await using bench = await caBench();
  const authority = await bench.open();
  const leaf = await bench.leaf(authority);
  let gone = 0;
  for (const days of [10, 40, 400]) {
    await bench.clock.advance((days - gone) * day);
    gone = days;
    await authority.tick();
    expect(() => authority.verifyClient(leaf.der)).toThrow(expect.objectContaining({ reason: 'expired' }));
    expect(authority.verifyClient(leaf.der, 'tell')).toMatchObject({ id: 'a1', isExpired: true });
    // A new one, whatever became of the intermediate meanwhile.
    expect(authority.verifyClient((await bench.leaf(authority)).der).id).toBe('a1');
  }
  expect(authority.status().keys.length).toBeGreaterThan(2);
});

test('the intermediate is renewed by itself at a quarter of its life; the old one still verifies', async () => {
  await using bench = await caBench();
  const authority = await bench.open();
  const leaf = await bench.leaf(authority, { ttlMs: 300 * day });
  const before = authority.serverIssuerKey();
  await bench.clock.advance(270 * day);
  await authority.tick();
  expect(authority.serverIssuerKey()).toBe(before);
  await bench.clock.advance(5 * day);
  await authority.tick();
  expect(authority.serverIssuerKey()).not.toBe(before);
  expect(authority.verifyClient(leaf.der).id).toBe('a1');
  expect(authority.status().keys.map(({ phase }) => phase)).toEqual(['active', 'previous', 'active']);
  // Of the old one the private key goes after 90 days; the list of what it signed goes on until then.
  expect(authority.crl().pem.match(/BEGIN X509 CRL/g)).toHaveLength(1);
  await authority.tick();
  expect(authority.crl().pem.match(/BEGIN X509 CRL/g)).toHaveLength(2);
  await bench.clock.advance(90 * day);
  await authority.tick();
  expect(authority.status().keys.map(({ phase }) => phase)).toEqual(['active', 'destroyed', 'active']);
});

test('a replica follows what another does, within its look each second', async () => {
  await using bench = await caBench();
  const a = await bench.open();
  const b = await Authority.open({ store: bench.store, secrets: bench.secrets, clock: bench.clock, log: silentLogger });
  let changes = 0;
  b.onChange(() => changes++);
  const before = b.serverIssuerKey();
  await a.renewIntermediate(me);
  for (let waited = 0; waited < 50 && changes === 0; waited++) {
    await bench.clock.advance(1_000);
    await Bun.sleep(2);
  }
  expect(b.serverIssuerKey()).toBe(a.serverIssuerKey());
  expect(b.serverIssuerKey()).not.toBe(before);
  await b[Symbol.asyncDispose]();
});

test('inside a transaction the newest keys sign, before any poll', async () => {
  await using bench = await caBench();
  const [a, b] = [await bench.open(), await bench.open()];
  await a.renewIntermediate(me);
  const leaf = await bench.leaf(b);
  expect(readCertificate(certificatesIn(leaf.chainPem)[0]!).keyHash).toBe(a.serverIssuerKey());
});

test('names that come with a later configuration get an intermediate that permits them (CA-3)', async () => {
  await using bench = await caBench();
  const first = await bench.open({ dnsNames: ['one.example'] });
  const second = await bench.open({ dnsNames: ['two.example'] });
  await bench.leaf(second, { kind: 'labd', dnsNames: ['two.example', 'one.example', 'localhost'] });
  await first.poll();
  expect(first.serverIssuerKey()).toBe(second.serverIssuerKey());
  expect((await bench.open({ dnsNames: ['one.example'] })).serverIssuerKey()).toBe(second.serverIssuerKey());
});

test.skipIf(!hasOpenssl)(
  'the revocation list: hourly, DER and PEM, read by openssl (CA-9; needs openssl)',
  async () => {
    await using bench = await caBench();
    const authority = await bench.open();
    const denials = await bench.denyList();
    const [gone, stays] = [await bench.leaf(authority), await bench.leaf(authority, { id: 'a2' })];
    const now = bench.clock.wall();
    await bench.store.write(me, (tx) => revokeCertificate(tx, denials, { serial: gone.serial, reason: '', now }));
    const first = authority.crl();
    expect(first.nextUpdate - first.thisUpdate).toBe(day);
    await bench.clock.advance(59 * minute);
    await authority.tick();
    expect(authority.crl().thisUpdate).toBe(first.thisUpdate);
    await bench.clock.advance(minute);
    await authority.tick();
    const { pem, der, thisUpdate } = authority.crl();
    expect(thisUpdate).toBe(first.thisUpdate + 60 * minute);
    const files = { 'list.pem': pem, 'list.der': der, 'ca.pem': authority.chainPem() };
    const { output } = openssl(files, 'crl', '-in', 'list.pem', '-noout', '-text', '-CAfile', 'ca.pem');
    expect(output).toContain('verify OK');
    expect(output).toContain(gone.serial.toUpperCase());
    expect(output).not.toContain(stays.serial.toUpperCase());
    expect(openssl(files, 'crl', '-inform', 'DER', '-in', 'list.der', '-noout').exitCode).toBe(0);
    // Over by itself: the list need not name it any more.
    await bench.clock.advance(2 * day);
    await authority.tick();
    expect(openssl({ 'l.pem': authority.crl().pem }, 'crl', '-in', 'l.pem', '-noout', '-text').output).toContain(
      'No Revoked Certificates',
    );
  },
);

test('root_mode offline: the root key is in its file alone, and that file signs the next intermediate (CA-2)', async () => {
  await using bench = await caBench();
  const rootFile = join(bench.folder, 'root.pem');
  const authority = await bench.open({ rootMode: 'offline', rootFile });
  const rows = await bench.store.read(me, (db) => db.selectFrom('ca_keys').selectAll().execute());
  expect(rows.filter(({ sealed_key }) => sealed_key !== null).map(({ role }) => role)).toEqual(['intermediate']);
  const root = await readRootFile(readFileSync(rootFile, 'utf8'));
  rmSync(rootFile);
  const leaf = await bench.leaf(authority);
  expect(authority.status().signingRequest).toBeUndefined();
  await authority.renewIntermediate(me);
  await authority.renewIntermediate(me);
  const csrPem = authority.status().signingRequest!;
  expect(csrPem.match(/BEGIN/g)).toHaveLength(1);
  const now = bench.clock.wall();
  const signed = await signIntermediate({ root, csrPem, notBefore: now, notAfter: now + 365 * day });
  expect(await errorOf(authority.installSigned(me, 'x'))).toMatchObject({ code: 'VALIDATION_FAILED' });
  expect(await errorOf(authority.installSigned(me, pemOf([root.certificate])))).toMatchObject({
    field: 'certificatePem',
  });
  const before = authority.serverIssuerKey();
  await authority.installSigned(me, pemOf([signed]));
  expect(authority.serverIssuerKey()).toBe(signed.keyHash);
  expect(authority.serverIssuerKey()).not.toBe(before);
  expect(authority.status().signingRequest).toBeUndefined();
  expect(authority.verifyClient(leaf.der).id).toBe('a1');
  expect(authority.verifyClient((await bench.leaf(authority)).der).id).toBe('a1');
});

test('root_mode offline: racing starts on one file share its root, one without a file is refused', async () => {
  await using bench = await caBench();
  expect(await errorOf(bench.open({ rootMode: 'offline' }))).toMatchObject({ exitCode: 3 });
  const rootFile = join(bench.folder, 'root.pem');
  const all = await Promise.all(Array.from({ length: 4 }, () => bench.open({ rootMode: 'offline', rootFile })));
  const root = await readRootFile(readFileSync(rootFile, 'utf8'));
  for (const one of all) expect(one.bundle().pins).toEqual([`sha256:${root.certificate.keyHash}`]);
});

test('root_mode offline: racing starts with files of their own leave one file, the right one', async () => {
  await using bench = await caBench();
  const files = [0, 1, 2].map((index) => join(bench.folder, `root-${index}.pem`));
  const all = await Promise.all(files.map((rootFile) => bench.open({ rootMode: 'offline', rootFile })));
  const left = files.filter((path) => existsSync(path));
  expect(left).toHaveLength(1);
  const root = await readRootFile(readFileSync(left[0]!, 'utf8'));
  expect(all[0]!.bundle().pins).toEqual([`sha256:${root.certificate.keyHash}`]);
});

test('what ends soon: machines at a quarter of their life, CA keys at 90, 30 and 7 days (CA-12)', async () => {
  await using bench = await caBench();
  const authority = await bench.open();
  await bench.leaf(authority, { id: 'late', name: 'late' });
  await bench.leaf(authority, { kind: 'user', id: 'u1' });
  const renewed = await bench.leaf(authority, { id: 'fine', name: 'fine' });
  expect(await authority.findings()).toEqual([]);
  await bench.clock.advance(0.8 * day);
  await bench.leaf(authority, { id: 'fine', name: 'fine' });
  const [finding, ...more] = await authority.findings();
  expect(finding).toMatchObject({ subject: 'leaf', kind: 'agent', name: 'late', thresholdDays: 0 });
  expect(more).toEqual([]);
  expect(finding!.leftMs).toBeLessThan(day / 4);
  expect(renewed.notAfter).toBe(finding!.notAfter);
  await using old = await caBench();
  const aging = await old.open({ rootTtlMs: 100 * day });
  for (const [days, threshold] of [
    [11, 90],
    [71, 30],
    [94, 7],
  ] as const) {
    await old.clock.advance(days * day - old.clock.now());
    expect((await aging.findings()).map(({ kind, thresholdDays }) => [kind, thresholdDays])).toEqual([
      ['root', threshold],
      ['intermediate', threshold],
    ]);
  }
});
