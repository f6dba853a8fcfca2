/** A labd that lets somebody in, and a home where nobody is logged in yet. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseCsr } from '@labmesh/pki/csr';
import type { Answered } from './fake-labd.ts';
import { failed, type FleetGround, openFleetGround, type Run, type RunHow } from './fleet-ground.ts';
import { at, id } from './fleet-samples.ts';

export const userToken = `lmu_0a1b2c3d_${'T'.repeat(43)}`;
const session = `lms_0a1b2c3d_${'S'.repeat(43)}`;
/** What labd answers to a login with a password or at an identity provider. */
export const loggedIn = { user: { id: id(3), name: 'alice' }, session, expiresAt: at(720), idleMs: 7_200_000 };

export interface LoginGround extends AsyncDisposable {
  readonly ground: FleetGround;
  readonly url: string;
  /** The flag with the CA's pin. */
  readonly pinned: readonly string[];
  /** Of this test alone: `fresh` makes another. */
  readonly home: string;
  readonly env: { HOME: string };
  fresh(): void;
  /** `config.yaml`. */
  config(): string;
  /** A file with a token in it. */
  tokenFile(text?: string): string;
  labctl(words: readonly string[], how?: RunHow): Promise<Run>;
  login(words: readonly string[], how?: RunHow): Promise<Run>;
  /** What labd answers to a request for a certificate. */
  issue(body: string): Promise<{ json: Record<string, unknown> }>;
  /** The routes of tests that changed one. */
  mend(): void;
}

/** The certificate that the request in a body asks for. */
async function issue({ labd: { ca }, pin: caPin }: FleetGround, body: string) {
  const { spki, keyHash } = parseCsr((JSON.parse(body) as { csrPem: string }).csrPem);
  const { certificatePem } = await ca.leaf('user', id(3), { spki, keyHash, notAfter: Date.now() + 12 * 3_600_000 });
  const { chainPem, bundlePem: caPem } = ca;
  const times = { expiresAt: at(720), renewAfter: at(360), loginExpiresAt: at(7 * 24 * 60) };
  return { json: { user: { id: id(3), name: 'alice' }, certificatePem, chainPem, caPem, caPin, ...times } };
}

export async function openLoginGround(): Promise<LoginGround> {
  const ground = await openFleetGround();
  const homes: string[] = [];
  const home = () => homes.at(-1) ?? '';
  const labctl = (words: readonly string[], how: RunHow = {}) =>
    ground.labctl(words, { ...how, env: { ...how.env, HOME: home() } });
  const certify = ({ body, headers }: { body: string; headers: { authorization?: string | undefined } }) =>
    headers.authorization === `Bearer ${session}`
      ? issue(ground, body)
      : Promise.resolve<Answered>(failed('UNAUTHENTICATED', 401));
  const found: LoginGround = {
    ground,
    url: ground.labd.url,
    pinned: ['--ca-pin', ground.pin],
    get home() {
      return home();
    },
    get env() {
      return { HOME: home() };
    },
    fresh: () => void homes.push(mkdtempSync(join(tmpdir(), 'labctl-login-'))),
    config: () => readFileSync(join(home(), '.labctl/config.yaml'), 'utf8'),
    tokenFile: (text = userToken) => {
      const path = join(home(), 'token.txt');
      writeFileSync(path, `${text}\n`, { mode: 0o600 });
      return path;
    },
    labctl,
    login: (words, how) => labctl(['login', ...words], how),
    issue: (body) => issue(ground, body),
    mend: () => {
      ground.on('GET /ca/bundle', () => ({ text: ground.labd.ca.bundlePem }));
      ground.on('POST /api/auth/user-enroll', ({ body }) => issue(ground, body));
      ground.on('POST /api/auth/certificate', certify);
      ground.on('POST /api/auth/logout', { ok: true });
      ground.labd.asked.length = 0;
    },
    [Symbol.asyncDispose]: async () => {
      for (const folder of homes) rmSync(folder, { recursive: true, force: true });
      await ground[Symbol.asyncDispose]();
    },
  };
  found.mend();
  found.fresh();
  return found;
}
