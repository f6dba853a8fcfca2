/** What the log asks of a file system. Paths are below the log's folder. Tests have one that loses what was not synced. */
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export type LogDisk = {
  /** Undefined when there is no such file. */
  read(path: string): Promise<Uint8Array | undefined>;
  exists(path: string): Promise<boolean>;
  makeFolder(path: string): Promise<void>;
  /** Writes the file whole and syncs it, in its place; its name is safe only after `syncFolder`. */
  writeSynced(path: string, bytes: Uint8Array): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  syncFolder(path: string): Promise<void>;
  /** A file or folder; nothing when it is not there. */
  remove(path: string): Promise<void>;
};

const isMissing = (error: unknown) => ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');

export function folderDisk(folder: string): LogDisk {
  const at = (path: string) => join(folder, path);
  return {
    read: async (path) => {
      try {
        return await readFile(at(path));
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    exists: async (path) => (await stat(at(path)).catch(() => undefined)) !== undefined,
    makeFolder: async (path) => void (await mkdir(at(path), { recursive: true, mode: 0o755 })),
    writeSynced: async (path, bytes) => {
      const file = await open(at(path), 'w', 0o644);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
    },
    rename: (from, to) => rename(at(from), at(to)),
    syncFolder: async (path) => {
      const handle = await open(at(path), 'r');
      // Some file systems cannot sync a folder: then they need not.
      await handle.sync().catch(() => {});
      await handle.close();
    },
    remove: (path) => rm(at(path), { recursive: true, force: true }),
  };
}

/** Folders above a path, the nearest first, the log's own ('') last. */
export function foldersAbove(path: string): string[] {
  const parent = dirname(path);
  return parent === '.' ? [''] : [parent, ...foldersAbove(parent)];
}
