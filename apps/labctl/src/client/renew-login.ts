/** A new certificate while the old one still holds (CA-6). */
import type { World } from '../command.ts';
import { ConfigFile } from '../config/config-file.ts';
import { configPath } from '../config/config-paths.ts';
import type { Settings } from '../config/settings.ts';
import type { Credentials } from '../credentials/credentials.ts';
import { renewCredentials } from '../credentials/renewal.ts';
import type { LabdAccess, LabdNeeds } from './labd-needs.ts';
import { LabdClient } from './labd-client.ts';
import { httpsTransport } from './labd-transport.ts';

export const openClient = ({ world, settings, note }: LabdNeeds, { url, trust, proof }: LabdAccess) =>
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
export async function renewLogin(needs: LabdNeeds, access: LabdAccess, old: Credentials): Promise<Credentials> {
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
