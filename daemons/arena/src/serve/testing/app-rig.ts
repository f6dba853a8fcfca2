/** The arena's whole API over a real store, a real issuer and a fake gateway; asked as the gateway asks it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import { keyHeader, tenantHeader } from '@labmesh/wire/verification/arena-run';
import { openArenaHouse } from '../../arena-house.ts';
import { readArenaSettings } from '../../arena-settings.ts';
import { FakeGateway } from '../../generate/testing/fake-gateway.ts';
import type { RunSettings } from '../../runs/run-settings.ts';
import { openRig } from '../../runs/testing/run-rig.ts';
import { arenaApp } from '../arena-app.ts';

export const token = `lmi_${'t'.repeat(43)}`;
const bearer = `Bearer ${token}`;

export type Asked = {
  /** null = the header is left out. */
  tenant?: string | null;
  auth?: string | null;
  body?: unknown;
};

export type AppRig = Awaited<ReturnType<typeof openAppRig>>;

/** @param script what models answer */
export async function openAppRig(script?: FakeGateway['script'], settings: Partial<RunSettings> = {}) {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-arena-app-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const logged: string[] = [];
  const log = createLogger({ level: 'debug', format: 'json', write: (line) => void logged.push(line) });
  const clock = systemClock;
  const store = stack.use(await openStore({ url: `sqlite://${join(folder, 'arena.db')}` }));
  const runner = { run: () => Promise.reject(new Error('no executor here')), levels: () => Promise.resolve([]) };
  const read = readArenaSettings({ path: 'f', data: { attest: { checkpoint_ms: 1 } } }, {});
  const house = await openArenaHouse({ dataDir: folder, runner, store, settings: read, clock, log }, stack);
  const gateway = stack.use(new FakeGateway(script));
  const { runs } = stack.use(await openRig({ gateway, store, settings, parts: { log } }));
  const submit: typeof runs.submit = (offer, signal) => runs.submit(offer, signal);
  const app = arenaApp({ ...house, store, clock, log, token, runs, submit, variations: 5 });
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
    ...house,
    app,
    ask,
    json,
    store,
    runs,
    gateway,
    logged,
    folder,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}
