/** Two Links that have greeted each other over a connection in memory. */
import type { Hello, HelloOk } from '@labmesh/wire/frame/messages';
import { Link, type LinkHandlers, type LinkOptions } from '../link.ts';
import { MemorySocket } from './socket-pair.ts';

export const testHello: Hello = {
  protocols: [1],
  kind: 'agent',
  serverId: '01900000-0000-7000-8000-00000000000a',
  instanceId: '01900000-0000-7000-8000-00000000000b',
  bootId: '',
  version: '0.1.0',
  os: 'linux',
  arch: 'x64',
  capabilities: [],
  factsDigest: '',
  bundle: '',
  sessions: [],
};

export const testHelloOk: HelloOk = {
  protocol: 1,
  replicaId: 'r1',
  heartbeatMs: 10_000,
  timeMs: 1_766_275_200_000,
  bundle: '',
  limits: { channels: 256, window: 262_144, windowMax: 4_194_304 },
  urls: [],
};

export type LinkPair = {
  /** Opens even channels and accepted. */
  labd: Link;
  other: Link;
  sockets: [labd: MemorySocket, other: MemorySocket];
};

export function linkPair(
  labdHandlers: LinkHandlers = {},
  otherHandlers: LinkHandlers = {},
  options: Omit<LinkOptions, 'side'> = {},
): LinkPair {
  const [a, b] = MemorySocket.pair();
  const hello = (link: Link) => link.accept(testHelloOk);
  const accepting: LinkHandlers =
    labdHandlers.hello === undefined
      ? Object.assign(Object.create(labdHandlers) as LinkHandlers, { hello })
      : labdHandlers;
  const labd = new Link(a, accepting, { ...options, side: 'even' });
  const other = new Link(b, otherHandlers, { ...options, side: 'odd' });
  other.hello(testHello).catch(() => {});
  b.deliver(1);
  a.deliver(1);
  return { labd, other, sockets: [a, b] };
}
