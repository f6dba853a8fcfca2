/** The hub's keys that the operator let in at this machine, by `labman tunnel trust` (tunnel K5): one of each kind. */
import { join } from 'node:path';
import { readPrivateFile, writePrivateFile } from '@labmesh/kit/saved-file';

const pathIn = (stateDir: string) => join(stateDir, 'trusted');
const isFingerprint = (key: string) => key.startsWith('sha256:');

/** A fingerprint of Rosenpass, a WireGuard key, or both, each on a line of its own; undefined: none. */
export const readTrusted = (stateDir: string): string | undefined =>
  readPrivateFile(pathIn(stateDir))?.trim() || undefined;

/** In place of the last one of its kind: a hub that was set up anew has another key of each. */
export function writeTrusted(stateDir: string, key: string): void {
  const others = readTrusted(stateDir)?.split('\n') ?? [];
  const kept = others.filter((one) => isFingerprint(one) !== isFingerprint(key));
  writePrivateFile(pathIn(stateDir), `${[...kept, key].join('\n')}\n`);
}

/** The hub itself has put another key in the place of this one (K8): it is let in no more. */
export function dropTrusted(stateDir: string, key: string): void {
  const all = readTrusted(stateDir)?.split('\n') ?? [];
  if (!all.includes(key)) return;
  const kept = all.filter((one) => one !== key);
  writePrivateFile(pathIn(stateDir), kept.map((one) => `${one}\n`).join(''));
}

/** Whether the operator let this key in. */
export const isTrusted = (trusted: string | undefined, key: string): boolean =>
  trusted?.split('\n').includes(key) === true;
