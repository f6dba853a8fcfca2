/** Which part of a log a tile is (c2sp.org/tlog-tiles), by its path, and whether a checkpoint counts on it. */
import { tilePath } from '@labmesh/attest/merkle/tile-path';

const tileWidth = 256;
const form = /^tile\/(\d{1,2}|entries)\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/(\d{1,3}))?$/;

export type LogTile = {
  /** Entries stand beside the hashes of level 0. */
  level: number;
  index: number;
  /** 1 to 256; 256 = full: it never changes. */
  width: number;
};

/** undefined for what names no tile, and for another spelling of a tile's name: each has one. @param name below the log's root */
export function readTile(name: string): LogTile | undefined {
  const [, level = '', index = '', width] = form.exec(name) ?? [];
  const tile = {
    level: level === 'entries' ? 0 : Number(level),
    index: Number(index.replace(/[x/]/g, '')),
    width: width === undefined ? tileWidth : Number(width),
  };
  const isPart = width === undefined || (tile.width >= 1 && tile.width < tileWidth);
  if (level === '' || tile.level > 63 || !Number.isSafeInteger(tile.index) || !isPart) return undefined;
  return tilePath({ ...tile, level: level === 'entries' ? level : tile.level }) === name ? tile : undefined;
}

export const isFull = ({ width }: LogTile): boolean => width === tileWidth;

/**
 * Whether the tree of so many entries has all of it. What lies beyond is being written, and may be written anew after a
 * crash: nobody may be given it, least of all to keep.
 */
export const isCovered = ({ level, index, width }: LogTile, size: number): boolean =>
  index * tileWidth + width <= Math.floor(size / tileWidth ** level);

/** Entries that a checkpoint (a signed note: name, size, root) counts; undefined when it is none. */
export function checkpointSize(note: Uint8Array): number | undefined {
  const [, size = ''] = Buffer.from(note.subarray(0, 1_024)).toString('latin1').split('\n', 3);
  return /^\d{1,15}$/.test(size) ? Number(size) : undefined;
}
