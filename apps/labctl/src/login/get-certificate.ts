/** A new key and the certificate that labd gives for it: for a one-time token, or over a session (ID-2, ID-4). */
import { hostname } from 'node:os';
import { createCsr } from '@labmesh/pki/csr';
import { type EcKey, generateKey } from '@labmesh/pki/keys';
import { pinOf } from '@labmesh/pki/pin';
import { joinTokenPattern } from '@labmesh/wire/fleet/tokens';
import { type UserCertificate, userTokenPattern } from '@labmesh/wire/fleet/login';
import { LabdClient } from '../client/labd-client.ts';
import { httpsTransport, type LabdProof } from '../client/labd-transport.ts';
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Trust } from './settle-trust.ts';

/** A labd whose CA is settled, and nobody logged in yet. */
export type LabdDoor = { url: string; trust: Trust; timeoutMs: number; world: World; note: (text: string) => void };
export type NewLogin = { key: EcKey; answer: UserCertificate };

/** A client that verifies labd by the settled roots. Close it. */
export function openDoor({ url, trust, timeoutMs, world, note }: LabdDoor, proof: LabdProof = { by: 'nothing' }) {
  const { bundlePem, pins } = trust;
  return new LabdClient({
    transport: httpsTransport(url, { by: 'bundle', bundlePem, pins, trustDomain: undefined }, proof),
    timeoutMs,
    signal: world.life.signal,
    clock: world.clock,
    note,
  });
}

/** For the audit row: what this machine calls itself, as far as the contract lets it. */
const deviceName = (): string =>
  hostname()
    .replace(/[^\w .@-]/g, '')
    .slice(0, 64);

async function certify(ask: (csrPem: string) => Promise<UserCertificate>): Promise<NewLogin> {
  const key = await generateKey();
  const answer = await ask(await createCsr(key));
  if (pinOf(answer.certificatePem) !== `sha256:${key.keyHash}`) {
    throw new CommandError('labd gave a certificate for another key');
  }
  return { key, answer };
}

/** @throws CommandError (exit 2) for a text that is no user token: it is not sent anywhere. */
export async function enrolWithToken(door: LabdDoor, token: string): Promise<NewLogin> {
  if (!userTokenPattern.test(token)) {
    const hint = joinTokenPattern.test(token)
      ? 'this is a join token, for machines: lab-agent enroll takes it'
      : 'a login token begins with lmu_; labctl create user NAME and labctl user token NAME make one';
    throw new CommandError('this is no login token', { hint, exitCode: exitCodes.usage });
  }
  using client = openDoor(door);
  return await certify((csrPem) => client.call('user-enroll', { body: { token, csrPem, device: deviceName() } }));
}

/** @param session the bearer `lms_…` */
export async function certifySession(door: LabdDoor, session: string): Promise<NewLogin> {
  using client = openDoor(door, { by: 'bearer', token: session });
  return await certify((csrPem) => client.call('create-certificate', { body: { csrPem, device: deviceName() } }));
}
