import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { root } from './sources.ts';

/** What an installation may take, MB (2^20 bytes). */
const installMbMax = 600;

test(`node_modules takes at most ${installMbMax} MB`, () => {
  // du counts a hard-linked file once and does not follow links, as the disk does.
  const run = Bun.spawnSync(['du', '-sm', join(root, 'node_modules')]);
  const mb = Number.parseInt(run.stdout.toString(), 10);
  expect(mb).toBeGreaterThan(50);
  expect(mb).toBeLessThanOrEqual(installMbMax);
});
