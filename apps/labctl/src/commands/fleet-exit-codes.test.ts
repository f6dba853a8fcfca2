/** CT-8: every exit code, and the shape of what is told (CT-9), as a command gives them over a labd. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Stopped } from '@labmesh/kit/run';
import { configPath } from '../config/config-paths.ts';
import { failed, type FleetGround, openFleetGround } from '../testing/fleet-ground.ts';
import { health, pageOf, server } from '../testing/fleet-samples.ts';

let ground: FleetGround;
beforeAll(async () => (ground = await openFleetGround()));
afterAll(() => ground[Symbol.asyncDispose]());
beforeEach(() => ground.on('GET /api/servers', pageOf(server())));
const get = (how = {}) => ground.labctl('get servers', how);
const answer = (code: string, status: number, more = {}) =>
  ground.on('GET /api/servers', () => failed(code, status, more));

describe('exit codes (CT-8)', () => {
  test('0 ok', async () => expect((await get()).exitCode).toBe(0));

  test('1 failed', async () => {
    answer('INTERNAL', 500);
    expect((await get()).exitCode).toBe(1);
  });

  test('2 usage, from here and from labd', async () => {
    expect((await ground.labctl('get servers --nothing')).exitCode).toBe(2);
    answer('VALIDATION_FAILED', 400, { field: 'label', message: 'is no selector' });
    const { exitCode, stderr } = await get();
    expect([exitCode, stderr]).toEqual([2, 'error: label: is no selector (VALIDATION_FAILED)\n']);
  });

  test('3 not configured or logged in', async () => {
    expect((await get({ env: { HOME: '/nonexistent' } })).exitCode).toBe(3);
    answer('UNAUTHENTICATED', 401);
    expect(await get()).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('hint: labctl login\n') });
  });

  test('4 denied, in the words of labd', async () => {
    const message = 'list on servers denied by role ops: "deny list on servers"';
    answer('PERMISSION_DENIED', 403, { message, hint: 'labctl auth can-i list servers --explain' });
    const { exitCode, stderr } = await get();
    expect([exitCode, stderr]).toEqual([4, `error: ${message}\nhint: labctl auth can-i list servers --explain\n`]);
  });

  test('5 not found', async () => expect((await ground.labctl('get server/none')).exitCode).toBe(5));

  test('6 unreachable', async () => {
    expect((await get({ env: { LABCTL_LABD_URL: 'https://127.0.0.1:1' } })).exitCode).toBe(6);
    answer('STORE_UNAVAILABLE', 503, { retryAfterMs: 1e9 });
    expect((await get()).exitCode).toBe(6);
  });

  test('7 time-out', async () => {
    ground.on('GET /api/servers', () => undefined);
    expect((await ground.labctl('get servers --timeout 200ms')).exitCode).toBe(7);
  });

  test('8 conflict', async () => {
    answer('STALE_REVISION', 409);
    expect((await get()).exitCode).toBe(8);
  });

  test('130 interrupted', async () => {
    const stopped = new AbortController();
    stopped.abort(new Stopped());
    const life = {
      signal: stopped.signal,
      stack: new AsyncDisposableStack(),
      stopped: Promise.resolve(),
      stop: () => {},
    };
    expect((await get({ life })).exitCode).toBe(130);
  });

  test('--verbose adds the request id, and -o json the error on stdout', async () => {
    answer('INTERNAL', 500);
    expect((await ground.labctl('get servers --verbose')).stderr).toContain('request: req-1\n');
    const { stdout } = await ground.labctl('get servers -o json');
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'INTERNAL', requestId: 'req-1' } });
  });

  test('an answer that is not understood names what is missing', async () => {
    ground.on('GET /api/servers', { items: [{ id: 'x' }] });
    const { exitCode, stderr } = await get();
    expect(exitCode).toBe(1);
    expect(stderr).toContain('is not understood: items.0.id');
  });
});

describe('version and status beside a labd', () => {
  test('version tells labd’s as well, --client does not ask, and an absent labd is no failure', async () => {
    ground.on('GET /api/version', { version: '9.8.7', contract: 2 });
    const { exitCode, stdout } = await ground.labctl('version');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^labmesh .*\nlabd {4}9\.8\.7 at https:/);
    expect(JSON.parse((await ground.labctl('version --json')).stdout).server).toMatchObject({ version: '9.8.7' });
    ground.labd.asked.length = 0;
    expect((await ground.labctl('version --client')).stdout).not.toContain('labd');
    expect(ground.asked()).toEqual([]);
    const away = await ground.labctl('version --json', { env: { LABCTL_LABD_URL: 'https://127.0.0.1:1' } });
    expect(away).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('cannot be reached') });
    expect(JSON.parse(away.stdout).server).toBeNull();
    expect(JSON.parse((await ground.labctl('version --json', { env: { HOME: '/none' } })).stdout)).not.toHaveProperty(
      'server',
    );
  });

  test('status shows the fleet; a machine without a mesh of its own is fine', async () => {
    ground.on('GET /health/detailed', health());
    const { exitCode, stdout, stderr } = await ground.labctl('status');
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toContain('state      not running on ');
    expect(stdout).toContain(`\nlabd       ${ground.labd.url}\nstate       ok\n`);
    const json = await ground.labctl('status --json');
    expect([json.exitCode, JSON.parse(json.stdout)]).toMatchObject([
      0,
      { running: false, labd: { status: 'ok', agents: { connected: 3 } } },
    ]);
    // A folder that was named has to run.
    expect((await ground.labctl(['status', '--data', join(ground.home, 'x')])).exitCode).toBe(1);
  });

  test('status with a labd that is away: exit 1; one that refuses us runs all the same', async () => {
    const away = await ground.labctl('status', { env: { LABCTL_LABD_URL: 'https://127.0.0.1:1' } });
    expect([away.exitCode, away.stdout]).toEqual([
      1,
      expect.stringContaining('labd       labd at https://127.0.0.1:1'),
    ]);
    ground.on('GET /health/detailed', () => failed('PERMISSION_DENIED', 403));
    expect((await ground.labctl('status')).exitCode).toBe(0);
  });

  test('a broken config.yaml stops neither', async () => {
    const path = join(ground.home, 'broken.yaml');
    writeFileSync(path, 'labd: [', { mode: 0o600 });
    const env = { LABCTL_CONFIG: path };
    expect(configPath(env)).toBe(path);
    expect(await ground.labctl('version', { env })).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('not valid YAML'),
    });
    expect((await ground.labctl('status', { env })).exitCode).toBe(0);
  });
});
