import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { paint } from '../../terminal/paint.ts';
import { curlLine, readyScreen, type ReadyFacts } from './ready-screen.ts';

const folder = mkdtempSync(join(tmpdir(), `labmesh it's "$HOME" `));
const file = join(folder, 'api.key');
writeFileSync(file, 'lmk_from_file\n');
afterAll(() => rmSync(folder, { recursive: true }));

const facts: ReadyFacts = {
  api: 'http://127.0.0.1:8080/v1',
  key: { text: 'lmk_secret', file, created: true },
  models: [{ id: 'tiny-coder', endpoints: ['builtin'] }],
  places: new Map([['builtin', '(built-in engine)']]),
  fleet: undefined,
  notes: [],
  wildcard: false,
  version: '0.1.0',
  startedInMs: 512,
};

/** The words a shell hands to curl when the line is pasted. */
function pasted(given: Partial<ReadyFacts>): string[] {
  const line = curlLine({ ...facts, ...given });
  const run = Bun.spawnSync(['sh', '-c', `curl() { for word; do printf '%s\\0' "$word"; done; }; ${line}`]);
  return run.stdout.toString().split('\0').slice(0, -1);
}

describe('the curl line', () => {
  test('streams, with the key that was just made', () => {
    const words = pasted({});
    expect(words.slice(0, 6)).toEqual([
      '-N',
      'http://127.0.0.1:8080/v1/chat/completions',
      '-H',
      'Authorization: Bearer lmk_secret',
      '-H',
      'Content-Type: application/json',
    ]);
    expect(JSON.parse(words.at(-1) ?? '')).toEqual({
      model: 'tiny-coder',
      messages: [{ role: 'user', content: 'write add' }],
      stream: true,
      temperature: 0,
    });
  });

  test('later takes the key from its file, whatever the folder is called', () => {
    expect(pasted({ key: { text: 'lmk_secret', file, created: false } })).toContain(
      'Authorization: Bearer lmk_from_file',
    );
  });

  test('an open API needs no key', () => {
    expect(pasted({ key: { text: '', file, created: false } }).join(' ')).not.toContain('Authorization');
  });

  test('survives any model name, and prefers a model that chats and is loaded', () => {
    const models = [
      { id: 'nomic-embed-text', endpoints: ['o'], loaded: true },
      { id: 'cold', endpoints: ['o'] },
      { id: `it's $(id) "x" \\ \`y\``, endpoints: ['o'], loaded: true },
    ];
    const body = JSON.parse(pasted({ models }).at(-1) ?? '') as { model: string };
    expect(body.model).toBe(models[2]?.id ?? '');
  });

  test('is not there without a model', () => expect(curlLine({ ...facts, models: [] })).toBeUndefined());
});

describe('the ready screen', () => {
  const screen = (given: Partial<ReadyFacts>) => readyScreen({ ...facts, ...given }, paint(false));

  test('shows address, key, models with their places and the line to paste', () => {
    const text = screen({});
    expect(text).toContain('API     http://127.0.0.1:8080/v1\n');
    expect(text).toContain('Key     lmk_secret\n');
    expect(text).toContain('  tiny-coder  builtin (built-in engine)\n');
    expect(text.split('\n').filter((line) => line.trim().startsWith('curl '))).toHaveLength(1);
    expect(text).toEndWith('\n');
  });

  test('never shows a key again', () => {
    const text = screen({ key: { text: 'lmk_secret', file, created: false } });
    expect(text).not.toContain('lmk_secret');
    expect(text).toContain(`Key     in ${file}\n`);
  });

  test('says what to do without models, and warns of a wildcard', () => {
    const text = screen({ models: [], notes: ['the engine is missing'], wildcard: true });
    expect(text).toContain('none yet: start an LLM server');
    expect(text).toContain('note    the engine is missing\n');
    expect(text).toContain('warning every network');
  });

  const fleet = {
    api: 'https://127.0.0.1:3100',
    server: 'web-1',
    servers: 1,
    context: { name: 'local', isCurrent: true },
  };
  const fleetLine = (given: Partial<typeof fleet> | { server: undefined } | { context: undefined }) =>
    screen({ fleet: { ...fleet, ...given } })
      .split('\n')
      .find((line) => line.startsWith('Fleet'));

  test('names labd, and a first command that works when typed', () => {
    expect(fleetLine({})).toBe('Fleet   https://127.0.0.1:3100 · 1 server · labctl exec web-1 -- uptime');
    expect(fleetLine({ servers: 3, context: { name: 'local-1a2b3c', isCurrent: false } })).toBe(
      'Fleet   https://127.0.0.1:3100 · 3 servers · labctl exec --context local-1a2b3c web-1 -- uptime',
    );
    expect(fleetLine({ server: undefined, servers: 0 })).toBe('Fleet   https://127.0.0.1:3100 · 0 servers');
    expect(fleetLine({ context: undefined })).toBe('Fleet   https://127.0.0.1:3100 · 1 server');
    expect(screen({})).not.toContain('Fleet');
  });

  test('without a gateway there is no API, key, model or line for curl', () => {
    const text = screen({ api: undefined, fleet });
    for (const word of ['API', 'Key', 'Models', 'curl']) expect(text).not.toContain(word);
    expect(text).toContain('s)\n\nFleet   https://127.0.0.1:3100');
  });

  test('a hostile model name is harmless', () => {
    expect(screen({ models: [{ id: 'a\u001b[2Jb', endpoints: ['builtin'] }] })).toContain('  a\\x1b[2Jb  builtin');
  });
});
