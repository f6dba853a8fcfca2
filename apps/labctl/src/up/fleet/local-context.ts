/**
 * The context of `config.yaml` that reaches the labd of `labctl up`. It is called `local`, unless somebody else has that
 * name: a labd that still answers, or an address that is not of this machine.
 */
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import type { Environment } from '../../command.ts';
import { ConfigFile } from '../../config/config-file.ts';
import { configPath } from '../../config/config-paths.ts';

export type LocalLabd = {
  /** `https://127.0.0.1:3100`. */
  url: string;
  /** Of the CA, by comma (JT-6). */
  pins: string;
};

const name = 'local';
/** Loopback answers or refuses at once. */
const answerMs = 500;
const loopback = new Set(['localhost', '127.0.0.1', '[::1]']);

const sharesPin = (known: string, pins: string) => known.split(',').some((pin) => pins.split(',').includes(pin));

/** Whether anybody listens behind an `https://` address. */
function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? 443 : Number(port),
    timeout: answerMs,
  });
  socket.once('connect', () => resolve(true));
  socket.once('error', () => resolve(false));
  socket.once('timeout', () => resolve(false));
  return promise.finally(() => socket.destroy());
}

async function isOurs(file: ConfigFile, { url, pins }: LocalLabd): Promise<boolean> {
  const found = file.contexts.get(name);
  const known = { url: found?.get('labd.url')?.value, pins: found?.get('labd.caPin')?.value };
  if (known.url === undefined || known.url === url) return true;
  if (known.pins !== undefined && sharesPin(known.pins, pins)) return true;
  // Left behind by a labd that is gone: a data folder that was removed, a test.
  return loopback.has(new URL(known.url).hostname) && !(await answers(known.url));
}

/** The name of the context; another data folder's `local` is left alone. @throws CommandError for a broken file */
export async function localContext(env: Environment, labd: LocalLabd, dataDir: string): Promise<string> {
  const file = ConfigFile.open(configPath(env)).check();
  if (await isOurs(file, labd)) return name;
  return `${name}-${createHash('sha256').update(dataDir).digest('hex').slice(0, 6)}`;
}

/**
 * Writes where the context's labd is, as far as that is not there yet. It becomes the one in force only where none is:
 * nobody's commands may go to another labd because of a start here. Gives whether it is in force.
 * @throws CommandError
 */
export function writeContext(env: Environment, context: string, { url, pins }: LocalLabd): boolean {
  const file = ConfigFile.open(configPath(env)).check();
  const known = file.contexts.get(context);
  const current = file.values.get('currentContext')?.value;
  const takes = current === undefined && !file.values.has('labd.url');
  const isKnown = known?.get('labd.url')?.value === url && known.get('labd.caPin')?.value === pins;
  if (!isKnown) {
    file.set(['contexts', context, 'labd', 'url'], url);
    file.set(['contexts', context, 'labd', 'caPin'], pins);
  }
  if (takes) file.set(['currentContext'], context);
  if (takes || !isKnown) file.save();
  return takes || current === context;
}
