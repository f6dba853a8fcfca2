import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { copyFileSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { llamaInstalled } from '@labmesh/portman/testing/needs-llama';
import { LabctlHome } from './harness/labctl-process.ts';

const root = resolve(import.meta.dir, '..');
const builds = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);

describe.skipIf(!builds)('the single-file program, alone in an empty folder (builds for linux x64 and arm64)', () => {
  // A copy: beside the original the packages of the checkout would be found.
  const place = mkdtempSync(join(tmpdir(), 'labmesh-single-'));
  const program = join(place, 'labmesh');
  let home: LabctlHome;
  beforeAll(async () => {
    const words = [process.execPath, join(root, 'tools/build.ts'), process.arch];
    const build = Bun.spawn(words, { stdio: ['ignore', 'ignore', 'inherit'] });
    expect(await build.exited).toBe(0);
    copyFileSync(join(root, 'dist', `labmesh-linux-${process.arch}`), program);
    home = new LabctlHome([program]);
  });
  afterAll(() => {
    home[Symbol.dispose]();
    rmSync(place, { recursive: true });
  });

  test('knows that it is one', async () => {
    expect(JSON.parse((await home.run('version', '--json')).stdout)).toMatchObject({ build: 'single file' });
  });

  test('answers to its other names', async () => {
    const link = join(home.folder, 'labmand');
    symlinkSync(program, link);
    using linked = new LabctlHome([link]);
    expect((await linked.run('--help')).stdout).toStartWith('Usage: labmand');
    expect((await home.run('labmand', '--help')).stdout).toStartWith('Usage: labmand');
  });

  test('says what the built-in engine needs, and runs without it', async () => {
    const { labctl, ready } = await home.up('--demo', '--no-discovery');
    await using _ = labctl;
    expect(ready.models).toEqual([]);
    expect(ready.notes?.join('')).toContain('npm install node-llama-cpp');
    expect((await home.run('status', '--data', home.data)).exitCode).toBe(0);
    labctl.signal('SIGINT');
    expect(await labctl.exited).toBe(0);
  });

  test.skipIf(!llamaInstalled)(
    'with the package beside it serves the demo model it holds (needs node-llama-cpp)',
    async () => {
      symlinkSync(join(root, 'node_modules'), join(home.folder, 'node_modules'));
      const { labctl, ready } = await home.up('--demo', '--no-discovery');
      await using _ = labctl;
      expect(ready.models.map(({ id }) => id)).toEqual(['tiny-coder']);
      const { stdout } = await home.run('chat', 'write add', '--temperature', '0', '--data', home.data);
      expect(stdout).toBe('def f(a,b):\n    return a+b\n');
    },
  );
});
