/** The arena's whole API over a real store, a real issuer and a fake gateway; asked as the gateway asks it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import { keyHeader, tenantHeader } from '@labmesh/wire/verification/arena-run';
import { issuerOn, openSigning } from '../../certify/testing/open-certify.ts';
import { FakeGateway } from '../../generate/testing/fake-gateway.ts';
import { openChecks, openTunings } from '../../judges/testing/open-checks.ts';
import { openRig } from '../../runs/testing/run-rig.ts';
import { Pairs } from '../../pairs/pairs.ts';
import { openSuiteSealer } from '../../suites/suite-sealer.ts';
import { SuiteShelf } from '../../suites/suite-shelf.ts';
import { arenaApp } from '../arena-app.ts';

export const token = `lmi_${'t'.repeat(43)}`;
const bearer = `Bearer ${token}`;

/** An arena without tool servers. */
const noCalls = { entries: 0, running: 0, waiting: 0 };
const noCache = { entries: 0, entriesMost: 0, ttlMs: 0 };
const noTools = {
  describe: () => Promise.resolve({ servers: [], cache: noCache, running: 0, runningMost: 0, waiting: 0 }),
  counts: [],
  stats: noCalls,
};

type Asked = {
  /** null = the header is left out. */
  tenant?: string | null;
  auth?: string | null;
  body?: unknown;
};

export type AppRig = Awaited<ReturnType<typeof openAppRig>>;

/** @param script what models answer */
export async function openAppRig(script?: FakeGateway['script']) {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-arena-app-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const logged: string[] = [];
  const log = createLogger({ level: 'debug', format: 'json', write: (line) => void logged.push(line) });
  const clock = systemClock;
  const store = stack.use(await openStore({ url: `sqlite://${join(folder, 'arena.db')}` }));
  const attest = join(folder, 'attest');
  const signing = stack.use(await openSigning(attest));
  const issuer = stack.use(issuerOn(signing, store, log));
  const suites = new SuiteShelf(store, openSuiteSealer(join(folder, 'arena')));
  const pairs = new Pairs({ store, clock, logger: log, mayTrain: () => false });
  const gateway = stack.use(new FakeGateway(script));
  const { runs, verification } = stack.use(await openRig({ gateway, store, parts: { log } }));
  const judgeChecks = stack.use(openChecks(join(folder, 'judges.json'), gateway.url, log));
  const judgeTunings = stack.use(openTunings(store, gateway.url, log));
  const submit: typeof runs.submit = (offer, signal) => runs.submit(offer, signal);
  const app = arenaApp({
    suites,
    issuer,
    judgeChecks,
    judgeTunings,
    tools: noTools,
    pairs,
    verification,
    folder: attest,
    store,
    clock,
    log,
    token,
    runs,
    submit,
    variations: 5,
    humanWeight: 1,
  });
  const ask = (method: string, path: string, { tenant = 'acme', auth = bearer, body }: Asked = {}) =>
    app.request(path, {
      method,
      headers: {
        ...(auth !== null && { authorization: auth }),
        ...(tenant !== null && { [tenantHeader]: tenant }),
        [keyHeader]: 'key-1',
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  const json = async (method: string, path: string, asked?: Asked) => {
    const answer = await ask(method, path, asked);
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const open = stack.move();
  return {
    issuer,
    suites,
    app,
    ask,
    json,
    store,
    runs,
    judgeTunings,
    gateway,
    logged,
    folder,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}
