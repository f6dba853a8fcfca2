/** Entry bundles (C2SP tlog-tiles): entries of a log one after the other, each behind its length as big-endian uint16. */
import { AttestRefused } from '../attest-refused.ts';
import { tileWidth } from './tile-path.ts';

/** Largest entry, bytes (spec CT3). */
export const entryBytesMax = 512;

export function bundleOf(entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bundle = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.length, 0));
  const view = new DataView(bundle.buffer);
  let at = 0;
  for (const entry of entries) {
    if (entry.length > entryBytesMax)
      throw new AttestRefused('TOO_LARGE', `an entry has at most ${entryBytesMax} bytes`);
    view.setUint16(at, entry.length);
    bundle.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bundle;
}

/** Views of the entries. @throws AttestRefused TILE_BAD when it is cut, or holds more than a tile does. */
export function entriesOf(bundle: Uint8Array): Uint8Array[] {
  const view = new DataView(bundle.buffer, bundle.byteOffset, bundle.length);
  const entries: Uint8Array[] = [];
  for (let at = 0; at < bundle.length;) {
    const end = at + 2 > bundle.length ? Number.POSITIVE_INFINITY : at + 2 + view.getUint16(at);
    if (end > bundle.length) throw new AttestRefused('TILE_BAD', 'an entry bundle is cut');
    if (entries.length === tileWidth) throw new AttestRefused('TILE_BAD', 'an entry bundle holds too many');
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
}
