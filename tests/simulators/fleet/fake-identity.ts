/** Identities of simulated machines: really enrolled by a reusable join token, many over few connections. */
import { createCsr } from '@labmesh/pki/csr';
import { generateKey } from '@labmesh/pki/keys';
import { bundleDigest } from '@labmesh/pki/pin';
import { enrolledSchema } from '@labmesh/wire/fleet/enrolment';

export type FakeIdentity = {
  hostname: string;
  serverId: string;
  agentId: string;
  keyPem: string;
  /** Leaf and intermediate. */
  chainPem: string;
  bundlePem: string;
  bundleDigest: string;
};

export type Enrolling = {
  /** `https://…`, agents' listener. */
  url: string;
  bundlePem: string;
  token: string;
  /** Enrolments under way at a time. */
  atOnce?: number;
};

/** Successes of one address in a minute are bounded (RL-1), so that a fleet comes from several. */
const perAddress = 500;

/**
 * The address that machine `index` says it comes from. labd believes it when `labd.trusted_proxies` names ours; else all
 * count as one.
 */
const addressOf = (index: number) => `10.${network}.${Math.floor(index / perAddress) % 256}.1`;
/** Of this process's machines. */
const network = process.pid % 256;

/** A machine id of its own for each, the same for the same name. */
const machineIdOf = (hostname: string) => new Bun.CryptoHasher('sha256').update(hostname).digest('hex').slice(0, 32);

/** A key and its request. */
export type FakeRequest = { keyPem: string; csrPem: string };

export async function newFakeRequest(): Promise<FakeRequest> {
  const key = await generateKey();
  return { keyPem: key.privatePem, csrPem: await createCsr(key) };
}

/** Joins one machine. @throws Error with labd's answer. */
async function enrolOne(
  { url, bundlePem, token }: Enrolling,
  hostname: string,
  index: number,
  { keyPem, csrPem }: FakeRequest,
): Promise<FakeIdentity> {
  const machineId = machineIdOf(hostname);
  const response = await fetch(new URL('/api/auth/enroll', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': addressOf(index) },
    body: JSON.stringify({ token, csrPem, hostname, machineId, macs: [], agentVersion: 'fake' }),
    tls: { ca: bundlePem },
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${hostname} did not enrol: ${response.status} ${text}`);
  const { serverId, agentId, certificatePem, chainPem, caPem } = enrolledSchema.parse(JSON.parse(text));
  const trust = { bundlePem: caPem, bundleDigest: bundleDigest(caPem) };
  return { hostname, serverId, agentId, keyPem, chainPem: certificatePem + chainPem, ...trust };
}

/**
 * Joins all of them, in order of names; takes from `requests` what was made before. @throws Error for the first that
 * labd refuses.
 */
export async function enrolFakes(
  enrolling: Enrolling,
  hostnames: readonly string[],
  requests: FakeRequest[] = [],
): Promise<FakeIdentity[]> {
  const { atOnce = 8 } = enrolling;
  const made: FakeIdentity[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < hostnames.length; index = next++) {
      const request = requests.pop() ?? (await newFakeRequest());
      made[index] = await enrolOne(enrolling, hostnames[index] ?? '', index, request);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return made;
}
