import { afterAll, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { contractVersion } from '@labmesh/wire/contract-version';
import { ConfigFile } from '../config/config-file.ts';
import { configPath } from '../config/config-paths.ts';
import { type FleetGround, openFleetGround } from '../testing/fleet-ground.ts';
import { health } from '../testing/fleet-samples.ts';

let ground: FleetGround;
let socket: ReturnType<typeof Bun.serve>;
let socketPath: string;
beforeAll(async () => {
  ground = await openFleetGround();
  ground.on('GET /api/version', { version: '1.2.3', contract: contractVersion });
  ground.on('GET /health/detailed', health());
  const file = ConfigFile.open(configPath({ HOME: ground.home }));
  // A context that was set up, with nobody logged in to it.
  file.set(['contexts', 'prod', 'labd', 'url'], 'https://127.0.0.1:1');
  file.save();
  socketPath = join(ground.home, 'labd.sock');
  socket = Bun.serve({
    unix: socketPath,
    fetch: (request) =>
      Response.json(
        request.url.endsWith('/api/version')
          ? { version: '3.4.5', contract: contractVersion }
          : health({ version: '3.4.5' }),
      ),
  });
});
afterAll(async () => {
  await socket.stop(true);
  await ground[Symbol.asyncDispose]();
});
const run = (words: string, more: Record<string, string> = {}) => ground.labctl(words, { env: more });

test('version asks the labd in force, the one of a context, and the one of this machine', async () => {
  expect((await run('version')).stdout).toContain(`labd    1.2.3 at ${ground.labd.url}`);
  expect((await run('version --context default')).stdout).toContain('labd    1.2.3 at ');
  const local = await run('version --local --json', { LABCTL_ADMIN_SOCKET: socketPath });
  expect(JSON.parse(local.stdout)).toMatchObject({ server: { version: '3.4.5', url: socketPath } });
  expect((await run('version --client')).stdout).not.toContain('labd');
});

test('a context that is not set up, or has no login, is told by its exit code; one that is away is not (CT-8)', async () => {
  expect(await run('version --context nope')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('there is no context "nope"'),
  });
  expect(await run('status --context prod')).toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining('nobody is logged in to context prod'),
  });
  expect(await run('version --local', { LABCTL_ADMIN_SOCKET: join(ground.home, 'none.sock') })).toMatchObject({
    exitCode: 0,
    stderr: expect.stringContaining('cannot be reached'),
  });
});

test('status of a labd that is named is its own answer, whatever runs here', async () => {
  const asked = await run('status --context default');
  expect([asked.exitCode, asked.stdout]).toEqual([0, expect.stringContaining(`labd       ${ground.labd.url}`)]);
  const local = await run('status --local', { LABCTL_ADMIN_SOCKET: socketPath });
  expect([local.exitCode, local.stdout]).toEqual([0, expect.stringContaining(`labd       ${socketPath}`)]);
  const away = await run('status --local', { LABCTL_ADMIN_SOCKET: join(ground.home, 'none.sock') });
  expect(away.exitCode).toBe(1);
});

test('--timeout bounds the wait', async () => {
  ground.on('GET /api/version', () => undefined);
  const { exitCode, stderr } = await run('version --timeout 50ms');
  expect([exitCode, stderr]).toEqual([0, expect.stringContaining('labd: ')]);
  expect((await run('version --timeout soon')).exitCode).toBe(2);
});
