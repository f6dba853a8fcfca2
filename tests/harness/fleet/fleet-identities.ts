/** Identities of a running labd for tests: users by their login token, machines by a join token, strangers by another CA. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createCsr } from '@labmesh/pki/csr';
import { readIdentity } from '@labmesh/pki/identity-file';
import { type EcKey, generateKey } from '@labmesh/pki/keys';
import { toPem } from '@labmesh/pki/der/pem';
import { sampleCa } from '@labmesh/pki/testing/sample-ca';
import { type ClientIdentity, doorOf, HttpsLine } from '../raw-https.ts';
import type { RunningLabd } from '../start-labd.ts';

export type Identity = ClientIdentity & { key: EcKey; id: string; name: string };
type Certified = { certificatePem: string; chainPem: string };

const identityOf = (key: EcKey, { certificatePem, chainPem }: Certified, id: string, name: string): Identity => ({
  key,
  id,
  name,
  keyPem: key.privatePem,
  certPem: certificatePem + chainPem,
});

/** A user with these roles, logged in by certificate. */
export async function enrolUser(labd: RunningLabd, name: string, roles: readonly string[] = []): Promise<Identity> {
  const made = await labd.call<{ token: string; user: { id: string } }>('POST', '/api/users', { name, roles });
  const key = await generateKey();
  using line = new HttpsLine(doorOf(labd.api));
  const answer = await line.call('POST', '/api/auth/user-enroll', {
    json: { token: made.token, csrPem: await createCsr(key) },
  });
  if (answer.status !== 200) throw new Error(`user-enroll: ${answer.body}`);
  return identityOf(key, answer.json<Certified>(), made.user.id, name);
}

export type Machine = Identity & { serverId: string; caPem: string; token: string };
export type MachineKind = 'agent' | 'bastion' | 'service';

/** The body of an enrolment. */
export const joinBody = async (key: EcKey, token: string, hostname: string, more: Record<string, unknown> = {}) => ({
  token,
  csrPem: await createCsr(key),
  hostname,
  machineId: randomBytes(16).toString('hex'),
  agentVersion: '0.1.0',
  ...more,
});

/** A machine, bastion or service that has joined; nothing runs there. */
export async function enrolMachine(
  labd: RunningLabd,
  kind: MachineKind,
  hostname: string,
  scope: Record<string, unknown> = {},
): Promise<Machine> {
  const { token } = await labd.call<{ token: string }>('POST', '/api/tokens', { kind, ...scope });
  const key = await generateKey();
  using line = new HttpsLine(doorOf(labd.agents));
  const answer = await line.call('POST', '/api/auth/enroll', { json: await joinBody(key, token, hostname) });
  if (answer.status !== 200) throw new Error(`enroll: ${answer.body}`);
  const enrolled = answer.json<Certified & { agentId: string; serverId: string; caPem: string }>();
  const { serverId, caPem } = enrolled;
  return { ...identityOf(key, enrolled, enrolled.agentId, hostname), serverId, caPem, token };
}

/** labd's own certificate, which other replicas know it by. */
export async function labdIdentity(labd: RunningLabd): Promise<ClientIdentity> {
  const kept = await readIdentity(join(labd.folder, 'data', 'identity.pem'));
  if (kept === undefined) throw new Error('labd has no identity yet');
  return { keyPem: kept.key.privatePem, certPem: kept.certificatePem + kept.chainPem };
}

/** What the network plane's own CA gives out: another root, another trust domain (LD-6). */
export async function networkIdentity(): Promise<ClientIdentity> {
  const ca = await sampleCa(Date.now(), 'network.labmesh.internal');
  const { key, certificate } = await ca.leaf('service', 'node-0123456789ab');
  return { keyPem: key.privatePem, certPem: toPem('CERTIFICATE', certificate.der) + ca.chainPem };
}

/** A node's bearer token in its right form (LD-6). */
export const nodeToken = (): string =>
  `lmn_${randomBytes(16).toString('base64').replace(/\W/g, '0').slice(0, 10)}_${randomBytes(32).toString('base64url')}`;
