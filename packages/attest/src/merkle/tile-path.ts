/** Names of tiles (C2SP tlog-tiles): they are made from numbers alone, and no name is ever read back from outside. */
import { AttestRefused } from '../attest-refused.ts';

/** Hashes or entries in a full tile. */
export const tileWidth = 256;

/** 1234067 → `x001/x234/067`. */
function indexPath(index: number): string {
  const groups = [String(index % 1000).padStart(3, '0')];
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    groups.unshift(`x${String(rest % 1000).padStart(3, '0')}`);
  }
  return groups.join('/');
}

export type TileRef = {
  /** 0 = leaf hashes; each hash of level L is the root of a full tile of level L − 1. `entries` = the entries themselves. */
  level: number | 'entries';
  index: number;
  /** 1 to 256; fewer than 256 = partial. */
  width: number;
};

/** Path below the log's folder, with forward slashes. @throws AttestRefused TILE_BAD for numbers that name no tile. */
export function tilePath({ level, index, width }: TileRef): string {
  const isLevel = level === 'entries' || (Number.isInteger(level) && level >= 0 && level <= 63);
  const isWidth = Number.isInteger(width) && width >= 1 && width <= tileWidth;
  if (!isLevel || !isWidth || !Number.isSafeInteger(index) || index < 0) {
    throw new AttestRefused('TILE_BAD', 'no such tile');
  }
  return `tile/${level}/${indexPath(index)}${width === tileWidth ? '' : `.p/${width}`}`;
}

/** The folder of a tile's partial forms. */
export const partialsPath = (level: TileRef['level'], index: number): string =>
  `${tilePath({ level, index, width: tileWidth })}.p`;
