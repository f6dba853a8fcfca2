/** Values whose form no type tells: what is wrong with them would only show when somebody is turned away. */
import { isIP } from 'node:net';
import { frameLimits } from '@labmesh/wire/frame/frame-types';
import type { LabdOptions } from './labd-options.ts';
import { wrongSetting } from './wrong-setting.ts';

/** An origin as browsers write it: nothing else would ever be equal to one (RFC 6454, 6.2), and `*` is never meant. */
function checkOrigin(origin: string): void {
  if (URL.parse(origin)?.origin === origin && /^https?:/.test(origin)) return;
  throw wrongSetting('labd.allowed_origins', `expected origins such as https://dash.example, found "${origin}"`);
}

/** Proxies are known by their exact address: a network or a name in the list would be nobody's. */
function checkProxy(address: string): void {
  if (isIP(address) === 0)
    throw wrongSetting('labd.trusted_proxies', `expected addresses such as 10.0.0.1, found "${address}"`);
}

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
export const isReplicaId = (text: string): boolean => uuidPattern.test(text);

/** @throws OptionsError (exit 3) with the key */
export function checkValues(options: LabdOptions): void {
  const { allowedOrigins, trustedProxies, frameBytesMax, windowBytes, windowBytesMax, replicaId } = options;
  allowedOrigins.forEach(checkOrigin);
  trustedProxies.forEach(checkProxy);
  // Both ends of a link must agree on it before the first frame (HB-2): a labd of its own mind would cut its agents.
  if (frameBytesMax !== frameLimits.payloadBytesMax)
    throw wrongSetting('hub.frame_max', 'is 64KiB in this protocol; leave it out');
  // The opener counts what it may get before labd has said a word (HB-4): another number here would end channels.
  if (windowBytes !== frameLimits.windowBytes)
    throw wrongSetting('hub.window', 'is 256KiB in this protocol; leave it out');
  if (windowBytesMax !== frameLimits.windowBytesMax)
    throw wrongSetting('hub.window_max', 'is 4MiB in this protocol; leave it out');
  if (replicaId !== undefined && !isReplicaId(replicaId)) throw wrongSetting('labd.replica_id', 'expected a uuid');
}
