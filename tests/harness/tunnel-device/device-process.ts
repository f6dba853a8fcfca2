/** A tunnel device in a process of its own on a host, used like one that is here. */
import { readlinkSync } from 'node:fs';
import type { DistantDevice } from '@labmesh/wireguard/devices/testing/device-conformance';
import {
  type DeviceConfig,
  type DeviceStep,
  type Endpoint,
  type PeerConfig,
  type PeerPlace,
  type PeerState,
  TunnelError,
  type TunnelErrorCode,
} from '@labmesh/wireguard/tunnel-device';
import {
  type DeviceAnswer,
  type DeviceBackend,
  type DeviceRequests,
  fromJson,
  type TimedEvent,
  toJson,
} from './device-wire.ts';
import { linesOf } from '../tunnel/json-process.ts';
import type { TunnelHost } from '../tunnel-site/tunnel-host.ts';

const program = new URL('./device-daemon.ts', import.meta.url).pathname;

type Waiting = { resolve: (value: unknown) => void; reject: (error: unknown) => void };

export class DeviceProcess implements DistantDevice {
  readonly config: DeviceConfig;
  readonly backend: DeviceBackend;
  /** The network namespace of its host, as `net:[…]`; the process itself may be elsewhere for a moment. */
  readonly home: string;
  readonly #child: Bun.Subprocess<'pipe', 'pipe', 'inherit'>;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #steps: DeviceStep[] = [];
  #ended = false;
  listenPort = 0;
  isolationDetail = '';

  private constructor(host: TunnelHost, config: DeviceConfig, backend: DeviceBackend, prefix: readonly string[]) {
    this.config = config;
    this.backend = backend;
    this.home = readlinkSync(`/proc/${host.pid}/ns/net`);
    this.#child = Bun.spawn(host.command([...prefix, process.execPath, program]), {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    void this.#read();
  }

  /**
   * Only starts the process; `open` opens the device.
   * @param prefix of its command line: what drops rights, or looks on.
   */
  static async start(
    host: TunnelHost,
    config: DeviceConfig,
    backend: DeviceBackend,
    prefix: readonly string[] = [],
  ): Promise<DeviceProcess> {
    const started = new DeviceProcess(host, config, backend, prefix);
    started.#steps = (await started.ask('plan', { config, backend })) as DeviceStep[];
    return started;
  }

  get pid(): number {
    return this.#child.pid;
  }

  async #read(): Promise<void> {
    for await (const line of linesOf(this.#child.stdout)) {
      const { id, result, failure } = fromJson(JSON.stringify(line)) as DeviceAnswer;
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (failure === undefined) waiting?.resolve(result);
      else {
        const { code, message, exitCode } = failure;
        const known = code === 'INTERNAL' ? new Error(message) : undefined;
        waiting?.reject(known ?? new TunnelError(code as TunnelErrorCode, message, { exitCode }));
      }
    }
    for (const { reject } of this.#waiting.values()) reject(new Error('the device process ended'));
    this.#waiting.clear();
  }

  async ask<Name extends keyof DeviceRequests>(method: Name, request: DeviceRequests[Name]): Promise<unknown> {
    const id = ++this.#lastId;
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    void this.#child.stdin.write(`${toJson({ id, method, ...request })}\n`);
    await this.#child.stdin.flush();
    return answer;
  }

  /** @param tableOwner false: as on a kernel whose tables have no owners. */
  async open(tableOwner = true): Promise<void> {
    const { config, backend } = this;
    const opened = (await this.ask('open', { config, backend, tableOwner })) as Pick<
      DeviceProcess,
      'listenPort' | 'isolationDetail'
    >;
    Object.assign(this, opened);
  }

  plan(): readonly DeviceStep[] {
    return this.#steps;
  }

  async setPeer(peer: PeerConfig): Promise<void> {
    await this.ask('setPeer', { peer });
  }

  async movePeer(publicKey: Uint8Array, endpoint: Endpoint): Promise<void> {
    await this.ask('movePeer', { publicKey, endpoint });
  }

  async setPsk(publicKey: Uint8Array, key: Uint8Array): Promise<Uint8Array | undefined> {
    return (await this.ask('setPsk', { publicKey, key })) as Uint8Array | undefined;
  }

  async cutPeer(publicKey: Uint8Array, key: Uint8Array): Promise<boolean> {
    return (await this.ask('cutPeer', { publicKey, key })) as boolean;
  }

  async removePeer(publicKey: Uint8Array): Promise<void> {
    await this.ask('removePeer', { publicKey });
  }

  async setPrivateKey(key: Uint8Array): Promise<void> {
    await this.ask('setPrivateKey', { key });
  }

  async handOver(from: Uint8Array, to: PeerPlace): Promise<boolean> {
    return (await this.ask('handOver', { from, to })) as boolean;
  }

  async peers(): Promise<PeerState[]> {
    const states = (await this.ask('peers', {})) as PeerState[];
    // What is undefined does not travel.
    const gaps = { address: undefined, endpoint: undefined, lastHandshakeMs: undefined };
    return states.map((state) => ({ ...gaps, ...state }));
  }

  async events(): Promise<TimedEvent[]> {
    return (await this.ask('events', {})) as TimedEvent[];
  }

  /** Text of a file, read where the tunnel address is. */
  async read(path: string): Promise<string> {
    return (await this.ask('read', { path })) as string;
  }

  /** Closes the device; the process goes on. */
  async close(): Promise<void> {
    await this.ask('close', {});
  }

  /** As a crash ends it. */
  async kill(): Promise<void> {
    this.#ended = true;
    this.#child.kill('SIGKILL');
    await this.#child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#child.stdin.end();
    await Promise.race([this.#child.exited, Bun.sleep(5_000)]);
    await this.kill();
  }
}
