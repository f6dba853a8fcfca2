/**
 * The versions on this machine (AG-8):
 *
 *     /opt/labmesh/versions/0.1.0/lab-agent
 *                  versions/0.2.0/lab-agent
 *                  current   -> versions/0.2.0      what systemd starts
 *                  confirmed -> versions/0.1.0      the last one that proved itself: it runs the guard
 *
 * A link is replaced by a rename, so at each moment it points somewhere whole. What is being fetched stands in
 * `versions/.<sha256>.part`, and nothing of it is executable before it was checked.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { releaseVersionField } from '@labmesh/wire/fleet/releases';

export type LinkName = 'current' | 'confirmed';

const program = 'lab-agent';
const isVersion = (text: string) => releaseVersionField.safeParse(text).success;

/** What was written there stays after a power cut. */
function sync(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

export class VersionFolders {
  readonly #root: string;
  readonly #versions: string;

  constructor(installDir: string) {
    this.#root = installDir;
    this.#versions = join(installDir, 'versions');
  }

  /** The program of a version. */
  fileOf(version: string): string {
    return join(this.#versions, version, program);
  }
  has(version: string): boolean {
    return existsSync(this.fileOf(version));
  }
  /** Where a file of this content is gathered; the folder is there then. */
  partOf(sha256: string): string {
    mkdirSync(this.#versions, { recursive: true, mode: 0o755 });
    return join(this.#versions, `.${sha256}.part`);
  }

  /** The version that a program belongs to; undefined when it lies elsewhere. */
  versionOf(file: string): string | undefined {
    try {
      const path = relative(realpathSync(this.#versions), realpathSync(file));
      const version = dirname(path);
      return basename(path) === program && isVersion(version) ? version : undefined;
    } catch {
      return undefined;
    }
  }

  /** The version that a link names; undefined without one. */
  target(link: LinkName): string | undefined {
    try {
      const version = basename(readlinkSync(join(this.#root, link)));
      return isVersion(version) ? version : undefined;
    } catch {
      return undefined;
    }
  }

  /** Points a link to a version, in one step. @throws what the file system says. */
  point(link: LinkName, version: string): void {
    const draft = join(this.#root, `.${link}.tmp`);
    rmSync(draft, { force: true });
    symlinkSync(join('versions', version), draft);
    renameSync(draft, join(this.#root, link));
    sync(this.#root);
  }

  /** A gathered file that was checked becomes the program of its version. @throws what the file system says. */
  install(version: string, part: string): void {
    const file = this.fileOf(version);
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    chmodSync(part, 0o755);
    sync(part);
    renameSync(part, file);
    sync(dirname(file));
    sync(this.#versions);
  }

  /** Removes all versions but these, and what was gathered for others. */
  keepOnly(versions: readonly (string | undefined)[]): void {
    for (const name of readdirSync(this.#versions)) {
      const isOurs = isVersion(name) || /^\.[0-9a-f]{64}\.part$/.test(name);
      if (isOurs && !versions.includes(name)) rmSync(join(this.#versions, name), { recursive: true, force: true });
    }
  }
}
