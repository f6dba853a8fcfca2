/**
 * The Rosenpass pair that is to follow the own one (K8), in files beside it. Whatever a crash leaves is told apart:
 *
 *     made:       pqsk.next, then pqpk.next                  one alone, fits nothing: thrown away
 *     takes over: pqsk.next → pqsk, then pqpk.next → pqpk    one alone, fits the half that has gone before: follows it
 *
 * A file system may keep the later of two renames and lose the earlier, so either half may be the one.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { isRosenpassPair, readRosenpassKeys, type RosenpassKeyPaths, writeRosenpassKeys } from './rosenpass-keys.ts';
import type { RosenpassPair } from '../steps/step-pool.ts';

export const nextKeyPaths = ({ privateKeyPath, publicKeyPath }: RosenpassKeyPaths): RosenpassKeyPaths => ({
  privateKeyPath: `${privateKeyPath}.next`,
  publicKeyPath: `${publicKeyPath}.next`,
});

/** Ends what a crash interrupted; gives whether a whole next pair is there. @throws TunnelKeyError of the own pair */
export function settleNextKeys(paths: RosenpassKeyPaths): boolean {
  const next = nextKeyPaths(paths);
  const [hasSecret, hasPublic] = [existsSync(next.privateKeyPath), existsSync(next.publicKeyPath)];
  if (hasSecret === hasPublic) return hasSecret;
  const half = hasPublic ? 'publicKeyPath' : 'privateKeyPath';
  if (isPairOnDisk({ ...paths, [half]: next[half] })) renameSync(next[half], paths[half]);
  else dropNextKeys(paths);
  return false;
}

/** Half a pair that is there no more is none: what is wrong with it is told when it is used. */
function isPairOnDisk(paths: RosenpassKeyPaths): boolean {
  if (!existsSync(paths.privateKeyPath) || !existsSync(paths.publicKeyPath)) return false;
  const pair = readRosenpassKeys(paths);
  if (pair === undefined) return false;
  try {
    return isRosenpassPair(pair);
  } finally {
    pair.secretKey.fill(0);
  }
}

/** The next pair takes the place of the own one, which is gone then. */
export function promoteNextKeys(paths: RosenpassKeyPaths): void {
  const next = nextKeyPaths(paths);
  renameSync(next.privateKeyPath, paths.privateKeyPath);
  renameSync(next.publicKeyPath, paths.publicKeyPath);
}

export function dropNextKeys(paths: RosenpassKeyPaths): void {
  const next = nextKeyPaths(paths);
  rmSync(next.publicKeyPath, { force: true });
  rmSync(next.privateKeyPath, { force: true });
}

/** Another pair in place of the own one, if there is one, at no moment half of it. */
export function replaceRosenpassKeys(paths: RosenpassKeyPaths, pair: RosenpassPair): void {
  dropNextKeys(paths);
  writeRosenpassKeys(nextKeyPaths(paths), pair);
  promoteNextKeys(paths);
}
