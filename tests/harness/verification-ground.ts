/** A gateway between one simulated engine and an arena that says what a test wants, with short names for its calls. */
import { FakeArena } from '@labmesh/gateway/testing/fake-arena';
import type { EngineOptions, EngineSimulator } from '../simulators/engines/engine-simulator.ts';
import { startEngine } from '../simulators/engines/start-engine.ts';
import { type Mesh, startMesh } from './start-mesh.ts';

export const messages = [{ role: 'user', content: 'write add' }];

export class VerificationGround implements AsyncDisposable {
  readonly mesh: Mesh;
  readonly arena: FakeArena;
  readonly engine: EngineSimulator;

  private constructor(mesh: Mesh, arena: FakeArena, engine: EngineSimulator) {
    this.mesh = mesh;
    this.arena = arena;
    this.engine = engine;
  }

  static async start(
    toml = '',
    settings: { engine?: 'raw' | 'serve'; sim?: EngineOptions; arena?: 'none' } = {},
  ): Promise<VerificationGround> {
    const engine = await startEngine({ kind: 'vllm', models: ['m'], ...settings.sim });
    const arena = new FakeArena();
    const socket = settings.arena === 'none' ? '' : `gateway.arena_socket = "${arena.socketPath}"\n`;
    const mesh = await startMesh([{ name: 'sim', baseUrl: engine.url }], {
      toml: `${socket}${toml}`,
      ...(settings.engine && { engine: settings.engine }),
    });
    return new VerificationGround(mesh, arena, engine);
  }

  get base(): string {
    return this.mesh.gateway.api.replace(/\/v1$/, '');
  }
  /** Chat requests that reached the engine. */
  get asked() {
    return this.engine.requests.filter(({ path }) => path === '/v1/chat/completions');
  }
  get keyId(): string {
    return keyIdOf(this.mesh.key);
  }

  chat(body: object = {}, init: RequestInit = {}): Promise<Response> {
    return this.mesh.post('/v1/chat/completions', { model: 'm', messages, ...body }, init);
  }
  /** A chat with the mode intercept. */
  verified(block: object = {}, body: object = {}, init: RequestInit = {}): Promise<Response> {
    return this.chat({ ...body, verification: { mode: 'intercept', ...block } }, init);
  }
  get(path: string, init: RequestInit = bearer(this.mesh.key)): Promise<Response> {
    return fetch(`${this.base}${path}`, init);
  }
  async admin(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const init = { method, headers: { authorization: `Bearer ${this.mesh.gateway.adminToken}` } };
    const response = await this.get(`/admin${path}`, { ...init, ...(body && { body: JSON.stringify(body) }) });
    return (await response.json()) as Record<string, unknown>;
  }
  async newKey(traits: object): Promise<{ id: string; key: string }> {
    return (await this.admin('POST', '/keys', { name: 'k', ...traits })) as { id: string; key: string };
  }
  /** What a key used. */
  async usage(key: string): Promise<{ requests: number; completionTokens: number } | undefined> {
    type Row = { id: string; requests: number; completionTokens: number };
    return ((await this.admin('GET', '/usage?by=key'))['usage'] as Row[]).find((row) => row.id === key);
  }
  /** Count of verifications by mode and result. */
  async counted(mode: string, result: string): Promise<number> {
    const text = await (await this.get('/metrics', {})).text();
    const line = text.split('\n').find((one) => one.includes(`{mode="${mode}",result="${result}"}`));
    return Number(line?.split(' ').at(-1) ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mesh[Symbol.asyncDispose]();
    await this.arena[Symbol.asyncDispose]();
    await this.engine[Symbol.asyncDispose]();
  }
}

export const bearer = (key: string, headers: Record<string, string> = {}) => ({
  headers: { authorization: `Bearer ${key}`, ...headers },
});
export const keyIdOf = (key: string) => key.slice(4, 16);
/** The error of an answer, in OpenAI's form. */
export const errorOf = async (response: Response) =>
  ((await response.json()) as { error: { code: string; param: string | null; message: string } }).error;

/** Resolves once `isSo` is; rejects after `withinMs`. */
export async function until(isSo: () => Promise<boolean>, withinMs = 5_000): Promise<void> {
  const end = performance.now() + withinMs;
  for (; performance.now() < end; await Bun.sleep(10)) if (await isSo()) return;
  throw new Error('it did not come to be');
}
