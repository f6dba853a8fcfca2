/** Tile names, entries, entry bundles. */
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { AttestRefused } from '../attest-refused.ts';
import { utf8 } from '../bytes/bytes.ts';
import { refusalOf } from '../testing/refusal.ts';
import { bundleOf, entriesOf } from './entry-bundle.ts';
import { entryBytes, type LogEntry, parseEntry } from './log-entry.ts';
import { partialsPath, tilePath } from './tile-path.ts';

const entry: LogEntry = {
  v: 1,
  kind: 'certificate',
  id: 'cert-1',
  sha256: '00'.repeat(32),
  time: '2026-03-01T12:00:00.000Z',
};

describe('tile names', () => {
  test.each([
    [{ level: 0, index: 0, width: 256 }, 'tile/0/000'],
    [{ level: 2, index: 1_234_067, width: 256 }, 'tile/2/x001/x234/067'],
    [{ level: 'entries', index: 999, width: 1 }, 'tile/entries/999.p/1'],
    [{ level: 63, index: 1000, width: 255 }, 'tile/63/x001/000.p/255'],
    [{ level: 0, index: 2 ** 53 - 1, width: 256 }, 'tile/0/x009/x007/x199/x254/x740/991'],
  ] as const)('%j → %s', (ref, path) => expect(tilePath(ref)).toBe(path));

  test('the folder of partial ones', () => expect(partialsPath(0, 1000)).toBe('tile/0/x001/000.p'));

  test('no number leads out of the folder', async () => {
    for (const ref of [
      { level: -1, index: 0, width: 1 },
      { level: 64, index: 0, width: 1 },
      { level: 0, index: -1, width: 1 },
      { level: 0, index: 1.5, width: 1 },
      { level: 0, index: 2 ** 53, width: 1 },
      { level: 0, index: 0, width: 0 },
      { level: 0, index: 0, width: 257 },
      { level: 0, index: 0, width: Number.NaN },
      { level: '../..' as 'entries', index: 0, width: 1 },
    ]) {
      expect(await refusalOf(() => tilePath(ref))).toBe('TILE_BAD');
    }
  });
});

describe('entries', () => {
  test('go there and back, and have one form', async () => {
    expect(parseEntry(entryBytes(entry))).toEqual(entry);
    const spaced = utf8(JSON.stringify(entry, null, 1));
    expect(await refusalOf(() => parseEntry(spaced))).toBe('JSON_NOT_CANONICAL');
  });

  test('are bounded and say nothing else', async () => {
    expect(await refusalOf(() => entryBytes({ ...entry, id: 'é'.repeat(200) }))).toBe('TOO_LARGE');
    for (const change of [{ id: '' }, { kind: 'x' }, { v: 2 }, { sha256: 'AA' }, { time: 'now' }, { tenant: 't' }]) {
      expect(await refusalOf(() => entryBytes({ ...entry, ...change } as LogEntry))).toBe('ENTRY_BAD');
    }
  });

  test('in bundles: lengths are big-endian, and a cut bundle is refused at every byte', async () => {
    expect(bundleOf([utf8('ab'), utf8('')]).toHex()).toBe('000261620000');
    const bundle = bundleOf([utf8('abc'), utf8('d'.repeat(300))]);
    expect(entriesOf(bundle)).toEqual([utf8('abc'), utf8('d'.repeat(300))]);
    for (let end = 1; end < bundle.length; end++) {
      if (end !== 5) expect(await refusalOf(() => entriesOf(bundle.subarray(0, end)))).toBe('TILE_BAD');
    }
    expect(await refusalOf(() => entriesOf(new Uint8Array(2 * 257)))).toBe('TILE_BAD');
    expect(await refusalOf(() => bundleOf([new Uint8Array(513)]))).toBe('TOO_LARGE');
  });

  test('any bytes are entries or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        try {
          expect(bundleOf(entriesOf(bytes).filter(({ length }) => length <= 512)).length).toBeLessThanOrEqual(
            bytes.length,
          );
        } catch (error) {
          expect(error).toBeInstanceOf(AttestRefused);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
