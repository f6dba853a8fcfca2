/**
 * Releases of lab-agent that an operator put into the data folder (AG-8):
 *
 *     <data_dir>/releases/<version>/lab-agent-linux-<arch>        the file
 *                                   lab-agent-linux-<arch>.sig    its signature, base64
 *
 * labd hands them on. It cannot check or make a signature: the release key is the agents' business, so that whoever
 * takes labd over cannot put a program on the fleet.
 */
import { existsSync } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { releaseArches, releaseBytesMax, releaseFile, releaseVersionField } from '@labmesh/wire/fleet/releases';

export type Release = {
  version: string;
  arch: string;
  path: string;
  bytes: number;
  /** Hex. */
  sha256: string;
  /** base64. */
  signature: string;
};

/** A file is read whole once: `mark` changes with it. */
type Hashed = { mark: string; sha256: Promise<string> };

const pieceBytes = 1024 * 1024;

async function sha256Of(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher('sha256');
  await using file = await open(path);
  const piece = Buffer.alloc(pieceBytes);
  for (;;) {
    const { bytesRead } = await file.read(piece, 0, pieceBytes);
    if (bytesRead === 0) return hasher.digest('hex');
    hasher.update(piece.subarray(0, bytesRead));
  }
}

const isThere = (error: unknown): undefined => {
  if (['ENOENT', 'ENOTDIR'].includes((error as { code?: string }).code ?? '')) return undefined;
  throw error;
};

export class Releases {
  readonly #folder: string;
  readonly #hashed = new Map<string, Hashed>();

  /** @param dataDir labd's own folder */
  constructor(dataDir: string) {
    this.#folder = join(dataDir, 'releases');
  }

  /** Is there any file of this version? Names that are none find none. */
  has(version: string): boolean {
    if (!releaseVersionField.safeParse(version).success) return false;
    return releaseArches.some((arch) => existsSync(join(this.#folder, version, releaseFile(arch))));
  }

  /** The release for a machine; undefined without its file or signature. @throws what the file system says. */
  async find(version: string, arch: string): Promise<Release | undefined> {
    // Both become part of a path.
    if (!releaseVersionField.safeParse(version).success) return undefined;
    if (!releaseArches.some((known) => known === arch)) return undefined;
    const path = join(this.#folder, version, releaseFile(arch));
    const signature = (await readFile(`${path}.sig`, 'utf8').catch(isThere))?.trim();
    const found = await stat(path).catch(isThere);
    if (signature === undefined || found === undefined || !found.isFile() || found.size > releaseBytesMax)
      return undefined;
    const mark = `${found.ino} ${found.size} ${found.mtimeMs}`;
    return { version, arch, path, bytes: found.size, sha256: await this.#hashOf(path, mark), signature };
  }

  #hashOf(path: string, mark: string): Promise<string> {
    const known = this.#hashed.get(path);
    if (known?.mark === mark) return known.sha256;
    const sha256 = sha256Of(path);
    this.#hashed.set(path, { mark, sha256 });
    // What could not be read is read again.
    sha256.catch(() => this.#hashed.delete(path));
    return sha256;
  }
}
