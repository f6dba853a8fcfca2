import { expect, test } from 'bun:test';
import { join } from 'node:path';

test('a process that hides is not dumpable: its memory map belongs to root alone', () => {
  const program = `
    import { statSync } from 'node:fs';
    import { hideMemory } from ${JSON.stringify(join(import.meta.dir, 'hide-memory.ts'))};
    import { libc } from ${JSON.stringify(join(import.meta.dir, 'libc.ts'))};
    const before = libc().prctl(3, 0, 0, 0, 0);
    console.log(before, hideMemory(), libc().prctl(3, 0, 0, 0, 0));`;
  const { stdout } = Bun.spawnSync([process.execPath, '-e', program]);
  expect(stdout.toString().trim()).toBe('1 true 0');
});
