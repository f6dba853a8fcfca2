import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'bun:test';
import { certificatesIn } from '@labmesh/pki/der/pem';
import { readCertificate } from '@labmesh/pki/der/read-certificate';
import { readRootFile, signCross } from '@labmesh/pki/issue/root-file';
import { pinnedRoots } from '@labmesh/pki/pin';
import { handshake } from '@labmesh/pki/testing/handshake';
import { verifyPeer } from '@labmesh/pki/verify-peer';
import type { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Authority, Issued } from './authority.ts';
import { caPhases } from './keys/ca-rows.ts';
import { pemOf } from './keys/ca-state.ts';
import type { RotationStep } from './rotation.ts';
import { caBench, day, me, minute, type CaBench } from './testing/ca-bench.ts';

const steps = ['init', 'update_clients', 'update_servers', 'standby'] as const;

/** What a client with these roots makes of labd's certificate. */
function clientTakes(labd: Issued, bundlePem: string, now: number): boolean {
  const chain = certificatesIn(labd.chainPem);
  const leafDer = certificatesIn(labd.certificatePem)[0]!;
  try {
    verifyPeer({ leafDer, chain, bundlePem, now, trustDomain: 'labmesh.internal', eku: 'server' });
    return true;
  } catch {
    return false;
  }
}
const labdLeaf = (bench: CaBench, authority: Authority) =>
  bench.leaf(authority, { kind: 'labd', id: 'r1', dnsNames: ['localhost'], ips: ['127.0.0.1'], ttlMs: 7 * day });

async function refusal(work: Promise<unknown>): Promise<FleetError> {
  const error = (await work.then(
    () => new Error('it passed'),
    (e: unknown) => e,
  )) as FleetError;
  expect(error.code).toBe('CA_PHASE');
  return error;
}

test('a whole rotation: in each phase one agent is away and one joins, all are fine after it (CA-10, CA-11)', async () => {
  await using bench = await caBench({ injectFaults: 'twice' });
  const authority = await bench.open();
  const oldPins = authority.bundle().pins.join(',');
  const sleepers = [{ bundlePem: authority.bundle().pem, leaf: await bench.leaf(authority, { id: 'sleeper' }) }];
  for (const to of steps) {
    await bench.clock.advance(10 * minute);
    await authority.rotate(me, { to });
    expect(authority.phase()).toBe(to);
    const joiner = await bench.leaf(authority, { id: `joins-${to}` });
    sleepers.push({ bundlePem: joiner.caPem, leaf: joiner });
    // Whoever has any bundle of the way connects, and is taken.
    const labd = await labdLeaf(bench, authority);
    for (const { bundlePem, leaf } of sleepers) {
      expect(clientTakes(labd, bundlePem, bench.clock.wall())).toBe(true);
      expect(authority.verifyClient(leaf.der).kind).toBe('agent');
    }
    // A join line written before the rotation still works: its pin is among the anchors.
    const pinned = pinnedRoots(authority.anchorsPem(), oldPins)!;
    expect(clientTakes(labd, pinned, bench.clock.wall())).toBe(true);
  }
  expect(certificatesIn(authority.bundle().pem)).toHaveLength(1);
  expect(authority.bundle().pins.join(',')).not.toBe(oldPins);
  await bench.clock.advance(89 * day);
  await authority.tick();
  expect(clientTakes(await labdLeaf(bench, authority), sleepers[0]!.bundlePem, bench.clock.wall())).toBe(true);
  expect(authority.verifyClient(sleepers[0]!.leaf.der, 'tell').isExpired).toBe(true);
});

test('who signs what in each phase, and what is in the bundle (CA-10)', async () => {
  await using bench = await caBench();
  const authority = await bench.open();
  const old = authority.serverIssuerKey();
  const issuers = async () => {
    const [agent, labd] = [await bench.leaf(authority), await labdLeaf(bench, authority)];
    return [agent, labd].map(({ chainPem }) =>
      readCertificate(certificatesIn(chainPem)[0]!).keyHash === old ? 'old' : 'new',
    );
  };
  const seen: Record<string, unknown> = {};
  for (const to of steps) {
    await bench.clock.advance(10 * minute);
    await authority.rotate(me, { to });
    seen[to] = [...(await issuers()), certificatesIn(authority.bundle().pem).length];
  }
  expect(seen).toEqual({
    init: ['old', 'old', 2],
    update_clients: ['new', 'old', 2],
    update_servers: ['new', 'new', 2],
    standby: ['new', 'new', 1],
  });
});

test('90 days later the old private keys are destroyed, and the old root is trusted no more (CA-11)', async () => {
  await using bench = await caBench();
  const authority = await bench.open();
  const oldBundle = authority.bundle().pem;
  const leaf = await bench.leaf(authority);
  for (const to of steps) {
    await bench.clock.advance(10 * minute);
    await authority.rotate(me, { to });
  }
  const sealed = async () => {
    const rows = await bench.store.read(me, (db) => db.selectFrom('ca_keys').selectAll().execute());
    return rows.filter(({ sealed_key }) => sealed_key !== null).map(({ role, phase }) => `${role} ${phase}`);
  };
  const all = ['root previous', 'intermediate previous', 'root active', 'intermediate active'];
  expect((await sealed()).toSorted()).toEqual(all.toSorted());
  await bench.clock.advance(90 * day - 1);
  await authority.tick();
  expect(await sealed()).toHaveLength(4);
  await bench.clock.advance(1);
  await authority.tick();
  expect((await sealed()).toSorted()).toEqual(['intermediate active', 'root active']);
  expect(() => authority.verifyClient(leaf.der, 'tell')).toThrow(expect.objectContaining({ reason: 'untrusted' }));
  expect(clientTakes(await labdLeaf(bench, authority), oldBundle, bench.clock.wall())).toBe(false);
});

test('steps out of order or too early are refused, with what is next (CA-10)', async () => {
  await using bench = await caBench();
  const authority = await bench.open();
  for (const to of ['update_clients', 'update_servers', 'standby', 'rollback'] as const) {
    await refusal(authority.rotate(me, { to }));
  }
  await authority.rotate(me, { to: 'init' });
  expect((await refusal(authority.rotate(me, { to: 'update_clients' }))).message).toContain('10 min');
  expect((await refusal(authority.rotate(me, { to: 'update_clients', force: true }))).hint).toContain('again in');
  expect((await refusal(authority.rotate(me, { to: 'update_servers' }))).hint).toBe('next: update_clients or rollback');
  await refusal(authority.renewIntermediate(me));
  await bench.clock.advance(10 * minute);
  await authority.rotate(me, { to: 'update_clients' });
});

test('a step names who has not reported the bundle, and goes on by force (CA-10)', async () => {
  await using bench = await caBench();
  const authority = await bench.open({ phaseMinMs: 0 });
  await authority.rotate(me, { to: 'init' });
  const { digest } = authority.bundle();
  const asked: string[] = [];
  const behind = (bundle: string) => {
    asked.push(bundle);
    return Promise.resolve(Array.from({ length: 25 }, (_, index) => `web-${index}`));
  };
  const { message } = await refusal(authority.rotate(me, { to: 'update_clients', behind }));
  expect(message).toContain('web-0, web-1');
  expect(message).toEndWith('and 5 more');
  expect(authority.phase()).toBe('init');
  expect((await authority.rotate(me, { to: 'update_clients', behind, force: true })).behind).toHaveLength(25);
  expect(asked).toEqual([digest, digest]);
  // The way back never waits for anybody.
  await authority.rotate(me, { to: 'rollback', behind });
  expect(asked).toHaveLength(2);
});

test.each(steps.slice(0, 3))(
  'rollback from %s: the old root goes on, leaves of the new one stay good',
  async (last) => {
    await using bench = await caBench();
    const authority = await bench.open({ phaseMinMs: 0 });
    const before = authority.bundle();
    for (const to of steps.slice(0, steps.indexOf(last) + 1)) await authority.rotate(me, { to });
    const during = [await bench.leaf(authority), await labdLeaf(bench, authority)] as const;
    await authority.rotate(me, { to: 'rollback' });
    expect(authority.phase()).toBe('standby');
    expect(authority.bundle()).toEqual(before);
    expect(authority.verifyClient(during[0].der).id).toBe('a1');
    expect(clientTakes(await labdLeaf(bench, authority), during[0].caPem, bench.clock.wall())).toBe(true);
    // The next rotation starts clean.
    for (const to of steps) await authority.rotate(me, { to });
    expect(authority.bundle().pins).not.toEqual(before.pins);
  },
);

test('two rotations within 90 days: whoever slept through both still connects (CA-11)', async () => {
  await using bench = await caBench();
  const authority = await bench.open({ phaseMinMs: 0 });
  const bundles = [authority.bundle().pem];
  for (let round = 0; round < 2; round++) {
    for (const to of steps) await authority.rotate(me, { to });
    bundles.push(authority.bundle().pem);
  }
  const labd = await labdLeaf(bench, authority);
  for (const bundle of bundles) expect(clientTakes(labd, bundle, bench.clock.wall())).toBe(true);
});

test('the chain that labd sends is taken by this runtime with the old, the new and both roots', async () => {
  await using bench = await caBench();
  // TLS goes by the real clock, so this is a CA of today.
  await bench.clock.advance(Date.now() - bench.clock.wall());
  const authority = await bench.open({ phaseMinMs: 0 });
  for (const to of steps) await authority.rotate(me, { to });
  // A second rotation: who knows the second root gets in, though the first one's keys are still there.
  const bundles = [authority.bundle().pem];
  for (const to of steps) {
    await authority.rotate(me, { to });
    bundles.push(authority.bundle().pem);
  }
  const { key, certificatePem, chainPem, der } = await labdLeaf(bench, authority);
  const server = { key, certificatePem, certificate: readCertificate(der) };
  for (const clientTrustPem of new Set(bundles)) {
    const check = { bundlePem: clientTrustPem, trustDomain: 'labmesh.internal' };
    const result = await handshake({ server, serverChainPem: chainPem, clientTrustPem, check });
    expect(result.clientError).toBeUndefined();
  }
});

test('racing steps on several replicas: each is taken once', async () => {
  await using bench = await caBench();
  const all = await Promise.all(Array.from({ length: 3 }, () => bench.open({ phaseMinMs: 0 })));
  for (const to of steps) {
    const results = await Promise.allSettled(all.map((one) => one.rotate(me, { to })));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  }
  for (const one of all) await one.poll();
  expect(new Set(all.map((one) => one.bundle().digest)).size).toBe(1);
  expect(all[0]!.status().keys.filter(({ role }) => role === 'root')).toHaveLength(2);
});

test('offline root: the old root file cross-signs the new root before servers move (CA-2, CA-11)', async () => {
  await using bench = await caBench();
  const [rootFile, kept] = [join(bench.folder, 'root.pem'), join(bench.folder, 'safe.pem')];
  const authority = await bench.open({ rootMode: 'offline', rootFile, phaseMinMs: 0 });
  const before = authority.bundle().pem;
  expect((await refusal(authority.rotate(me, { to: 'init' }))).hint).toContain('safe place');
  renameSync(rootFile, kept);
  await authority.rotate(me, { to: 'init' });
  expect(existsSync(rootFile)).toBe(true);
  await authority.rotate(me, { to: 'update_clients' });
  expect((await refusal(authority.rotate(me, { to: 'update_servers' }))).message).toContain('cross-signed');
  const old = await readRootFile(readFileSync(kept, 'utf8'));
  const cross = await signCross(old, authority.status().signingRequest!, bench.clock.wall());
  await authority.installSigned(me, pemOf([cross]));
  expect(authority.status().signingRequest).toBeUndefined();
  await authority.rotate(me, { to: 'update_servers' });
  await authority.rotate(me, { to: 'standby' });
  expect(clientTakes(await labdLeaf(bench, authority), before, bench.clock.wall())).toBe(true);
});

test('any order of steps leaves the CA able to sign, and its bundle with one or two roots', async () => {
  await using bench = await caBench();
  const authority = await bench.open({ phaseMinMs: 0 });
  const tries: RotationStep[] = [...caPhases, 'rollback'];
  for (let count = 0; count < 60; count++) {
    const to = tries[Math.floor(Math.random() * tries.length)]!;
    await authority.rotate(me, { to }).catch((error: FleetError) => expect(error.code).toBe('CA_PHASE'));
    const leaf = await bench.leaf(authority, { id: `a${count}` });
    expect(authority.verifyClient(leaf.der).id).toBe(`a${count}`);
    expect(certificatesIn(authority.bundle().pem)).toHaveLength(authority.phase() === 'standby' ? 1 : 2);
  }
});
