/** `key_out` (X5): the exchanged key for other programs of the operator, as the `rosenpass` program gives it. */
import { writePrivateFile } from '@labmesh/kit/saved-file';
import type { KnownKey, ProtocolVersion } from '@labmesh/rosenpass/effects';
import { keyOutput } from '@labmesh/rosenpass/formats/key-output';
import { prefix } from '@labmesh/rosenpass/key-prefixes';

export type KeyOut = { path: string; peer: KnownKey; version: ProtocolVersion; key: Uint8Array };

/** Puts the key (32 bytes) into its file, 0600, by rename, and tells of it on stdout. @throws what the file system says */
export function putKeyOut({ path, peer, version, key }: KeyOut, reason: 'exchanged' | 'stale'): void {
  const { fileText, line } = keyOutput(prefix(peer.prefixes, version, 'peerId'), key, path, reason);
  writePrivateFile(path, fileText);
  process.stdout.write(`${line}\n`);
}
