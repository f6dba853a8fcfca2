/** Parquet exports, read again by a reader: the rows are those of the JSON lines, and memory is bounded. */
import { describe, expect, test } from 'bun:test';
import { datasetLimits } from '@labmesh/wire/verification/datasets';
import type { ExportFormat, Triplet } from '@labmesh/wire/verification/preference';
import fc from 'fast-check';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { anyTriplet, sampleTriplet, user } from '../testing/sample-triplet.ts';
import { exportFile, type FileEvent, groupLimits } from './export-file.ts';
import { formats } from './formats.ts';
import { RowRefused } from './row-refused.ts';

type Row = Record<string, unknown>;
const parquetFormats = ['hf_parquet', 'hf_chat_parquet'] as const;

/** Lines of JSON that fit the format. */
const linesOf = (format: ExportFormat, triplets: readonly Triplet[]): string[] =>
  triplets.flatMap((triplet) => {
    try {
      return [formats[format].line(triplet)];
    } catch (error) {
      if (error instanceof RowRefused) return [];
      throw error;
    }
  });

const bytesOf = (events: readonly FileEvent[]) =>
  Buffer.concat(events.map((event) => (event.event === 'bytes' ? Buffer.from(event.base64, 'base64') : Buffer.of())));

function written(format: ExportFormat, lines: readonly string[]): { events: FileEvent[]; file: ArrayBuffer } {
  const writer = exportFile(formats[format].parquet);
  const events = [...lines.flatMap((line) => writer.add(line)), ...writer.end()];
  return { events, file: new Uint8Array(bytesOf(events)).buffer };
}

/** What a message lacks reads as null. */
const same = (value: unknown) => JSON.parse(JSON.stringify(value, (_, one: unknown) => one ?? undefined)) as unknown;
const read = async (file: ArrayBuffer) => (await parquetReadObjects({ file })) as Row[];

describe.each(parquetFormats)('%s', (format) => {
  test('whatever pairs are in it, it reads as the rows of the lines', async () => {
    let kept = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(anyTriplet, { maxLength: 12 }), async (triplets) => {
        const lines = linesOf(format, triplets);
        if (lines.length === 0) return;
        kept += lines.length;
        const rows = await read(written(format, lines).file);
        expect(same(rows)).toEqual(same(lines.map((line) => JSON.parse(line) as Row)) as never);
      }),
      { numRuns: 100 },
    );
    expect(kept).toBeGreaterThan(50);
  });

  test('it has the rows of the format beside it', () => {
    const beside = format === 'hf_parquet' ? 'hf' : 'hf_chat';
    const one = sampleTriplet();
    expect(formats[format].line(one)).toBe(formats[beside].line(one));
  });

  test('its groups have bounds, its events too, and rows are counted once', async () => {
    const long = 'words and more words '.repeat(20_000);
    const lines = linesOf(
      format,
      Array.from({ length: 60 }, (_, at) => sampleTriplet({ input: [user(`${at} ${long}`)] })),
    );
    const { events, file } = written(format, lines);
    const { row_groups: groups } = parquetMetadata(file);
    expect(groups.length).toBeGreaterThan(3);
    const most = groupLimits.charsMost + Math.max(...lines.map(({ length }) => length));
    for (const group of groups) expect(Number(group.total_byte_size)).toBeLessThan(2 * most);
    const sent = events.flatMap((event) => (event.event === 'bytes' ? [event] : []));
    for (const { base64 } of sent) {
      expect(Buffer.from(base64, 'base64').length).toBeLessThanOrEqual(datasetLimits.exportBytesMost);
    }
    expect(sent.reduce((sum, { rows }) => sum + rows, 0)).toBe(60);
    expect(same(await read(file))).toEqual(same(lines.map((line) => JSON.parse(line) as Row)) as never);
  });

  test('more rows than a group may have, and one that no page holds', async () => {
    const lines = linesOf(format, [sampleTriplet({ input: [user('ü'.repeat(150_000))] })]);
    const many = Array.from({ length: groupLimits.rowsMost + 1 }, () => linesOf(format, [sampleTriplet()])[0] ?? '');
    const { file } = written(format, [...lines, ...many]);
    expect(parquetMetadata(file).row_groups.map((group) => Number(group.num_rows))).toEqual([groupLimits.rowsMost, 2]);
    expect(await read(file)).toHaveLength(groupLimits.rowsMost + 2);
  });

  test('its footer holds no text of a pair', () => {
    const lines = linesOf(format, [sampleTriplet({ input: [user('a secret prompt')] })]);
    const { file } = written(format, lines);
    const footer = new DataView(file).getUint32(file.byteLength - 8, true);
    expect(Buffer.from(file.slice(-8 - footer)).toString('latin1')).not.toContain('secret');
    expect(parquetMetadata(file).created_by).toBe('labmesh');
  });
});

test('tool calls, names and their absence', async () => {
  const call = { id: 'c1', type: 'function', function: { name: 'add', arguments: '{"a":1}' } };
  const { id: _, ...without } = call;
  const input = [
    { role: 'system', content: 'be brief' },
    user('q'),
    { role: 'assistant', content: null, tool_calls: [call, without] },
    { role: 'tool', content: '3', tool_call_id: 'c1' },
  ];
  const [row] = await read(written('hf_chat_parquet', linesOf('hf_chat_parquet', [sampleTriplet({ input })])).file);
  expect(same(row?.['prompt'])).toEqual([
    { role: 'system', content: 'be brief' },
    { role: 'user', content: 'q' },
    { role: 'assistant', content: '', tool_calls: [call, without] },
    { role: 'tool', content: '3', tool_call_id: 'c1' },
  ] as never);
});

test('lines stay lines', () => {
  const writer = exportFile(undefined);
  expect([writer.ending, writer.add('{}'), writer.end()]).toEqual(['jsonl', [{ event: 'line', text: '{}' }], []]);
});
