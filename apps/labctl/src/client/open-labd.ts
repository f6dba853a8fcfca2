/** From settings and credentials to a client of labd, the certificate renewed on the way when it is time (CT-5, CA-6). */
import type { World } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { ConfigFile } from '../config/config-file.ts';
import { configPath } from '../config/config-paths.ts';
import type { Settings } from '../config/settings.ts';
import { type Credentials, readCredentials } from '../credentials/credentials.ts';
import { renewalState, renewCredentials } from '../credentials/renewal.ts';
import { exitCodes } from '../exit-codes.ts';
import { ago } from '../terminal/span.ts';
import { LabdClient } from './labd-client.ts';
import { httpsTransport, type LabdProof, type LabdTrust, socketTransport } from './labd-transport.ts';

/** Where a labd of this machine is asked as root; LABCTL_ADMIN_SOCKET names another. */
const adminSocketDefault = '/run/labmesh/labd.sock';

export type LabdNeeds = {
  world: World;
  settings: Settings;
  /** --local. */
  local: boolean;
  /** For --verbose. */
  note: (text: string) => void;
};

/** How to reach labd and prove who asks. For requests, and for the WebSockets of `exec` and `logs`. */
export type LabdAccess = { url: string; trust: LabdTrust; proof: LabdProof };

export const adminSocketPath = (env: World['env']): string => env['LABCTL_ADMIN_SOCKET'] || adminSocketDefault;

const accessOf = (url: string, pins: string | undefined, found: Credentials): LabdAccess => ({
  url,
  trust: { by: 'bundle', bundlePem: found.bundlePem, pins, trustDomain: found.trustDomain },
  proof: {
    by: 'certificate',
    certificatePem: found.certificatePem,
    chainPem: found.chainPem,
    privatePem: found.key.privatePem,
  },
});

const openClient = ({ world, settings, note }: LabdNeeds, { url, trust, proof }: LabdAccess) =>
  new LabdClient({
    transport: httpsTransport(url, trust, proof),
    timeoutMs: settings.timeoutMs,
    signal: world.life.signal,
    clock: world.clock,
    note,
  });

/** labd gave another pin, over a connection it had proven itself on: what config.yaml pins moves with it (CA-10). */
function followPin(env: World['env'], settings: Settings, caPin: string): void {
  const { layer, value } = settings.setting('labd.caPin');
  if (value === caPin || (layer !== 'context' && layer !== 'file')) return;
  const file = ConfigFile.open(configPath(env));
  const prefix = layer === 'context' ? ['contexts', settings.context] : [];
  file.set([...prefix, 'labd', 'caPin'], caPin);
  file.save();
}

/** A renewal that fails is tried again by the next run, until the certificate ends. */
async function renew(needs: LabdNeeds, access: LabdAccess, old: Credentials): Promise<Credentials> {
  const { world, settings, note } = needs;
  try {
    using client = openClient(needs, access);
    const ask = (csrPem: string) => client.call('renew', { body: { csrPem } });
    const made = await renewCredentials({ env: world.env, context: settings.context, ask });
    if (made === undefined) return old;
    followPin(world.env, settings, made.caPin);
    note(`renewed the certificate of context ${settings.context}`);
    return made.credentials;
  } catch (error) {
    world.life.signal.throwIfAborted();
    note(`the certificate could not be renewed: ${error instanceof Error ? error.message : String(error)}`);
    return old;
  }
}

/** @throws CommandError (exit 3) without a login, or with one that has ended */
export async function labdAccess(needs: LabdNeeds): Promise<LabdAccess> {
  const { world, settings } = needs;
  const url = settings.need('labd.url');
  const found = await readCredentials(world.env, settings.context);
  const login = `labctl login${settings.context === 'default' ? '' : ` --context ${settings.context}`}`;
  if (found === undefined) {
    throw new CommandError(`nobody is logged in to context ${settings.context}`, {
      hint: login,
      exitCode: exitCodes.notConfigured,
    });
  }
  const now = world.clock.wall();
  const state = renewalState(found.certificate, now);
  if (state === 'expired') {
    const since = ago(new Date(found.certificate.notAfter).toISOString(), now);
    throw new CommandError(`the login to context ${settings.context} ended ${since}`, {
      hint: login,
      exitCode: exitCodes.notConfigured,
    });
  }
  const pins = settings.get('labd.caPin');
  const access = accessOf(url, pins, found);
  if (state === 'fresh') return access;
  const renewed = await renew(needs, access, found);
  return accessOf(url, renewed === found ? pins : undefined, renewed);
}

/** A client of the labd in force. @throws CommandError (exit 3) */
export async function openLabd(needs: LabdNeeds): Promise<LabdClient> {
  if (!needs.local) return openClient(needs, await labdAccess(needs));
  const { world, settings, note } = needs;
  return new LabdClient({
    transport: socketTransport(adminSocketPath(world.env)),
    timeoutMs: settings.timeoutMs,
    signal: world.life.signal,
    clock: world.clock,
    note,
  });
}
