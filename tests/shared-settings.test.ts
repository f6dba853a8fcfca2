/** One labmesh.toml for every program (LD-9): each takes it whole, and none takes a table that nobody reads. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { upOptions } from '../apps/labctl/src/up/up-options.ts';
import { readFleetSettings } from '../apps/labctl/src/up/fleet/fleet-settings.ts';
import { readUpFile } from '../apps/labctl/src/up/read-up-file.ts';
import { readDaemonSettings } from '../daemons/arena/src/arena-settings.ts';
import { readSandboxSettings } from '../daemons/executor/src/sandbox-settings.ts';
import { parseOptions } from '../packages/kit/src/options.ts';
import { sharedTables } from '../packages/kit/src/options/shared-tables.ts';
import { environment, labctlMain, run } from './harness/start-labd.ts';

const root = resolve(import.meta.dir, '..');
const testMs = 60_000;

/** A line for each table; those that are lists or hold names of their own as they are written in earnest. */
const special: Partial<Record<(typeof sharedTables)[number], string>> = {
  endpoint: '[[endpoint]]\nname = "one"\nbase_url = "http://127.0.0.1:9/v1"',
  endpoints: '[[endpoints]]\nname = "two"\nbase_url = "http://127.0.0.1:10/v1"',
  models: '[models.writer]\nmodel_id = "qwen3:8b"',
  log: '[log]\nlevel = "warn"',
};
const wholeFile = sharedTables.map((table) => special[table] ?? `[${table}]`).join('\n');

/** Every top-level table that a source reads: by an option, or by a reader of its own. */
function declaredTables(): Set<string> {
  const found = new Set<string>();
  for (const path of new Bun.Glob('{apps,daemons,packages}/*/src/**/*.ts').scanSync({ cwd: root })) {
    if (path.endsWith('.test.ts') || path.includes('/testing/')) continue;
    const text = readFileSync(join(root, path), 'utf8');
    const isOptions = text.includes('defineOptions(');
    if (isOptions) for (const [, table] of text.matchAll(/\bfile: '([a-z0-9_]+)\./g)) found.add(table ?? '');
    for (const [, table] of text.matchAll(/\bfile\??\.data\['([a-z0-9_]+)'\]/g)) found.add(table ?? '');
    // Endpoints are read from a table whose name is a variable.
    for (const [, table] of text.matchAll(/\bentriesOf\(file, under, '([a-z0-9_]+)'\)/g)) found.add(table ?? '');
  }
  return found;
}

test('the list of tables is what the sources read, neither more nor less', () => {
  expect([...declaredTables()].toSorted()).toEqual([...sharedTables]);
});

describe('one file with all tables', () => {
  let folder: string;
  let path: string;
  const withFile = (name: string, text: string) => {
    const at = join(folder, name);
    writeFileSync(at, `${text}\n`);
    return at;
  };
  const check = async (program: string, words: readonly string[], env: Record<string, string> = {}) =>
    run([process.execPath, labctlMain, program, ...words], { cwd: folder, env: { ...environment(folder), ...env } });

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'labmesh-shared-'));
    path = withFile('labmesh.toml', wholeFile);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each([
    ['labd', ['check-config', '--data', 'data']],
    ['lab-agent', ['check-config']],
    ['labmand', ['--check-config']],
  ])(
    'is good for %s',
    async (program, words) => {
      const { exitCode, stderr } = await check(program, [...words, '--config', path]);
      expect([exitCode, stderr.split('\n').filter((line) => line.includes('unknown'))]).toEqual([0, []]);
    },
    testMs,
  );

  test('is good for labctl up, and what it reads for labd, agent, arena and executor', async () => {
    const file = await readUpFile(['--config', path], {});
    expect(parseOptions(upOptions, { file }).values.logLevel).toBe('warn');
    expect(readFleetSettings(file, {}).labd.trustDomain).toBe('labmesh.internal');
    expect(readDaemonSettings(file, { env: {} }).values.logLevel).toBe('warn');
    expect(readSandboxSettings(file).pool).toBe(4);
  });

  test.each([
    ['labd', ['check-config', '--data', 'data']],
    ['lab-agent', ['check-config']],
  ])(
    '%s names a table that nobody reads, and the nearest one',
    async (program, words) => {
      const misspelt = withFile(`${program}.toml`, '[labd]\n\n[verfication]\nmode = "audit"');
      const { exitCode, stderr } = await check(program, [...words, '--config', misspelt]);
      expect(exitCode).toBe(3);
      expect(stderr).toContain(`${program}.toml:3: verfication: unknown key; did you mean verification?`);
    },
    testMs,
  );

  test('labctl up, arena and executor do, too', async () => {
    const misspelt = await readUpFile(['--config', withFile('up.toml', '[databse]\nurl = "x"')], {});
    expect(() => parseOptions(upOptions, { file: misspelt })).toThrow(/up\.toml:1: databse: unknown key/);
    expect(() => readSandboxSettings(misspelt)).toThrow(/unknown key/);
    expect(() => readDaemonSettings(misspelt, { env: {} })).toThrow(/up\.toml:1: databse: unknown key/);
  });

  test(
    'the port of the API comes from a file, too',
    async () => {
      const env = { LABD_PORT_FILE: withFile('port', 'many') };
      const { exitCode, stderr } = await check('labd', ['check-config', '--data', 'data'], env);
      expect([exitCode, stderr]).toEqual([3, 'labd: LABD_PORT_FILE: found "many", expected an integer 0–65535\n']);
    },
    testMs,
  );
});
