import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KeyRow, ServedModel } from '@labmesh/wire/admin';
import { dispatch } from '../../dispatch.ts';
import { writeRunState } from '../../run-file.ts';
import { expectGolden } from '../../testing/golden.ts';
import { testWorld } from '../../testing/test-world.ts';

const counts = { requests: 3, promptTokens: 12, completionTokens: 34 };
const keys: KeyRow[] = [
  {
    id: 'AbC123xyz789',
    name: 'ci',
    tenant: 'default',
    scopes: ['chat', 'models'],
    createdAt: '2026-01-01T00:00:00.000Z',
    ...counts,
  },
  {
    id: 'Old456xyz789',
    name: 'laptop',
    tenant: 'search',
    scopes: [],
    createdAt: '2025-01-01T00:00:00.000Z',
    revokedAt: '2025-06-01T00:00:00.000Z',
    verification: 'shadow',
    ...counts,
  },
];
const models: ServedModel[] = [
  { id: 'planner', alias: true, target: 'qwen3:8b', endpoints: ['gpu-1', 'gpu-2'], contextLength: 32_768 },
  { id: 'Writer.v2', alias: true, target: 'tiny-coder', endpoints: [] },
  { id: 'qwen3:8b', alias: false, endpoints: ['gpu-1', 'gpu-2'] },
];

let gateway: ReturnType<typeof Bun.serve>;
let home: string;
let asked: string[] = [];
beforeAll(() => {
  gateway = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      const { pathname } = new URL(request.url);
      asked.push(`${pathname} ${request.headers.get('authorization') ?? ''}`);
      return Response.json(pathname === '/admin/keys' ? { keys } : { models });
    },
  });
  home = mkdtempSync(join(tmpdir(), 'labctl-gateway-'));
  mkdirSync(join(home, '.labmesh'));
  const api = `http://127.0.0.1:${gateway.port}/v1`;
  const state = { pid: process.pid, startedAt: '2026-01-01T00:00:00.000Z', version: '0.0.0', api, adminToken: 'admin' };
  writeRunState(join(home, '.labmesh'), state);
});
beforeEach(() => void (asked = []));
afterAll(async () => {
  await gateway.stop(true);
  rmSync(home, { recursive: true });
});

async function labctl(words: string, env: Record<string, string> = {}) {
  const world = testWorld({ env: { HOME: home, ...env } });
  const exitCode = await dispatch(words.split(' '), world).finally(() => world.life.stack.disposeAsync());
  return { exitCode, ...world.said };
}
/** Ages move on. */
const steady = (text: string) => text.replaceAll(/\d+[a-z]+ ago/g, '1y ago');

describe('CT-2 keys and aliases are the gateway’s: no labd, no login', () => {
  test('golden: tables, wide, and described', async () => {
    const out: string[] = [];
    for (const words of ['get keys', 'get keys -o wide', 'get aliases', 'get alias -o wide'])
      out.push(`$ labctl ${words}\n${steady((await labctl(words)).stdout)}`);
    for (const words of ['describe key/Old456xyz789', 'describe alias/planner', 'describe alias Writer.v2'])
      out.push(`$ labctl ${words}\n${steady((await labctl(words)).stdout)}`);
    expectGolden(join(import.meta.dir, 'testdata', 'get-gateway.golden.txt'), out.join('\n'));
    expect(new Set(asked)).toEqual(new Set(['/admin/keys Bearer admin', '/admin/models Bearer admin']));
  });

  test('JSON is the gateway’s object; filters, names, and what is not there', async () => {
    expect(JSON.parse((await labctl('get keys -o json')).stdout)).toEqual({ items: keys, nextCursor: null });
    expect((await labctl('get keys --status active -o name')).stdout).toBe('key/AbC123xyz789\n');
    expect((await labctl('get keys --match lap -o name')).stdout).toBe('key/Old456xyz789\n');
    expect((await labctl('get aliases --match plan -o name')).stdout).toBe('alias/planner\n');
    expect(JSON.parse((await labctl('get alias/planner -o json')).stdout)).toEqual(models[0]);
    // A plain model is no alias.
    const none = await labctl('get aliases none');
    expect([none.exitCode, none.stderr]).toEqual([5, expect.stringContaining('labctl get aliases lists')]);
    expect((await labctl('get keys --status green')).exitCode).toBe(2);
  });

  test('nothing runs on the folder', async () => {
    const { exitCode, stderr } = await labctl('get keys --data /nowhere');
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('labmesh is not running on /nowhere')]);
  });
});
