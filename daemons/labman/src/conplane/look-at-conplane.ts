/**
 * One look at a Conplane without a token: does it answer, by which roots, and what time is it there. For whoever looks for a
 * fault; nothing is decided by it, so that a machine whose clock is wrong hears of it too.
 */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { ControlPlaneConfig } from '../config/read-control-plane.ts';

export type ConplaneLook = {
  /** Of its head `Date`, Unix ms, whole seconds; undefined when there is none. */
  dateMs: number | undefined;
  /** Wall clock here when the head came. */
  atMs: number;
  /** Its roots, not verified, when a pin is to be compared; else undefined. */
  bundlePem: string | undefined;
};

const waitMs = 5_000;
const bodyBytesMax = 256 * 1024;

/**
 * @param verified true: by the system's roots, as a node without a pin does. False: whoever answers.
 * @throws what the network says, with its `code`
 */
export function lookAtConplane(
  { url, caPin }: Pick<ControlPlaneConfig, 'url' | 'caPin'>,
  verified: boolean,
): Promise<ConplaneLook> {
  const target = new URL(caPin === undefined ? url : '/ca/bundle', url);
  const ask = target.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const options = { method: 'GET', rejectUnauthorized: verified, agent: false, signal: AbortSignal.timeout(waitMs) };
    const asked = ask(target, options, (response) => {
      const atMs = Date.now();
      const dateMs = Date.parse(response.headers.date ?? '');
      const parts: Buffer[] = [];
      let length = 0;
      response.on('data', (part: Buffer) => {
        length += part.length;
        // Somebody else's answer, as long as it may be: the head was what we wanted.
        if (length > bodyBytesMax) asked.destroy(new Error('the answer is too long'));
        else parts.push(part);
      });
      response.on('error', reject);
      response.on('end', () => {
        const bundlePem = caPin === undefined ? undefined : Buffer.concat(parts).toString('utf8');
        resolve({ dateMs: Number.isNaN(dateMs) ? undefined : dateMs, atMs, bundlePem });
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}
