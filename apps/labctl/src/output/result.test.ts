import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import type { Server } from '@labmesh/wire/fleet/resources/servers';
import fc from 'fast-check';
import { parse } from 'yaml';
import { outputFormats, type OutputFormat } from '../config/config-keys.ts';
import { expectGolden } from '../testing/golden.ts';
import { testWorld } from '../testing/test-world.ts';
import { renderFields, renderList, renderOne, ResultWriter, type ResultOptions } from './result.ts';
import { serverView, sizeText } from './server-views.ts';

const now = Date.parse('2026-01-01T12:00:00.000Z');
const server = (hostname: string, changes: Partial<Server> = {}): Server => ({
  id: '01900000-0000-7000-8000-000000000001',
  hostname,
  status: 'online',
  environment: 'production',
  cloud: 'onprem',
  role: 'worker',
  ip: '10.0.0.7',
  macs: ['52:54:00:ab:cd:ef'],
  machineId: null,
  labels: { team: 'search', 'facts.rack': 'a1' },
  os: 'Fedora Linux 42',
  arch: 'x64',
  cpus: 64,
  memoryBytes: 512 * 1024 ** 3,
  gpus: ['NVIDIA H200', 'NVIDIA H200'],
  agentVersion: '0.1.0',
  lastSeenAt: '2026-01-01T11:59:57.000Z',
  createdAt: '2025-12-01T00:00:00.000Z',
  revision: 3,
  ...changes,
});
const bare = { environment: null, cloud: null, role: null, ip: null, os: null, arch: null, cpus: null } as const;
const items = [
  server('web-1'),
  server('a-name-that-is-much-longer-than-all-the-others.rack-7.lab.example', { status: 'suspect', role: 'infra' }),
  server('db-1', {
    ...bare,
    status: 'offline',
    memoryBytes: null,
    gpus: [],
    labels: {},
    agentVersion: null,
    lastSeenAt: '2026-01-01T11:57:00.000Z',
  }),
  server('new-1', {
    ...bare,
    status: 'waiting-approval',
    memoryBytes: 3.5 * 1024 ** 3,
    gpus: ['RTX 4090'],
    lastSeenAt: null,
  }),
  // What the API refuses as a host name must do no harm either (acceptance 7); wide and joined characters count as seen.
  server('evil\u001b[2J\nrow', { environment: '実験室-👩‍🔬' }),
];
const list = { items, nextCursor: null };
const options = (changes: Partial<ResultOptions> = {}): ResultOptions => ({
  format: 'table',
  colour: false,
  columns: undefined,
  now,
  ...changes,
});
const render = (changes: Partial<ResultOptions> = {}) => renderList(list, serverView, options(changes));
const golden = (name: string) => join(import.meta.dir, 'testdata', `${name}.golden.txt`);
const widest = (text: string) => Math.max(...text.split('\n').map((line) => Bun.stringWidth(line)));

describe('results (CT-6)', () => {
  test.each([80, 200])('golden: a table at %d columns fits', async (columns) => {
    const text = await render({ columns });
    expectGolden(golden(`servers-${columns}`), text);
    expect(widest(text)).toBeLessThanOrEqual(columns);
  });

  test('golden: in a pipe, and wide, nothing is cut', async () => {
    const piped = await render();
    expectGolden(golden('servers-pipe'), piped);
    expect(piped).not.toContain('…');
    const wide = await render({ format: 'wide', columns: 80 });
    expectGolden(golden('servers-wide'), wide);
    expect(wide).not.toContain('…');
  });

  test('golden: states have colours, and colours no width', async () => {
    const text = await render({ colour: true, columns: 80 });
    expectGolden(golden('servers-colour'), text);
    expect(Bun.stripANSI(text)).toBe(await render({ columns: 80 }));
  });

  test('json, yaml and ndjson are the API’s objects and nothing else', async () => {
    expect(JSON.parse(await render({ format: 'json', columns: 20 }))).toEqual(list);
    expect(parse(await render({ format: 'yaml', columns: 20 }))).toEqual(list);
    const lines = (await render({ format: 'ndjson' })).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual(items);
    expect(JSON.parse(await renderOne(items[0]!, serverView, options({ format: 'json' })))).toEqual(items[0]);
    expect(parse(await renderOne(items[0]!, serverView, options({ format: 'yaml' })))).toEqual(items[0]);
    expect(await renderOne(items[0]!, serverView, options({ format: 'name' }))).toBe('server/web-1\n');
  });

  test('names can be typed again', async () => {
    expect((await render({ format: 'name' })).split('\n')[0]).toBe('server/web-1');
  });

  test('an empty list is an empty table, and a list of nothing as JSON', async () => {
    const none = { items: [], nextCursor: null };
    for (const format of outputFormats) {
      const text = await renderList(none, serverView, options({ format }));
      expect(text).toBe(
        { json: '{\n  "items": [],\n  "nextCursor": null\n}\n', yaml: 'items: []\nnextCursor: null\n' }[
          format as string
        ] ?? '',
      );
    }
  });

  test('no width and no text make a line too long, or a control character', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 40, max: 200 }),
        async (pairs, columns) => {
          const some = pairs.map(([hostname, environment]) => server(hostname, { environment }));
          const shown = await renderList({ items: some, nextCursor: null }, serverView, options({ columns }));
          expect(widest(shown)).toBeLessThanOrEqual(columns);
          expect(shown.split('\n')).toHaveLength(some.length + 2);
          // oxlint-disable-next-line no-control-regex -- they are what must not be there
          expect(shown.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('fields, a line each', () => {
    const text = renderFields([
      ['Name', 'web-1'],
      ['Labels', { team: 'search', env: 'a\nb' }],
      ['MACs', ['a', 'b']],
      ['GPUs', []],
      ['IP', null],
      ['CPUs', 64],
    ]);
    expect(text).toBe(
      'Name    web-1\nLabels  team=search\n        env=a\\nb\nMACs    a\n        b\nGPUs    -\nIP      -\nCPUs    64\n',
    );
  });

  test('the writer gives the text to people and the object to programs', async () => {
    const said = async (format: OutputFormat) => {
      const world = testWorld();
      await new ResultWriter(world, options({ format })).object({ ok: true }, 'done\n');
      return world.said.stdout;
    };
    expect(await said('table')).toBe('done\n');
    expect(await said('json')).toBe('{\n  "ok": true\n}\n');
    expect(await said('ndjson')).toBe('{"ok":true}\n');
    expect(await said('yaml')).toBe('ok: true\n');
  });

  test('sizes', () => {
    expect([null, 0, 1023, 1536, 512 * 1024 ** 3].map(sizeText)).toEqual([
      undefined,
      '0 B',
      '1023 B',
      '1.5 KiB',
      '512 GiB',
    ]);
  });
});
