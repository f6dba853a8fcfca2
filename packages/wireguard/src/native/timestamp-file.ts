/** The last TAI64N in a file: 24 hex digits and a line end (spec tunnel.md N7). */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { type TimestampStore, timestampBytes } from '../noise/tai64n.ts';

const text = /^([0-9a-f]{24})\n$/;

/**
 * A missing or damaged file counts as none: the clock then decides alone. Written by a temporary name and renamed.
 * `onFault` is told when it cannot be written; the tunnel goes on, since a timestamp is better than no tunnel.
 */
export function timestampFile(path: string, onFault: (error: unknown) => void): TimestampStore {
  return {
    load: () => {
      try {
        const found = text.exec(readFileSync(path, 'utf8'))?.[1];
        return found === undefined ? undefined : Uint8Array.from(Buffer.from(found, 'hex'));
      } catch {
        return undefined;
      }
    },
    save: (stamp) => {
      try {
        write(path, stamp);
      } catch (error) {
        onFault(error);
      }
    },
  };
}

function write(path: string, stamp: Uint8Array): void {
  if (stamp.length !== timestampBytes) throw new RangeError('a timestamp has 12 bytes');
  const draft = `${path}.tmp`;
  const fd = openSync(draft, 'w', 0o600);
  try {
    writeSync(fd, `${Buffer.from(stamp).toString('hex')}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(draft, path);
}
