import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExportEnd, ExportEvent } from '@labmesh/wire/verification/datasets';
import fc from 'fast-check';
import { CommandError } from '../command-error.ts';
import { ExportFolder } from './export-folder.ts';

const root = mkdtempSync(join(tmpdir(), 'labctl-export-'));
afterAll(() => rmSync(root, { recursive: true }));
let places = 0;
const nextPlace = () => join(root, `${++places}`);

type Event = Exclude<ExportEvent, ExportEnd>;
const start = (count: number): Event => ({
  event: 'start',
  format: 'jsonl',
  dataset: {
    id: 'id-1',
    name: 'code',
    number: 1,
    sha256: 'a'.repeat(64),
    count,
    train: count,
    test: 0,
    filters: { minConfidence: 0.6, messagesMost: 50, requireRationale: false },
    author: 'key-1',
    state: 'frozen',
    stage: 'processed',
    logIndex: null,
    createdAt: '2026-01-01T00:00:00.000Z',
  },
});
const file: Event = { event: 'file', name: 'code-v1-train.jsonl', part: 'train' };
const line = (text: string): Event => ({ event: 'line', text });
const sum = (text: string) => new Bun.CryptoHasher('sha256').update(text).digest('hex');
function endOf(text: string, changes: Partial<ExportEnd> = {}): ExportEnd {
  const rows = text.split('\n').length - 1;
  const files = [
    { name: 'code-v1-train.jsonl', part: 'train' as const, rows, bytes: Buffer.byteLength(text), sha256: sum(text) },
  ];
  return { event: 'end', files, refused: {}, datasetInfo: null, ...changes };
}

function write(place: string | undefined, events: readonly Event[], end: ExportEnd) {
  using folder = new ExportFolder(place, 1_766_275_200_000);
  for (const event of events) folder.take(event);
  return folder.finish(end);
}
const fault = (work: () => unknown): CommandError => {
  try {
    work();
  } catch (error) {
    if (error instanceof CommandError) return error;
    throw error;
  }
  throw new Error('nothing was wrong');
};

test('files that only the owner may read, with a manifest', () => {
  const place = nextPlace();
  const info = { 'code-v1-train': { ranking: true } };
  const end = endOf('{"é":1}\n{}\n', { refused: { TURN_ORDER: 1 }, datasetInfo: info });
  const { folder } = write(place, [start(3), file, line('{"é":1}'), line('{}')], end);
  expect(folder).toBe(place);
  expect(readdirSync(place).toSorted()).toEqual(['code-v1-train.jsonl', 'dataset_info.json', 'manifest.json']);
  for (const name of readdirSync(place)) expect(statSync(join(place, name)).mode & 0o777).toBe(0o600);
  expect(statSync(place).mode & 0o777).toBe(0o700);
  expect(readFileSync(join(place, 'code-v1-train.jsonl'), 'utf8')).toBe('{"é":1}\n{}\n');
  expect(JSON.parse(readFileSync(join(place, 'dataset_info.json'), 'utf8'))).toEqual(info);
  expect(JSON.parse(readFileSync(join(place, 'manifest.json'), 'utf8'))).toMatchObject({
    format: 'jsonl',
    exportedAt: '2025-12-21T00:00:00.000Z',
    dataset: { name: 'code', number: 1 },
    files: [{ rows: 2, sha256: end.files[0]?.sha256 }],
    refused: { TURN_ORDER: 1 },
  });
});

test('large files come whole', () => {
  const lines = Array.from({ length: 3_000 }, (_, at) => `${at} ${'ü'.repeat(200)}`);
  const text = `${lines.join('\n')}\n`;
  const place = nextPlace();
  write(place, [start(3_000), file, ...lines.map(line)], endOf(text));
  expect(readFileSync(join(place, 'code-v1-train.jsonl'), 'utf8')).toBe(text);
});

test('bytes of a file that has no lines', () => {
  const bytes = Uint8Array.from({ length: 3_000 }, (_, at) => at);
  const name = 'code-v1-train.parquet';
  const parts: Event[] = [bytes.subarray(0, 1_000), bytes.subarray(1_000)].map((part, at) => ({
    event: 'bytes',
    base64: part.toBase64(),
    rows: at === 0 ? 7 : 0,
  }));
  const sha256 = new Bun.CryptoHasher('sha256').update(bytes).digest('hex');
  const end = endOf('', { files: [{ name, part: 'train', rows: 7, bytes: 3_000, sha256 }] });
  const place = nextPlace();
  write(place, [start(7), { ...file, name }, ...parts], end);
  expect(new Uint8Array(readFileSync(join(place, name)))).toEqual(bytes);
  const cut = nextPlace();
  expect(fault(() => write(cut, [start(7), { ...file, name }, ...parts.slice(0, 1)], end)).message).toContain('whole');
  expect(fault(() => write(nextPlace(), [start(7), ...parts], end)).message).toContain('bytes of no file');
});

describe('nothing is left behind when', () => {
  const good = [start(1), file, line('{}')];
  const faults: [string, readonly Event[], ExportEnd][] = [
    ['a checksum does not hold', good, endOf('[]\n')],
    ['a file is missing', good, endOf('{}\n', { files: [] })],
    ['rows are missing', [start(2), file, line('{}')], endOf('{}\n')],
    ['it has no beginning', [], endOf('{}\n')],
    ['it begins twice', [...good, start(1)], endOf('{}\n')],
    ['a line is in no file', [start(1), line('{}')], endOf('{}\n')],
    ['a line is two', [start(1), file, line('{}\n')], endOf('{}\n')],
    ['no row fits', [start(1)], endOf('', { files: [], refused: { NOT_TEXT: 1 } })],
    ['the arena says so', [...good, { event: 'error', code: 'DATASET_DAMAGED', message: 'no' }], endOf('{}\n')],
  ];
  test.each(faults)('%s', (_, events, end) => {
    const place = nextPlace();
    expect(fault(() => write(place, events, end)).message).toBeString();
    expect(readdirSync(root).filter((name) => name.startsWith(`${places}`) && name.includes('partial'))).toEqual([]);
    expect(existsSync(place)).toBe(false);
  });

  test('the folder is there already, before or meanwhile', () => {
    const place = nextPlace();
    using folder = new ExportFolder(place, 0);
    for (const event of good) folder.take(event);
    mkdirSync(place);
    expect(fault(() => folder.finish(endOf('{}\n'))).exitCode).toBe(8);
    expect(fault(() => write(place, good, endOf('{}\n'))).exitCode).toBe(8);
    expect(readdirSync(place)).toEqual([]);
  });
});

test('any order of events gives a folder that is whole, or none and a CommandError', () => {
  const event = fc.constantFrom<Event>(
    start(1),
    start(2),
    file,
    { ...file, name: 'b.jsonl', part: 'test' },
    line('{}'),
    line('x'),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 6 }), fc.constantFrom('{}\n', 'x\n', '{}\nx\n'), (events, text) => {
      const place = nextPlace();
      try {
        write(place, events, endOf(text));
        expect(readFileSync(join(place, 'code-v1-train.jsonl'), 'utf8')).toBe(text);
      } catch (error) {
        // The same file twice is refused by the file system.
        if ((error as { code?: string }).code !== 'EEXIST') expect(error).toBeInstanceOf(CommandError);
        expect(existsSync(place)).toBe(false);
      }
    }),
    { numRuns: 200 },
  );
});
