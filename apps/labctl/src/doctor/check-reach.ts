/** The way to labd, step by step: name, port, TLS, and whether its CA is the one that is pinned (CA-5). */
import { lookup } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { PeerRefused } from '@labmesh/pki/peer-refused';
import { type SeenCertificate, verifyServer } from '@labmesh/pki/server-identity';
import { fetchBundle, pinsOf } from '../login/fetch-bundle.ts';
import { pinnedRoots } from '@labmesh/pki/pin';
import { CommandError } from '../command-error.ts';
import type { Credentials } from '../credentials/credentials.ts';
import { failing, type Finding, okay, warning } from './finding.ts';

export type Reach = {
  findings: Finding[];
  /** Roots that labd has proven itself by; undefined when it has not. */
  bundlePem: string | undefined;
};

export type ReachInput = {
  url: string;
  pins: string | undefined;
  credentials: Credentials | undefined;
  timeoutMs: number;
  signal: AbortSignal;
};

const plainHost = (url: URL) => url.hostname.replace(/^\[(.*)\]$/, '$1');
const portOf = ({ port, protocol }: URL) => (port === '' ? (protocol === 'http:' ? 80 : 443) : Number(port));
const codeOf = (error: unknown) => (error as { code?: string }).code ?? (error as Error).message;

/** The first event of a socket that tells how it went. @throws the socket's error; Error for a silence */
function settled<S extends Socket | TLSSocket>(
  socket: S,
  event: 'connect' | 'secureConnect',
  timeoutMs: number,
): Promise<S> {
  return new Promise((resolve, reject) => {
    socket.setTimeout(timeoutMs, () => reject(Object.assign(new Error('it does not answer'), { code: 'ETIMEDOUT' })));
    socket.once(event, () => resolve(socket));
    socket.once('error', reject);
    // TLS that is cut in the handshake ends without an error.
    socket.once('close', () => reject(Object.assign(new Error('the connection was cut'), { code: 'ECONNRESET' })));
  });
}

async function checkName(url: URL): Promise<Finding> {
  const host = plainHost(url);
  if (isIP(host) !== 0) return okay('labd dns', `${host} is an address`);
  try {
    const found = await lookup(host, { all: true });
    return okay('labd dns', `${host} is ${found.map(({ address }) => address).join(', ')}`);
  } catch (error) {
    const fix = 'is the name in labd.url right? getent hosts NAME shows what this machine knows';
    return failing('labd dns', `${host} is not known (${codeOf(error)})`, fix);
  }
}

const tcpFixes: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'is labd running, and does labd.listen name this address and port?',
  ETIMEDOUT: 'a firewall may drop it: let this port through',
  EHOSTUNREACH: 'there is no route: check the network',
  ENETUNREACH: 'there is no route: check the network',
};

/** Whether the address of a URL takes connections, and why not: the system's code. */
export async function reachPort(url: URL, timeoutMs: number): Promise<{ where: string; problem: string | undefined }> {
  const where = `${plainHost(url)}:${portOf(url)}`;
  const socket = connect({ host: plainHost(url), port: portOf(url) });
  try {
    await settled(socket, 'connect', timeoutMs);
    return { where, problem: undefined };
  } catch (error) {
    return { where, problem: codeOf(error) };
  } finally {
    socket.destroy();
  }
}

async function checkPort(url: URL, timeoutMs: number): Promise<Finding> {
  const { where, problem } = await reachPort(url, timeoutMs);
  if (problem === undefined) return okay('labd tcp', `${where} takes connections`);
  const fix = tcpFixes[problem] ?? 'check address and network';
  return failing('labd tcp', `${where} cannot be reached (${problem})`, fix);
}

/** Everything that the server showed, unverified: what is wrong with it is the finding. */
async function handshake(url: URL, timeoutMs: number): Promise<SeenCertificate | undefined> {
  const socket = connectTls({
    host: plainHost(url),
    port: portOf(url),
    servername: 'labd',
    minVersion: 'TLSv1.3',
    rejectUnauthorized: false,
  });
  try {
    await settled(socket, 'secureConnect', timeoutMs);
    return socket.getPeerCertificate(true);
  } finally {
    socket.destroy();
  }
}

const refusals: Readonly<Record<string, string>> = {
  expired: 'labd renews its own certificate: restart it, and check the clocks of both machines',
  'not-yet-valid': 'check the clocks of both machines',
  'wrong-identity': 'labd.url leads to another service of the fleet',
};

function judge(seen: SeenCertificate | undefined, bundlePem: string, input: ReachInput): Finding {
  try {
    const identity = verifyServer(seen, { bundlePem, pins: input.pins, trustDomain: input.credentials?.trustDomain });
    return okay('labd tls', `it is ${identity.kind} ${identity.id} of ${identity.trustDomain}`);
  } catch (error) {
    if (!(error instanceof PeerRefused)) return failing('labd tls', 'its certificate cannot be read', 'is it a labd?');
    const fix = refusals[error.reason] ?? 'the CA may be another one: labctl login URL --ca-pin PIN trusts it anew';
    return failing('labd tls', `its certificate is refused: ${error.message}`, fix);
  }
}

/** Whether the pin is that of the roots we hold; without a login, of those that labd shows. */
async function checkPin(input: ReachInput): Promise<{ finding: Finding; bundlePem: string | undefined }> {
  const { url, pins, credentials, timeoutMs, signal } = input;
  let bundlePem = credentials?.bundlePem;
  try {
    bundlePem ??= await fetchBundle(url, { timeoutMs, signal });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { finding: failing('CA pin', error.message, error.hint ?? 'labctl login'), bundlePem: undefined };
  }
  const shown = pinsOf(bundlePem) ?? 'none';
  if (pins === undefined) {
    const finding = warning(
      'CA pin',
      'labd.caPin is not set',
      `labctl config set labd.caPin ${shown}, once you have compared it`,
    );
    return { finding, bundlePem: credentials?.bundlePem };
  }
  const roots = pinnedRoots(bundlePem, pins);
  if (roots !== undefined) return { finding: okay('CA pin', pins), bundlePem: roots };
  const text = `labd.caPin is ${pins}, the CA has ${shown}`;
  const fix = 'compare it with labctl ca status on the server, then labctl login URL --ca-pin PIN';
  return { finding: failing('CA pin', text, fix), bundlePem: undefined };
}

/** Stops at the first step that fails: those after it would only say the same again. */
export async function checkReach(input: ReachInput): Promise<Reach> {
  const url = new URL(input.url);
  const findings: Finding[] = [];
  const add = (finding: Finding) => {
    findings.push(finding);
    return finding.state !== 'fail';
  };
  if (!add(await checkName(url)) || !add(await checkPort(url, input.timeoutMs)))
    return { findings, bundlePem: undefined };
  let seen: SeenCertificate | undefined;
  try {
    seen = await handshake(url, input.timeoutMs);
  } catch (error) {
    const fix = 'labd.url must be the https address of labd (port 3100), and nothing between may end TLS';
    add(failing('labd tls', `there is no TLS 1.3 (${codeOf(error)})`, fix));
    return { findings, bundlePem: undefined };
  }
  const { finding, bundlePem } = await checkPin(input);
  if (!add(finding) || bundlePem === undefined) return { findings, bundlePem: undefined };
  const isProven = add(judge(seen, bundlePem, input));
  return { findings, bundlePem: isProven ? bundlePem : undefined };
}
