/**
 * The smoke stack: store, labd, two agents; enrol, heartbeat, exec, logs, a denied exec, audit verify. The steps are the
 * scripts of deploy/smoke, which compose.yaml runs in containers; here they run against processes of this machine.
 */
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { environment, run, startAgent, startLabd } from './harness/start-labd.ts';
import { postgresAvailable, startPostgres } from './harness/start-postgres.ts';

setDefaultTimeout(180_000);
const root = resolve(import.meta.dir, '..');
const smoke = join(root, 'deploy/smoke');
const opened = new AsyncDisposableStack();
afterAll(() => opened.disposeAsync(), 20_000);

const serviceSchema = z.object({
  image: z.string(),
  command: z.array(z.string()).optional(),
  volumes: z.array(z.string()).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
});
const composeSchema = z.object({ services: z.record(z.string(), serviceSchema) });
/** The links that `npm run build` puts beside the program. */
const programs = ['labd', 'lab-agent', 'labctl'];

test('enrol, heartbeat, exec, logs, denied exec, audit verify', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-smoke-'));
  // PostgreSQL as compose.yaml has it; SQLite where it is missing.
  const postgres = postgresAvailable() === undefined ? opened.use(await startPostgres()) : undefined;
  const labd = opened.use(
    await startLabd({
      toml: '[hub]\nheartbeat = "1s"',
      ...(postgres !== undefined && { databaseUrl: await postgres.createDatabase() }),
    }),
  );
  const env = { ...environment(folder), LABCTL: join(root, 'labctl'), LABCTL_ADMIN_SOCKET: labd.socket };
  const script = (name: string, ...words: string[]) => run(['sh', join(smoke, name), ...words], { cwd: folder, env });
  const made = await script('setup.sh', folder);
  expect(made.exitCode, made.stderr).toBe(0);
  const joinToken = readFileSync(join(folder, 'token'), 'utf8');
  const log = join(folder, 'smoke.log');
  const toml = `log_paths = ["${folder}/**"]`;
  for (const name of ['web-1', 'web-2']) opened.use(await startAgent(labd, name, { joinToken, toml }));
  const login = await labd.labctlWith({ home: folder }, 'login', labd.api, '--local', '--user', 'root');
  expect(login.exitCode, login.stderr).toBe(0);
  const done = await script('smoke.sh', 'web-1', 'web-2', log);
  expect([done.exitCode, done.stdout.split('\n').at(-2)], done.stderr + done.stdout).toEqual([0, 'smoke: all is well']);
});

test('compose.yaml names programs, files and services that are there, and settings that hold', async () => {
  const { services } = composeSchema.parse(parse(readFileSync(join(smoke, 'compose.yaml'), 'utf8'), { merge: true }));
  for (const [name, { command = [], volumes = [], depends_on = {} }] of Object.entries(services)) {
    for (const other of Object.keys(depends_on))
      expect([name, Object.keys(services)]).toEqual([name, expect.arrayContaining([other])]);
    const words = command.join(' ').split(/\s+/);
    for (const file of words.filter((word) => word.startsWith('/smoke/')))
      expect([name, existsSync(join(smoke, file.slice('/smoke/'.length)))]).toEqual([name, true]);
    if (command.length > 0)
      expect([name, words.some((word) => programs.includes(word) || word.endsWith('.sh'))]).toEqual([name, true]);
    for (const volume of volumes.filter((one) => one.startsWith('.')))
      expect(volume).toMatch(/^(\.\.\/\.\.\/dist|\.):\/\w+:ro$/);
  }
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-smoke-'));
  for (const [program, file] of [
    ['labd', 'labd.toml'],
    ['lab-agent', 'agent.toml'],
  ] as const) {
    const config = join(folder, file);
    writeFileSync(config, readFileSync(join(smoke, file), 'utf8').replaceAll('/state', folder));
    const checked = await run([join(root, program), 'check-config', '--config', config], {
      cwd: folder,
      env: environment(folder),
    });
    expect([program, checked.exitCode], checked.stderr).toEqual([program, 0]);
  }
});
