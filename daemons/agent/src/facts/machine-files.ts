/** The kernel's and the distribution's files about this machine, as text, below a root that tests can set. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const fileBytesMax = 256 * 1024;

export class MachineFiles {
  readonly #root: string;

  constructor(root = '/') {
    this.#root = root;
  }

  /** Trimmed; undefined when it is not there or may not be read. */
  text(path: string): string | undefined {
    try {
      const text = readFileSync(join(this.#root, path), 'utf8').slice(0, fileBytesMax).trim();
      return text === '' ? undefined : text;
    } catch {
      return undefined;
    }
  }

  number(path: string): number | undefined {
    const value = Number(this.text(path) ?? 'none');
    return Number.isFinite(value) ? value : undefined;
  }

  names(path: string): string[] {
    try {
      return readdirSync(join(this.#root, path)).toSorted();
    } catch {
      return [];
    }
  }

  has(path: string): boolean {
    return existsSync(join(this.#root, path));
  }
}
