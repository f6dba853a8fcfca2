import { thrower } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseOptions } from '@labmesh/kit/options';
import { labmanOptions } from './labman-options.ts';
import { post } from './post.ts';

let folder = '';
let server: Server | undefined;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'labmesh-post-'))));
afterEach(() => {
  server?.close();
  server = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** With settings that name an interface that nobody else has. */
async function run(...more: string[]): Promise<{ removed: string[] }> {
  const config = join(folder, 'labman.toml');
  writeFileSync(config, '[wireguard]\ninterface_name = "post-test-9"\n');
  const argv = ['--json', '--config', config, '--socket', join(folder, 'sock'), ...more];
  const { values: flags } = parseOptions(labmanOptions, { argv, env: {}, positionalsMax: 0 });
  let said = '';
  expect(await post({ flags, words: [], print: (text) => void (said += text) })).toBe(0);
  return JSON.parse(said) as { removed: string[] };
}
const listen = () =>
  new Promise<void>((resolve) => {
    server = createServer().listen(join(folder, 'sock'), resolve);
  });

describe.skipIf(process.getuid?.() !== 0)('labman post (needs root)', () => {
  test('has nothing to do where nothing was left', async () => {
    expect(await run()).toEqual({ removed: [] });
  });

  test('touches nothing of a labmand that runs', async () => {
    await listen();
    expect(await thrower(run())).toThrow('stop it first');
    expect(existsSync(join(folder, 'sock'))).toBe(true);
  });

  test('removes the socket of one that does not, and no other file in its place', async () => {
    const child = Bun.spawn([
      process.execPath,
      '-e',
      `Bun.serve({ unix: '${join(folder, 'sock')}', fetch: () => new Response() })`,
    ]);
    while (!existsSync(join(folder, 'sock'))) await Bun.sleep(10);
    child.kill('SIGKILL');
    await child.exited;
    expect(await run()).toEqual({ removed: [`socket ${join(folder, 'sock')}`] });
    writeFileSync(join(folder, 'sock'), 'precious');
    expect(await run()).toEqual({ removed: [] });
    expect(existsSync(join(folder, 'sock'))).toBe(true);
  });

  test('goes by the usual name when the settings cannot be read', async () => {
    const broken = join(folder, 'broken.toml');
    writeFileSync(broken, '[wireguard\n');
    expect(await run('--config', broken)).toEqual({ removed: [] });
  });
});
