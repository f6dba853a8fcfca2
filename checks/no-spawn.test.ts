/** The network plane cannot start a process: shown over everything its entry points can reach. */
import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { closure, edges, realWorld } from './imports.ts';
import { packageStarts, processStarts } from './process-starts.ts';
import { parseSource, root, sources } from './sources.ts';
import { libcryptoSymbols } from '@labmesh/wireguard/aead/libcrypto-aead';
import { libcSymbols } from '@labmesh/wireguard/ffi/libc';

const cannotStart = [
  'daemons/labman',
  'packages/inference',
  'packages/kit',
  'packages/rosenpass',
  'packages/tunnel',
  'packages/wireguard',
  'packages/wire',
];

/**
 * What the tunnel needs of it (spec tunnel.md R5, R6): threads that run a named file of ours, which is looked at like all
 * others, and the C library by a list of functions that holds none to start anything.
 */
const granted: Readonly<Record<string, readonly string[]>> = {
  'packages/tunnel/src/steps/step-pool.ts': ['new Worker'],
  'packages/wireguard/src/native/tun-port.ts': ['new Worker', 'bun:ffi'],
  'packages/wireguard/src/ffi/libc.ts': ['bun:ffi'],
  'packages/wireguard/src/aead/libcrypto-aead.ts': ['bun:ffi'],
};
const threads = ['packages/tunnel/src/steps/step-worker.ts', 'packages/wireguard/src/native/tun-waiter.ts'];
const isGranted = (found: string) => {
  const [path = '', , what = ''] = found.split(/:(\d+): /);
  return granted[path]?.includes(what) === true;
};

const filesOf = (workspaces: readonly string[]) =>
  sources()
    .filter((source) => workspaces.includes(source.workspace) && !source.test)
    .map((source) => source.path);

/** Findings over all that `workspaces` reach, each with the way there; and the npm packages on that way. */
function reach(workspaces: readonly string[]): { starts: string[]; packages: string[]; files: number } {
  const world = realWorld();
  const ways = closure(filesOf(workspaces), edges());
  const reached = sources().filter((source) => ways.has(source.path));
  const starts = reached.flatMap((source) =>
    processStarts(source, world).map((found) => `${found} (by ${ways.get(source.path)?.join(' > ')})`),
  );
  const npm = edges().filter((edge) => edge.kind === 'npm' && !edge.typeOnly && ways.has(edge.from));
  return { starts, packages: [...new Set(npm.map((edge) => edge.to))], files: reached.length };
}

describe('no process starts', () => {
  test('from labman and the packages under it', () => {
    const { starts, files } = reach(cannotStart);
    expect(starts.filter((one) => !isGranted(one.replace(/ \(by .*$/, '')))).toEqual([]);
    expect(files).toBeGreaterThan(40);
  }, 60_000);

  test('and no sandbox, executor or arena is within labman’s reach (verification AC13)', () => {
    const ways = closure(filesOf(['daemons/labman']), edges());
    const verification = ['packages/sandbox/', 'daemons/executor/', 'daemons/arena/'];
    expect([...ways.keys()].filter((path) => verification.some((one) => path.startsWith(one)))).toEqual([]);
    // The rule sees: the arena does reach its own.
    const own = closure(filesOf(['daemons/arena']), edges());
    expect([...own.keys()].some((path) => path.startsWith('daemons/arena/'))).toBe(true);
  });

  test('each exception is used, and the threads themselves were looked at', () => {
    const found = reach(cannotStart).starts.map((one) => one.replace(/ \(by .*$/, ''));
    const pairs = Object.entries(granted).flatMap(([path, list]) => list.map((what) => [path, what] as const));
    for (const [path, what] of pairs) {
      expect(
        found.some((one) => one.startsWith(`${path}:`) && one.endsWith(what)),
        path,
      ).toBe(true);
    }
    expect(filesOf(cannotStart)).toEqual(expect.arrayContaining(threads));
  });

  test('nothing of the C library starts a process or loads code', () => {
    const names = [...Object.keys(libcSymbols), ...Object.keys(libcryptoSymbols)];
    expect(names.filter((name) => /exec|fork|spawn|system|popen|clone|dlopen|dlsym/.test(name))).toEqual([]);
    expect(Object.keys(libcSymbols).toSorted()).toEqual(
      '__errno_location bind close ioctl poll prctl read recv send setns setsockopt socket unshare write'.split(' '),
    );
  });

  test('labman itself was looked at', () => expect(filesOf(['daemons/labman']).length).toBeGreaterThan(0));

  test('nor from the npm packages on its way', () => {
    const { packages } = reach(cannotStart);
    const starts = packages.flatMap((name) => packageStarts(name, join(root, 'node_modules')));
    expect(packages).toContain('zod');
    expect(starts).toEqual([]);
  });

  test('the search finds what portman and labctl do', () => {
    expect(reach(['daemons/portman', 'apps/labctl']).starts.length).toBeGreaterThan(0);
  });
});

describe('the search itself', () => {
  const starts = (text: string) => processStarts(parseSource('packages/kit/src/x.ts', text), realWorld());

  test.each([
    "import { spawn } from 'node:child_process';",
    "import * as c from 'child_process';",
    "const c = await import('node:child_process');",
    "const c = require('child_process');",
    "export { spawn } from 'node:child_process';",
    "import { dlopen } from 'bun:ffi';",
    "import { spawn as s } from 'bun';",
    "import { $ } from 'bun';",
    "import * as b from 'bun';",
    "Bun.spawn(['ls']);",
    'await Bun.$`ls`;',
    "Bun['spawn'](['ls']);",
    'const { spawn } = Bun;',
    'globalThis.Bun.spawn([]);',
    'await import(name);',
    "eval('1');",
    "new Function('1');",
    "new Worker('x.js');",
    "process.getBuiltinModule('child_process');",
    "import.meta.require('child_process');",
  ])('%s is found', (text) => expect(starts(text)).not.toEqual([]));

  test.each([
    "import type { ChildProcess } from 'node:child_process';",
    'const s: Bun.Socket<string> = await Bun.connect(options);',
    'Bun.serve({ fetch }); // never Bun.spawn',
    "import { connect } from 'node:net';",
  ])('%s is not', (text) => expect(starts(text)).toEqual([]));
});
