/** A gateway, a simulated engine, and a real arena behind a socket that runs what answers hold in this machine's sandbox. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Arena, openArena } from '@labmesh/arena/arena';
import { readArenaSettings } from '@labmesh/arena/arena-settings';
import { testRunner } from '@labmesh/arena/verify/testing/test-runner';
import { systemClock } from '@labmesh/kit/clock';
import { parseConfig } from '@labmesh/kit/config-file';
import { silentLogger } from '@labmesh/kit/log';
import { startEngine } from '../simulators/engines/start-engine.ts';
import type { EngineSimulator } from '../simulators/engines/engine-simulator.ts';
import { type Mesh, startMesh } from './start-mesh.ts';

/** Makes the simulated engine answer with `content`, in one piece or as a stream. */
const saying = (content: string) => ({ x_sim: { message: { content }, deltas: [{ content }] } });

export class ArenaGround implements AsyncDisposable {
  readonly mesh: Mesh;
  readonly arena: Arena;
  readonly engine: EngineSimulator;
  readonly #stack: AsyncDisposableStack;

  private constructor(mesh: Mesh, arena: Arena, engine: EngineSimulator, stack: AsyncDisposableStack) {
    this.mesh = mesh;
    this.arena = arena;
    this.engine = engine;
    this.#stack = stack;
  }

  /** @param toml of gateway and arena @param more engines beside the simulated one */
  static async start(toml = '', more: readonly { name: string; baseUrl: string }[] = []): Promise<ArenaGround> {
    await using stack = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), 'labmesh-ground-'));
    stack.defer(() => rmSync(folder, { recursive: true, force: true }));
    const engine = stack.use(await startEngine({ kind: 'vllm', models: ['m'], tokens: 0 }));
    const socketPath = join(folder, 'arena.sock');
    const mesh = stack.use(
      await startMesh([{ name: 'sim', baseUrl: engine.url }, ...more], {
        toml: `gateway.arena_socket = "${socketPath}"\n${toml}`,
      }),
    );
    const arena = stack.use(
      await openArena({
        dataDir: folder,
        address: { socketPath },
        token: mesh.gateway.internalToken,
        gatewayUrl: mesh.gateway.api.replace(/\/v1$/, ''),
        runner: testRunner,
        store: mesh.store,
        settings: readArenaSettings(parseConfig('labmesh.toml', toml), {}),
        clock: systemClock,
        log: silentLogger,
      }),
    );
    return new ArenaGround(mesh, arena, engine, stack.move());
  }

  /** A chat whose answer is `content`. */
  chat(content: string, verification: object, body: object = {}, init: RequestInit = {}): Promise<Response> {
    const messages = [{ role: 'user', content: 'write it' }];
    const whole = { model: 'm', messages, ...saying(content), ...body, verification };
    return this.mesh.post('/v1/chat/completions', whole, init);
  }

  get(path: string, key = this.mesh.key): Promise<Response> {
    const base = this.mesh.gateway.api.replace(/\/v1$/, '');
    return fetch(`${base}${path}`, { headers: { authorization: `Bearer ${key}` } });
  }

  /** A key of somebody else's. */
  otherTenant(): Promise<string> {
    return this.newKey('globex');
  }
  async newKey(tenant: string): Promise<string> {
    const { key } = (await this.#admin('/keys', { name: 'other', tenant })) as { key: string };
    return key;
  }

  async #admin(path: string, body: object): Promise<unknown> {
    const response = await fetch(`${this.mesh.gateway.api.replace(/\/v1$/, '')}/admin${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.mesh.gateway.adminToken}` },
      body: JSON.stringify(body),
    });
    return await response.json();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
