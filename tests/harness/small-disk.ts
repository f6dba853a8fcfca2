/** A disk of a few MiB in memory, which a test fills to its last byte and empties again. Needs root, and leave to mount. */
import { chmodSync, mkdtempSync, rmSync, statfsSync, writeSync, openSync, closeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const mount = (path: string, mib: number): boolean =>
  Bun.spawnSync(['mount', '-t', 'tmpfs', '-o', `size=${mib}m`, 'labmesh-test', path]).exitCode === 0;

export class SmallDisk implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'labmesh-disk-'));
  readonly #filler = join(this.path, 'filler');

  /** @throws Error where it cannot be mounted. */
  constructor(mib: number) {
    if (mount(this.path, mib)) return;
    rmSync(this.path, { recursive: true, force: true });
    throw new Error('cannot mount');
  }

  /** Takes what is free, also what was freed since the last time. */
  fill(): void {
    const file = openSync(this.#filler, 'a');
    try {
      for (;;) {
        const { bavail, bsize } = statfsSync(this.path);
        if (bavail === 0) return;
        writeSync(file, new Uint8Array(bavail * bsize));
      }
    } finally {
      closeSync(file);
    }
  }

  empty(): void {
    rmSync(this.#filler, { force: true });
  }

  /** Lets other accounts in, as PostgreSQL's. */
  share(): void {
    chmodSync(this.path, 0o777);
  }

  [Symbol.dispose](): void {
    // Lazy: a process that was killed a moment ago may hold a file of it.
    Bun.spawnSync(['umount', '-l', this.path]);
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Whether this process may mount one. */
export function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  try {
    new SmallDisk(1)[Symbol.dispose]();
    return true;
  } catch {
    return false;
  }
}
