/**
 * labctl beside a labd that answers from a table, with a home of its own and somebody logged in:
 *
 *     await using ground = await openFleetGround();
 *     ground.on('GET /api/servers', { items: [server()], nextCursor: null });
 *     const { exitCode, stdout } = await ground.labctl('get servers -o name');
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sampleCa } from '@labmesh/pki/testing/sample-ca';
import type { World } from '../command.ts';
import { ConfigFile } from '../config/config-file.ts';
import { configPath } from '../config/config-paths.ts';
import { saveCredentials } from '../credentials/credentials.ts';
import { dispatch } from '../dispatch.ts';
import { type Answered, type Asked, type FakeLabd, startFakeLabd } from './fake-labd.ts';
import { testWorld } from './test-world.ts';

/** What a route answers: JSON of its own, or what a function makes of the question. */
export type Route = ((asked: Asked) => Answered | Promise<Answered>) | Record<string, unknown> | readonly unknown[];

export type Run = {
  exitCode: number;
  stdout: string;
  stderr: string;
  /** Questions that were asked. */
  questions: string[];
};

export type RunHow = Partial<World> & {
  /** Given to questions in turn; somebody is at the terminal then. */
  answers?: readonly string[];
  env?: Record<string, string>;
};

export interface FleetGround extends AsyncDisposable {
  readonly labd: FakeLabd;
  readonly home: string;
  readonly pin: string;
  /** `GET /api/servers`, without a query; `:x` stands for one segment. */
  on(route: string, answer: Route): void;
  /** Bodies that were sent to a route, parsed. */
  bodies(route: string): unknown[];
  /** Paths with queries that were asked for, in order. */
  asked(): string[];
  labctl(words: string | readonly string[], how?: RunHow): Promise<Run>;
  /** Logs in again; hours from now. */
  login(from?: number, to?: number): Promise<void>;
}

export const failed = (code: string, status: number, more: Record<string, unknown> = {}): Answered => ({
  status,
  json: { error: { code, message: `${code} was said`, requestId: 'req-1', ...more } },
});

/** Time goes on as it does, and nobody waits: certificates are judged by the real time. */
export const quickClock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  sleep: (_ms: number, signal?: AbortSignal) =>
    signal?.aborted ? Promise.reject(signal.reason as Error) : new Promise<void>((done) => void setImmediate(done)),
};

const hour = 3_600_000;
const userId = '01900000-0000-7000-8000-00000000000a';

const matches = (pattern: string, given: string) =>
  new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`).test(given);

export async function openFleetGround(): Promise<FleetGround> {
  const home = mkdtempSync(join(tmpdir(), 'labctl-ground-'));
  const routes = new Map<string, Route>();
  const find = ({ method, path }: Asked) => {
    const wanted = `${method} ${path.split('?')[0]}`;
    return [...routes].toReversed().find(([pattern]) => matches(pattern, wanted))?.[1];
  };
  // Long enough ago for a certificate that is past half its life.
  const ca = await sampleCa(Date.now() - 24 * hour);
  const labd = await startFakeLabd(
    (asked) => {
      const route = find(asked);
      if (route === undefined) return failed('NOT_FOUND', 404);
      return typeof route === 'function' ? route(asked) : { json: route };
    },
    { ca, leaf: await ca.leaf('labd', 'replica-1', { notAfter: Date.now() + 12 * hour }) },
  );
  const env = { HOME: home };
  const pin = `sha256:${ca.root.certificate.keyHash}`;
  const ground: FleetGround = {
    labd,
    home,
    pin,
    on: (route, answer) => {
      routes.delete(route);
      routes.set(route, answer);
    },
    bodies: (route) =>
      labd.asked
        .filter(({ method, path }) => matches(route, `${method} ${path.split('?')[0]}`))
        .map(({ body }) => (body === '' ? undefined : (JSON.parse(body) as unknown))),
    asked: () => labd.asked.map(({ method, path }) => `${method} ${path}`),
    async labctl(words, { answers, env: more, ...how } = {}) {
      const isThere = answers !== undefined;
      const world = testWorld({
        clock: quickClock,
        stdinIsTerminal: isThere,
        stderrIsTerminal: isThere,
        ...(isThere && { answers }),
        ...how,
        env: { ...env, PATH: process.env['PATH'], ...more },
      });
      const argv = typeof words === 'string' ? words.split(' ').filter(Boolean) : words;
      const exitCode = await dispatch(argv, world).finally(() => world.life.stack.disposeAsync());
      return { exitCode, ...world.said, questions: world.asked };
    },
    async login(from = -1, to = 11) {
      const now = Date.now();
      const leaf = await ca.leaf('user', userId, { notBefore: now + from * hour, notAfter: now + to * hour });
      const { chainPem, bundlePem } = ca;
      const { certificatePem } = leaf;
      await saveCredentials(env, 'default', { privatePem: leaf.key.privatePem, certificatePem, chainPem, bundlePem });
    },
    [Symbol.asyncDispose]: async () => {
      await labd[Symbol.asyncDispose]();
      rmSync(home, { recursive: true, force: true });
    },
  };
  const file = ConfigFile.open(configPath(env));
  file.set(['labd', 'url'], labd.url);
  file.set(['labd', 'caPin'], pin);
  file.save();
  await ground.login();
  return ground;
}
