import { expect, test } from 'bun:test';
import { createCross } from './issue/profiles.ts';
import { pinOf } from './pin.ts';
import { serverIdentityCheck, verifyServer } from './server-identity.ts';
import { handshake } from './testing/handshake.ts';
import { pemOf, sampleCa, sampleDomain } from './testing/sample-ca.ts';
import { verifyPeer } from './verify-peer.ts';

const ca = await sampleCa();
const foreign = await sampleCa();
const server = await ca.leaf('labd', 'r1');
const client = { ...(await ca.leaf('agent', 'a1')), chainPem: ca.chainPem };
const check = { bundlePem: ca.bundlePem, trustDomain: sampleDomain };
const usual = { server, serverChainPem: ca.chainPem, clientTrustPem: ca.bundlePem, check };

test('under another host name, with client certificate: both ends know each other (CA-5)', async () => {
  const { clientError, isAuthorized, seenByServer } = await handshake({ ...usual, client });
  expect(clientError).toBeUndefined();
  expect(isAuthorized).toBe(true);
  const chain = [ca.issuing.certificate.der];
  const leafDer = seenByServer!.raw!;
  expect(verifyPeer({ leafDer, chain, ...check, now: Date.now(), eku: 'client' }).id).toBe('a1');
});

test('by pin: the right root passes, another one in the same bundle does not (JT-6)', async () => {
  const both = ca.bundlePem + foreign.bundlePem;
  const withPin = (pins: string) =>
    handshake({ ...usual, clientTrustPem: both, check: { bundlePem: both, pins, trustDomain: undefined } });
  expect((await withPin(pinOf(ca.bundlePem))).clientError).toBeUndefined();
  expect((await withPin(pinOf(foreign.bundlePem))).clientError).toMatchObject({ reason: 'untrusted' });
  expect((await withPin(`sha256:${'0'.repeat(64)}`)).clientError).toMatchObject({ reason: 'wrong-pin' });
});

test('an agent is not labd, whatever it calls itself', async () => {
  const agent = await ca.leaf('agent', 'r1');
  expect((await handshake({ ...usual, server: agent })).clientError).toBeDefined();
  const chain = { raw: agent.certificate.der, issuerCertificate: { raw: ca.issuing.certificate.der } };
  expect(serverIdentityCheck(check)('r1', chain)).toMatchObject({ reason: 'wrong-usage' });
});

test('another trust domain, another root, no certificate: refused', async () => {
  const elsewhere = { ...check, trustDomain: 'other.internal' };
  expect((await handshake({ ...usual, check: elsewhere })).clientError).toMatchObject({ reason: 'wrong-identity' });
  const stranger = await foreign.leaf('labd', 'r1');
  expect((await handshake({ ...usual, server: stranger, serverChainPem: foreign.chainPem })).clientError).toBeDefined();
  expect(serverIdentityCheck(check)('x', {})).toMatchObject({ reason: 'missing' });
  expect(() => verifyServer(undefined, check)).toThrow('no certificate');
});

test('a root that points to itself ends the chain', () => {
  const root: { raw: Uint8Array; issuerCertificate?: object } = { raw: ca.root.certificate.der };
  root.issuerCertificate = root;
  const issuing = { raw: ca.issuing.certificate.der, issuerCertificate: root };
  expect(verifyServer({ raw: server.certificate.der, issuerCertificate: issuing }, check).id).toBe('r1');
});

test('a sleeper with the old root connects through the cross-signed one (CA-11)', async () => {
  const next = await sampleCa();
  const cross = await createCross(ca.root, next.root.certificate, Date.now() - 3_600_000);
  const rotated = await next.leaf('labd', 'r1');
  const serverChainPem = next.chainPem + pemOf(cross);
  for (const trust of [ca.bundlePem, next.bundlePem, ca.bundlePem + next.bundlePem]) {
    const result = await handshake({
      server: rotated,
      serverChainPem,
      clientTrustPem: trust,
      check: {
        ...check,
        bundlePem: trust,
      },
    });
    expect(result.clientError).toBeUndefined();
  }
});

test('1,000 handshakes with a foreign certificate on this runtime: none accepted', async () => {
  const stranger = await foreign.leaf('labd', 'r1');
  const strangeClient = { ...(await foreign.leaf('agent', 'a1')), chainPem: foreign.chainPem };
  let accepted = 0;
  for (let count = 0; count < 500; count++) {
    const asServer = await handshake({ ...usual, server: stranger, serverChainPem: foreign.chainPem });
    if (asServer.clientError === undefined) accepted++;
    const asClient = await handshake({ ...usual, client: strangeClient });
    if (asClient.isAuthorized !== false) accepted++;
  }
  expect(accepted).toBe(0);
}, 120_000);
