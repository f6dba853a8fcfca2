/**
 * A disk in memory that does what a real one may do at the worst moment: it dies before any operation it is told to, a
 * write that is cut leaves half, and a power cut takes every name whose folder was not synced.
 */
import { dirname } from 'node:path';
import type { LogDisk } from '../log/log-disk.ts';

export class DiskDied extends Error {
  override name = 'DiskDied';
}

export class MemoryDisk implements LogDisk {
  /** As a process sees it. */
  files: Map<string, Uint8Array>;
  /** What a power cut leaves: names that were synced, and folders whose own name was. */
  #safe: Map<string, Uint8Array>;
  #folders = new Set<string>(['']);
  #safeFolders: Set<string>;
  /** Operations that change something, so far. */
  operations = 0;
  /** Dies instead of doing this one, the first being 1. */
  dieAt = Number.POSITIVE_INFINITY;

  constructor(files = new Map<string, Uint8Array>()) {
    this.files = new Map(files);
    this.#safe = new Map(files);
    for (const path of files.keys()) for (let at = parent(path); at !== ''; at = parent(at)) this.#folders.add(at);
    this.#safeFolders = new Set(this.#folders);
  }

  #operation(path = '', torn?: Uint8Array): void {
    if (++this.operations < this.dieAt) return;
    // Dead for good: nobody tidies up after a kill.
    if (this.operations === this.dieAt && torn !== undefined) this.files.set(path, torn);
    throw new DiskDied('died');
  }

  read(path: string): Promise<Uint8Array | undefined> {
    const bytes = this.files.get(path);
    return Promise.resolve(bytes && new Uint8Array(bytes));
  }

  exists(path: string): Promise<boolean> {
    return Promise.resolve(this.files.has(path) || this.#folders.has(path));
  }

  async makeFolder(path: string): Promise<void> {
    this.#operation();
    for (let at = path; at !== ''; at = parent(at)) this.#folders.add(at);
  }

  async writeSynced(path: string, bytes: Uint8Array): Promise<void> {
    if (!this.#folders.has(parent(path))) throw new Error(`${path}: there is no such folder`);
    this.#operation(path, bytes.slice(0, bytes.length / 2));
    const before = this.#safe.get(path);
    this.files.set(path, new Uint8Array(bytes));
    // A name that was safe stays so, with what the file holds now.
    if (before !== undefined) this.#safe.set(path, new Uint8Array(bytes));
  }

  async rename(from: string, to: string): Promise<void> {
    this.#operation();
    const bytes = this.files.get(from);
    if (bytes === undefined) throw new Error(`${from} is not there`);
    this.files.delete(from);
    this.files.set(to, bytes);
  }

  async syncFolder(path: string): Promise<void> {
    this.#operation();
    const here = (name: string) => parent(name) === path;
    for (const name of [...this.#safe.keys()].filter(here)) if (!this.files.has(name)) this.#safe.delete(name);
    for (const [name, bytes] of this.files) if (here(name)) this.#safe.set(name, bytes);
    for (const name of this.#folders) if (name !== '' && here(name)) this.#safeFolders.add(name);
  }

  async remove(path: string): Promise<void> {
    this.#operation();
    for (const name of this.files.keys()) if (name === path || name.startsWith(`${path}/`)) this.files.delete(name);
  }

  /** The disk as the next process finds it after a kill, or after the power was cut. */
  after(end: 'kill' | 'power cut'): MemoryDisk {
    if (end === 'kill') return new MemoryDisk(this.files);
    const isReached = (path: string): boolean =>
      path === '' || (this.#safeFolders.has(path) && isReached(parent(path)));
    return new MemoryDisk(new Map([...this.#safe].filter(([path]) => isReached(parent(path)))));
  }
}

function parent(path: string): string {
  const above = dirname(path);
  return above === '.' ? '' : above;
}

export const memoryDisk = (): MemoryDisk => new MemoryDisk();
