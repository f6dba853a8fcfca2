/** WebSockets of labd in tests: what an upgrade answers, client links, and what becomes of an OPEN. */
import { ChannelClosed } from '@labmesh/link/channel';
import { ChannelEnd } from '@labmesh/link/channel-end';
import { dialLink, DialRefused } from '@labmesh/link/dial';
import { Link, type LinkHandlers } from '@labmesh/link/link';
import { subprotocols } from '@labmesh/wire/frame/frame-types';
import type { Hello } from '@labmesh/wire/frame/messages';
import type { Open } from '@labmesh/wire/frame/open';
import { uuidv7 } from '@labmesh/wire/ids';
import { type ClientIdentity, type Door, HttpsLine } from '../raw-https.ts';

export type Proof = { identity?: ClientIdentity | undefined; headers?: Record<string, string> };

const protocolOf: Readonly<Record<string, string>> = {
  '/ws/agent': subprotocols.link,
  '/ws/peer': subprotocols.peer,
};

/** The status of an upgrade; 101 when a socket would have opened. */
export async function upgradeStatus(door: Door, path: string, { identity, headers = {} }: Proof = {}): Promise<number> {
  using line = new HttpsLine(door, identity);
  const answer = await line.call('GET', path, {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-protocol': protocolOf[path] ?? subprotocols.client,
      ...headers,
    },
  });
  return answer.status;
}

export const helloOf = (kind: Hello['kind'], serverId = ''): Hello => ({
  protocols: [1],
  kind,
  serverId,
  instanceId: uuidv7(),
  bootId: '',
  version: '0.1.0',
  os: 'linux',
  arch: 'x64',
  capabilities: [],
  factsDigest: '',
  bundle: '',
  sessions: [],
});

const bundles = new Map<string, Promise<string>>();

/** The roots of the labd behind a door: TLS here checks the chain, as every client does. */
function bundleOf(door: Door): Promise<string> {
  const key = JSON.stringify(door);
  const fetched = bundles.get(key) ?? fetchBundle(door);
  bundles.set(key, fetched);
  return fetched;
}

async function fetchBundle(door: Door): Promise<string> {
  using line = new HttpsLine(door);
  return (await line.call('GET', '/ca/bundle')).body;
}

/** A socket to `path`, not greeted; the status when it is refused. */
export async function dialSocket(door: Door, path: string, { identity, headers }: Proof) {
  const where = 'socket' in door ? 'ws://localhost' : `wss://${door.host}:${door.port}`;
  try {
    return await dialLink({
      url: `${where}${path}`,
      ...('socket' in door && { socketPath: door.socket }),
      subprotocol: protocolOf[path] ?? subprotocols.client,
      servername: 'labd',
      checkServerIdentity: () => undefined,
      ...(identity !== undefined && { identity: { keyPem: identity.keyPem, chainPem: identity.certPem } }),
      ...(headers !== undefined && { headers }),
      bundlePem: await bundleOf(door),
    });
  } catch (error) {
    if (error instanceof DialRefused) return error.status;
    throw error;
  }
}

/** A greeted client link, or the status of the refusal. */
export async function clientLink(door: Door, proof: Proof, handlers: LinkHandlers = {}): Promise<Link | number> {
  const socket = await dialSocket(door, '/ws/client', proof);
  if (typeof socket === 'number') return socket;
  const link = new Link(socket, handlers, { side: 'odd' });
  await link.hello(helloOf('client'));
  return link;
}

/** A greeted link of a machine, or the status of the refusal. @throws LinkClosed. */
export async function machineLink(
  door: Door,
  kind: 'agent' | 'bastion',
  proof: Proof & { serverId?: string },
  handlers: LinkHandlers = {},
): Promise<Link | number> {
  const socket = await dialSocket(door, '/ws/agent', proof);
  if (typeof socket === 'number') return socket;
  const link = new Link(socket, handlers, { side: 'odd' });
  await link.hello(helloOf(kind, proof.serverId ?? ''));
  return link;
}

/** `ok`, or why the channel was closed. */
export async function openOutcome(link: Link, open: Open): Promise<string> {
  const end = ChannelEnd.open(link, open);
  try {
    await end.opened;
    end.close('cancelled');
    return 'ok';
  } catch (error) {
    if (error instanceof ChannelClosed) return error.ending.reason;
    throw error;
  }
}

/** What a RESUME hears: `ok` or why the channel was closed. */
export function resumeOutcome(link: Link, session: string, token: string): Promise<string> {
  const raw = link.open({ type: 'resume', resume: { session, token, received: { in: 0, out: 0, err: 0 } } });
  return new Promise((resolve) => {
    raw.adopt({
      onFrame: (frame) => {
        if (frame.type === 'close') resolve(frame.reason);
        else if (frame.type === 'resumeOk') resolve('ok');
      },
      pull: () => undefined,
      onDown: () => resolve('down'),
    });
  });
}

/** Opens, gives stdin, collects stdout until the channel closes. */
export async function runSession(
  link: Link,
  open: Open,
  stdin = '',
): Promise<{ out: string; ended: string; session: string }> {
  const end = ChannelEnd.open(link, open);
  let out = '';
  const decoder = new TextDecoder();
  end.handle({ data: (_stream, bytes) => void (out += decoder.decode(bytes, { stream: true })) });
  const { session } = await end.opened;
  if (stdin !== '') await end.write(0, new TextEncoder().encode(stdin));
  end.end(0);
  const { reason } = await end.closed;
  return { out, ended: reason, session };
}
