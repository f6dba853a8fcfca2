import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { sandboxPathField } from '@labmesh/wire/verification/sandbox';
import { clashingPath, stageFiles } from './staged-files.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('input files', () => {
  test('lie under names of ours, for one uid alone, and are gone afterwards', async () => {
    const parent = mkdtempSync(join(tmpdir(), 'stage-'));
    const folder = join(parent, 'run');
    const uid = process.getuid?.() === 0 ? 900_500 : undefined;
    {
      await using staged = await stageFiles(folder, [{ path: 'a/é', content: bytes('x') }], uid);
      expect(staged.binds).toEqual([{ source: join(folder, '0'), target: '/tmp/a/é' }]);
      expect(readFileSync(join(folder, '0'), 'utf8')).toBe('x');
      const { mode, uid: owner } = statSync(folder);
      expect(mode & 0o777).toBe(0o700);
      expect(owner).toBe(uid ?? process.getuid?.() ?? -1);
    }
    expect(existsSync(folder)).toBe(false);
    rmSync(parent, { recursive: true });
  });

  test('none make no folder', async () => {
    await using staged = await stageFiles('/nonexistent/folder', [], undefined);
    expect(staged.binds).toEqual([]);
  });

  test('a folder that cannot be made is an error, and nothing stays', async () => {
    expect(await thrower(stageFiles('/proc/none/run', [{ path: 'a', content: bytes('x') }], undefined))).toThrow();
  });
});

describe('clashingPath', () => {
  test.each([
    [['a', 'b'], undefined],
    [['a/b', 'a/c', 'ab'], undefined],
    [['a', 'a'], 'a'],
    [['a', 'a/b'], 'a/b'],
    [['a/b/c', 'a/b'], 'a/b/c'],
  ] as const)('%p: %p', (paths, clash) => expect(clashingPath(paths)).toBe(clash));

  test('paths that pass can all be laid out below one folder', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
    fc.assert(
      fc.property(fc.array(path, { maxLength: 5 }), (paths) => {
        fc.pre(clashingPath(paths) === undefined);
        const laid = new Set<string>();
        for (const each of paths) {
          expect(laid.has(each)).toBe(false);
          expect([...laid].some((other) => each.startsWith(`${other}/`) || other.startsWith(`${each}/`))).toBe(false);
          laid.add(each);
        }
      }),
    );
  });
});

test('no path of the contract leads out of /tmp', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('.', '/', 'a', '\0', '\n', ' ') }), (text) => {
      const { success } = sandboxPathField.safeParse(text);
      if (success) expect(join('/tmp', text).startsWith('/tmp/')).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
