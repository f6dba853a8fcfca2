import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { saveProgress } from '../../hub/machine-rows.ts';
import { knownPeer, type LabdApp, openLabdApp, type From } from '../../../../../tests/harness/labd-app.ts';

let app: LabdApp;
const servers: Record<string, string> = {};

beforeAll(async () => {
  app = await openLabdApp();
  for (const hostname of ['web-1', 'db-1']) {
    servers[hostname] = uuidv7();
    const row = { id: servers[hostname], created_at: 1, hostname, macs: '[]', status: 'active' };
    await app.core.store.write(system('test'), (tx) => tx.insertInto('servers').values(row).execute());
  }
});
afterAll(() => app[Symbol.asyncDispose]());

/** A bearer of a user with one role of these rules. */
async function watcher(name: string, rules: string[]) {
  await app.call('POST', '/api/roles', { json: { name, rules } });
  await app.call('POST', '/api/users', { json: { name, roles: [name] } });
  const json = { user: name, password: 'correct horse battery' };
  await app.call('POST', `/api/users/${name}/password`, { json: { password: json.password } });
  const { body } = await app.call('POST', '/api/auth/login', { json });
  return { authorization: `Bearer ${body.session}` };
}
const api: From = { door: 'api' };
const emit = async (hostname: string) => {
  app.core.events.emit('agent-connected', 'server', servers[hostname] ?? hostname, { hostname });
  await Bun.sleep(300);
};
const stream = async (headers: Record<string, string>, query: string) =>
  (await app.call('GET', `/api/events?follow=false${query}`, { headers }, api)).text;

describe('GET /api/events', () => {
  test('AP-3 only what may be listed; the state of labd itself for who may see it', async () => {
    const since = `&since=${uuidv7()}`;
    const [web, all] = [await watcher('web', ['allow list on servers/web-*']), await watcher('all', ['allow * on *'])];
    await emit('web-1');
    await emit('db-1');
    app.core.events.emit('recording-failed', 'replica', 'r1', { why: 'full' });
    await Bun.sleep(300);
    const [ofWeb, ofAll] = [await stream(web, since), await stream(all, since)];
    expect(ofWeb).toContain('web-1');
    expect(ofWeb).not.toMatch(/db-1|recording-failed/);
    expect(ofAll).toContain('db-1');
    expect(ofAll).toContain('event: recording-failed');
    const none = await watcher('none', ['allow get on users']);
    expect((await app.call('GET', '/api/events', { headers: none }, api)).status).toBe(403);
  });

  test('AP-3 a deny on a name hides it in events of every kind', async () => {
    const since = `&since=${uuidv7()}`;
    const kinds = ['servers', 'nodes', 'certificates', 'tunnels', 'machines'];
    const rules = ['allow * on *', ...kinds.map((kind) => `deny list on ${kind}/secret-*`)];
    const all = await watcher('but-secret', rules);
    const bastions = { id: uuidv7(), created_at: 1, name: 'b', labels: '{}' };
    const { store, events } = app.core;
    await store.write(system('test'), (tx) => tx.insertInto('bastions').values(bastions).execute());
    const machines = { '02:00:00:00:00:01': 'secret-m', '02:00:00:00:00:02': 'open-m' };
    for (const [mac, hostname] of Object.entries(machines)) {
      const step = { actionId: 'a1', mac, attempt: 1, stage: 'partition', status: 'ok', hostname } as const;
      await saveProgress(store, bastions.id, { kind: 'bastion-progress', ...step }, 1);
    }
    for (const name of ['secret-x', 'open-x']) {
      events.emit('node-banned', 'node', uuidv7(), { name });
      events.emit('cert-expiring', 'certificate', uuidv7(), { kind: 'agent', name });
      events.emit('tunnel-changed', 'tunnel', name, { what: 'cut' });
    }
    events.emit('bastion-progress', 'machine', '02:00:00:00:00:01', { bastion: 'b', stage: 'secret-stage' });
    events.emit('bastion-progress', 'machine', '02:00:00:00:00:02', { bastion: 'b', stage: 'open-stage' });
    events.emit('rotation-step', 'ca', 'init', {});
    let text = '';
    for (let i = 0; i < 100 && !text.includes('rotation-step'); i++) {
      await Bun.sleep(50);
      text = await stream(all, since);
    }
    expect(text.match(/^event: .*$/gm)).toEqual([
      'event: node-banned',
      'event: cert-expiring',
      'event: tunnel-changed',
      'event: bastion-progress',
      'event: rotation-step',
    ]);
    expect(text).not.toContain('secret-');
  });

  test('goes on after Last-Event-ID, and what is no id breaks nothing', async () => {
    const all = await watcher('later', ['allow * on *']);
    const since = uuidv7();
    await emit('web-1');
    await emit('db-1');
    const ids = [...(await stream(all, `&since=${since}`)).matchAll(/^id: (\S+)$/gm)].map(([, id]) => id!);
    expect(ids).toHaveLength(2);
    expect(await stream({ ...all, 'last-event-id': ids[0]! }, '')).toContain('db-1');
    expect(await stream({ ...all, 'last-event-id': ids[1]! }, '')).toBe(': labmesh events\n\n');
    for (const id of ["' or 1=1", '0', 'zzz']) {
      expect(
        (await app.call('GET', '/api/events?follow=false', { headers: { ...all, 'last-event-id': id } }, api)).status,
      ).toBe(200);
    }
  });

  test('RB-11 a stream that is followed ends for who is disabled', async () => {
    const headers = await watcher('leaver', ['allow * on *']);
    const following = app.call('GET', '/api/events', { headers }, api);
    await Bun.sleep(200);
    await app.call('PATCH', '/api/users/leaver', { json: { disabled: true } });
    await Bun.sleep(100);
    await emit('web-1');
    const ended = await Promise.race([following, Bun.sleep(4_000).then(() => undefined)]);
    expect(ended?.text).toBe(': labmesh events\n\n');
  }, 10_000);

  test('machines have no part in it', async () => {
    const peer = knownPeer('agent', uuidv7());
    expect((await app.call('GET', '/api/events', {}, { door: 'api', peer })).status).toBe(403);
  });
});
