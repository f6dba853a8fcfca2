/**
 * A process that holds one tunnel device, as a daemon would, in the host it was started in: what it is asked on stdin
 * (`DeviceRequest`) it does and answers on stdout. It ends with its stdin.
 */
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { chooseAead } from '@labmesh/wireguard/aead/choose-aead';
import { kernelBackend } from '@labmesh/wireguard/devices/kernel-backend';
import { LinkDevice } from '@labmesh/wireguard/devices/link-device';
import type { LinkBackend } from '@labmesh/wireguard/devices/link-backend';
import { removeLeftovers } from '@labmesh/wireguard/devices/remove-leftovers';
import { wireguardGoBackend } from '@labmesh/wireguard/devices/wireguard-go-backend';
import { NativeBackend } from '@labmesh/wireguard/native/native-backend';
import { TunnelError } from '@labmesh/wireguard/tunnel-device';
import {
  type DeviceBackend,
  type DeviceFailure,
  type DeviceRequest,
  fromJson,
  type TimedEvent,
  toJson,
} from './device-wire.ts';

const { aead } = await chooseAead();

function backendOf(name: DeviceBackend): LinkBackend {
  if (name === 'kernel') return kernelBackend;
  if (name === 'wireguard-go') return wireguardGoBackend;
  return new NativeBackend({ aead, timestamps: { load: () => undefined, save: () => {} } });
}

let device: LinkDevice | undefined;
let events: TimedEvent[] = [];
let server: Bun.Server<undefined> | undefined;
const ended = new AbortController();
const home = readlinkSync('/proc/thread-self/ns/net');

function held(): LinkDevice {
  if (device === undefined) throw new Error('no device is open');
  return device;
}

/** Threads of the garbage collector and of the compiler may be anywhere: they open no socket. */
function strayThreads(): string[] {
  const away = readdirSync('/proc/self/task').filter((id) => readlinkSync(`/proc/self/task/${id}/ns/net`) !== home);
  return away.map((id) => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim());
}

function serve(): void {
  const { address, role } = held().config;
  const port = role.kind === 'node' ? role.proxyPort : 0;
  const fetch = () => new Response('proxy');
  server = held().inside(() => Bun.serve({ hostname: address, port, fetch }));
}

async function open(request: Extract<DeviceRequest, { method: 'open' }>): Promise<object> {
  const { config, backend, tableOwner } = request;
  const opening = new LinkDevice(config, backendOf(backend), { tableOwner });
  opening.watch((event) => events.push({ ...event, atMs: Date.now() }), ended.signal);
  await opening.open();
  device = opening;
  return { listenPort: opening.listenPort, isolationDetail: opening.isolationDetail };
}

async function close(): Promise<void> {
  await server?.stop(true);
  server = undefined;
  await device?.[Symbol.asyncDispose]();
}

function takeEvents(): TimedEvent[] {
  const taken = events;
  events = [];
  return taken;
}

function perform(request: DeviceRequest): unknown {
  switch (request.method) {
    case 'open':
      return open(request);
    case 'plan':
      return new LinkDevice(request.config, backendOf(request.backend)).plan();
    case 'setPeer':
      return held().setPeer(request.peer);
    case 'movePeer':
      return held().movePeer(request.publicKey, request.endpoint);
    case 'setPsk':
      return held().setPsk(request.publicKey, request.key);
    case 'cutPeer':
      return held().cutPeer(request.publicKey, request.key);
    case 'removePeer':
      return held().removePeer(request.publicKey);
    case 'setPrivateKey':
      return held().setPrivateKey(request.key);
    case 'handOver':
      return held().handOver(request.from, request.to);
    case 'peers':
      return held().peers();
    case 'close':
      return close();
    case 'leave':
      return held().leave();
    case 'serve':
      return serve();
    case 'read':
      return held().inside(() => readFileSync(request.path, 'utf8'));
    case 'write':
      return held().inside(() => writeFileSync(request.path, request.text));
    case 'removeLeftovers':
      return removeLeftovers(request);
    case 'events':
      return takeEvents();
    case 'strayThreads':
      return strayThreads();
  }
}

function failureOf(error: unknown): DeviceFailure {
  const { code, exitCode } = error instanceof TunnelError ? error : { code: 'INTERNAL', exitCode: 1 };
  return { code, exitCode, message: error instanceof Error ? error.message : String(error) };
}

async function answer(request: DeviceRequest): Promise<void> {
  const { id } = request;
  try {
    process.stdout.write(`${toJson({ id, result: await perform(request) })}\n`);
  } catch (error) {
    process.stdout.write(`${toJson({ id, failure: failureOf(error) })}\n`);
  }
}

for await (const line of console) {
  // The end of stdin shows as an empty line.
  if (line !== '') void answer(fromJson(line) as DeviceRequest);
}
await close();
ended.abort();
