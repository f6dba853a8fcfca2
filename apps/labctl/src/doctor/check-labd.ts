/** What labd says once it is reached: clock, version, readiness, who we are to it, and what of its CA ends soon. */
import { parseJson } from '@labmesh/kit/parse-json';
import { contractVersion } from '@labmesh/wire/contract-version';
import { fleetOperation } from '@labmesh/wire/fleet/operations';
import { principalText } from '@labmesh/wire/fleet/principal';
import { fleetReadySchema } from '@labmesh/wire/fleet/resources/records';
import { LabdClient } from '../client/labd-client.ts';
import { httpsTransport, type LabdProof, type LabdTrust, type Transport } from '../client/labd-transport.ts';
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { productVersion } from '../product-version.ts';
import { span } from '../terminal/span.ts';
import { failing, type Finding, okay, warning } from './finding.ts';

export type LabdInput = {
  world: Pick<World, 'clock' | 'life'>;
  url: string;
  trust: LabdTrust;
  /** Nothing: nobody is logged in. */
  proof: LabdProof;
  timeoutMs: number;
};

/** Certificates begin five minutes before they are made (`ca.backdate`): beyond that the two do not agree on them. */
const skewFailMs = 5 * 60_000;
const skewWarnMs = 30_000;
const bodyBytesMax = 64 * 1024;

type Answer = { status: number; date: string | undefined; body: unknown };

/** One GET, whatever its status: `ready` says what is wrong with status 503. */
async function get(transport: Transport, path: string, signal: AbortSignal): Promise<Answer> {
  const answer = await transport.send({ method: 'GET', path, headers: { accept: '*/*' }, body: undefined, signal });
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of answer.body) {
    size += part.length;
    if (size > bodyBytesMax) break;
    parts.push(part);
  }
  return { status: answer.status, date: answer.header('date'), body: parseJson(Buffer.concat(parts).toString('utf8')) };
}

function checkClock(date: string | undefined, sentAt: number, gotAt: number): Finding {
  const there = Date.parse(date ?? '');
  if (Number.isNaN(there))
    return warning('labd clock', 'labd does not tell its time', 'something between takes it away');
  // The header has whole seconds, cut off; it was written at some time between asking and hearing.
  const off = there + 999 < sentAt ? sentAt - there : there > gotAt ? gotAt - there : 0;
  if (Math.abs(off) < skewWarnMs) return okay('labd clock', 'agrees with ours');
  const text = `labd's clock is ${span(Math.abs(off))} ${off > 0 ? 'behind' : 'ahead of'} ours`;
  const fix = 'run a time service (chrony, systemd-timesyncd) on both machines';
  return Math.abs(off) < skewFailMs ? warning('labd clock', text, fix) : failing('labd clock', text, fix);
}

function checkVersion({ status, body }: Answer): Finding {
  const read = fleetOperation('get-version').output.safeParse(body).data;
  const isOther = 'labd.url must be the address of the API (port 3100), not of the agents or of another service';
  if (status !== 200 || read === undefined)
    return failing('labd version', `no labd answers there (status ${status})`, isOther);
  const text = `labd ${read.version}, labctl ${productVersion}`;
  if (read.contract === contractVersion) return okay('labd version', text);
  const which = read.contract > contractVersion ? 'labctl' : 'labd';
  return failing(
    'labd version',
    `${text}: they speak contracts ${read.contract} and ${contractVersion}`,
    `update ${which}`,
  );
}

function checkReady({ status, body }: Answer): Finding {
  const read = fleetReadySchema.safeParse(body).data;
  if (read === undefined) return failing('labd ready', `it does not say (status ${status})`, "look into labd's log");
  const down = Object.entries(read.checks).filter(([, state]) => state !== 'ok');
  if (down.length === 0 && status === 200) return okay('labd ready', 'database, migrations, CA and audit are ok');
  const text = down.map(([name, state]) => `${name} is ${state}`).join(', ') || `it is ${read.status}`;
  const fix = down.some(([name]) => name === 'database')
    ? 'is the database of labd running, and database.url right?'
    : down.some(([, state]) => state === 'stopped')
      ? 'two labds have one replica id: end one of them, or give it a data folder of its own, then restart the other'
      : "look into labd's log";
  return status === 503 ? failing('labd ready', text, fix) : warning('labd ready', text, fix);
}

async function checkWho(client: LabdClient): Promise<Finding> {
  try {
    const { principal, roles } = await client.call('whoami');
    const who = principalText(principal);
    if (roles.length > 0) return okay('whoami', `${who}, ${roles.join(', ')}`);
    return warning(
      'whoami',
      `${who} holds no role`,
      `an administrator gives one: labctl create binding ${principal.name} ROLE`,
    );
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return failing('whoami', error.message, error.hint ?? 'labctl login');
  }
}

/** Keys and certificates of the CA that end soon (CA-12), for those who may ask. */
async function checkCa(client: LabdClient): Promise<Finding[]> {
  try {
    const { warnings } = await client.call('get-ca');
    return warnings.map((text) => warning('CA', text, 'labctl ca status; labctl ca rotate begins a new root'));
  } catch (error) {
    if (error instanceof CommandError) return [];
    throw error;
  }
}

/** Whether sessions are recorded and the recordings get to their bucket, for those who may ask. */
async function checkRecordings(client: LabdClient): Promise<Finding[]> {
  try {
    const { recordings } = await client.call('get-detailed-health');
    const found: Finding[] = [];
    if (recordings?.failing === true)
      found.push(failing('recordings', 'labd cannot write recordings', 'is its disk full? see the log of labd'));
    const { archive = null } = recordings ?? {};
    if (archive?.state === 'away') {
      const text = `the bucket is away (${archive.why ?? '?'}); ${archive.waiting} parts wait on the disk of labd`;
      found.push(warning('recordings', text, 'recordings.url, recordings.endpoint, and the keys of the bucket'));
    }
    return found;
  } catch (error) {
    if (error instanceof CommandError) return [];
    throw error;
  }
}

/** @throws what nobody foresaw */
export async function checkLabd({ world, url, trust, proof, timeoutMs }: LabdInput): Promise<Finding[]> {
  const { clock, life } = world;
  // Public questions go without the certificate: labd answers a revoked one with nothing but that.
  using transport = httpsTransport(url, trust, { by: 'nothing' });
  const signal = AbortSignal.any([life.signal, AbortSignal.timeout(timeoutMs)]);
  const findings: Finding[] = [];
  try {
    const sentAt = clock.wall();
    const version = await get(transport, fleetOperation('get-version').path, signal);
    findings.push(checkClock(version.date, sentAt, clock.wall()), checkVersion(version));
    if (version.status !== 200) return findings;
    findings.push(checkReady(await get(transport, fleetOperation('get-ready').path, signal)));
  } catch (error) {
    life.signal.throwIfAborted();
    const text = `it stopped answering: ${error instanceof Error ? error.message : String(error)}`;
    return [...findings, failing('labd ready', text, "look into labd's log")];
  }
  if (proof.by === 'nothing') return findings;
  using client = new LabdClient({
    transport: httpsTransport(url, trust, proof),
    timeoutMs,
    signal: life.signal,
    clock,
  });
  return [...findings, await checkWho(client), ...(await checkCa(client)), ...(await checkRecordings(client))];
}
