import { expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TimestampSource } from '../noise/tai64n.ts';
import { timestampFile } from './timestamp-file.ts';

test('timestamps go on rising over restarts, though the clock goes back', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stamp-'));
  try {
    const path = join(folder, 'tai64n');
    const open = (wallMs: number) =>
      new TimestampSource(
        timestampFile(path, () => {}),
        () => wallMs,
      );
    const first = open(1_700_000_000_000).next();
    const second = open(1_600_000_000_000).next();
    expect(Buffer.compare(second, first)).toBe(1);
    expect(readFileSync(path, 'utf8')).toMatch(/^4[0-9a-f]{23}\n$/);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    for (const damage of ['', 'xyz', '40000000', `${'4'.repeat(25)}\n`]) {
      writeFileSync(path, damage);
      expect(timestampFile(path, () => {}).load()).toBeUndefined();
      expect(open(1_700_000_000_000).next()).toEqual(first);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a place that cannot be written is told and does not end the tunnel', () => {
  const faults: unknown[] = [];
  const store = timestampFile('/nonexistent/folder/tai64n', (error) => faults.push(error));
  expect(new TimestampSource(store, () => 1_700_000_000_000).next().length).toBe(12);
  expect(faults.length).toBe(1);
});
