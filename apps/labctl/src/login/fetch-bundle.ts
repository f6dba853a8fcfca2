/**
 * The CA of a labd that is not known yet (JT-6): its bundle, fetched from whoever answers. Nothing secret is sent on this
 * connection, and nothing that comes over it is believed before a pin has matched.
 */
import { type IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { certificatesIn } from '@labmesh/pki/der/pem';
import { readCertificate } from '@labmesh/pki/der/read-certificate';
import { CommandError } from '../command-error.ts';
import { unreachable } from '../client/labd-error.ts';
import { exitCodes } from '../exit-codes.ts';

const bundleBytesMax = 256 * 1024;
/** JT-6: pins in one list. */
const rootsMax = 8;

async function readBounded(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > bundleBytesMax) {
      answer.destroy();
      throw new CommandError('the answer is too large for a CA bundle', { exitCode: exitCodes.unreachable });
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function ask(url: string, signal: AbortSignal): Promise<IncomingMessage> {
  const { hostname, port, host } = new URL(url);
  return new Promise((resolve, reject) => {
    const asking = request({
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: port === '' ? 443 : Number(port),
      path: '/ca/bundle',
      headers: { host, accept: '*/*' },
      agent: false,
      // As for every request of labctl: labd's own certificate, and not one that it shows to browsers.
      servername: 'labd',
      minVersion: 'TLSv1.3',
      // The one place: a bundle says of itself who it is, and the pin decides.
      rejectUnauthorized: false,
      signal,
    });
    asking.on('response', resolve);
    asking.on('error', reject);
    asking.end();
  });
}

/**
 * What answers at `/ca/bundle`, PEM; unverified.
 * @throws CommandError: exit 6 when nobody answers or it is no bundle, 7 when it takes too long
 */
export async function fetchBundle(url: string, options: { timeoutMs: number; signal: AbortSignal }): Promise<string> {
  const late = AbortSignal.timeout(Math.max(1, options.timeoutMs));
  const where = `labd at ${url}`;
  try {
    const answer = await ask(url, AbortSignal.any([options.signal, late]));
    const text = await readBounded(answer);
    if (answer.statusCode === 200 && pinsOf(text) !== undefined) return text;
    const code = answer.statusCode ?? 0;
    throw new CommandError(`${where} gives no CA bundle${code === 200 ? '' : ` (status ${code})`}`, {
      hint: 'is a labd behind this address? Its API is on port 3100',
      exitCode: exitCodes.unreachable,
    });
  } catch (error) {
    options.signal.throwIfAborted();
    if (error instanceof CommandError) throw error;
    if (!late.aborted) throw unreachable(where, error);
    throw new CommandError(`${where} did not answer in time`, {
      hint: 'give it longer with --timeout',
      exitCode: exitCodes.timeout,
    });
  }
}

/** The pins of the roots in a bundle, by comma; undefined when there is none, or a text that is no certificate. */
export function pinsOf(bundlePem: string): string | undefined {
  try {
    const roots = certificatesIn(bundlePem).map((der) => readCertificate(der));
    const pins = [...new Set(roots.filter(({ isCa }) => isCa).map(({ keyHash }) => `sha256:${keyHash}`))];
    return pins.length === 0 || pins.length > rootsMax ? undefined : pins.join(',');
  } catch {
    return undefined;
  }
}
