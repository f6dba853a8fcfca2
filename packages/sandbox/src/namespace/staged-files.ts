/**
 * Input files of a job on their way in: written to a folder that only the sandbox's uid can enter, and bound read-only
 * into its /tmp. Folders between are made inside, on the sandbox's own tmpfs, where it may write.
 */
import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bind } from './recipe.ts';

export type InputFile = { path: string; content: Uint8Array };
export type StagedFiles = AsyncDisposable & { binds: Bind[] };

export const nothingStaged: StagedFiles = { binds: [], [Symbol.asyncDispose]: async () => {} };

/** The path that cannot be laid beside the others: there twice, or a folder and a file at once. */
export function clashingPath(paths: readonly string[]): string | undefined {
  const seen = new Set(paths);
  const isBelowAFile = (path: string) => {
    const parts = path.split('/');
    return parts.some((_, index) => index > 0 && seen.has(parts.slice(0, index).join('/')));
  };
  return paths.find((path, index) => paths.indexOf(path) !== index || isBelowAFile(path));
}

/** Writes the files below `folder`, which must not exist yet, readable by `uid` (us when undefined). */
export async function stageFiles(
  folder: string,
  files: readonly InputFile[],
  uid: number | undefined,
): Promise<StagedFiles> {
  if (files.length === 0) return nothingStaged;
  const binds: Bind[] = [];
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await mkdir(folder, { mode: 0o700 });
    for (const [index, { path, content }] of files.entries()) {
      // Named by us: a path of the job is only ever a name inside the sandbox.
      const source = join(folder, String(index));
      await writeFile(source, content);
      await chmod(source, 0o555);
      binds.push({ source, target: `/tmp/${path}` });
    }
    if (uid !== undefined) await chown(folder, uid, uid);
  } catch (error) {
    await remove();
    throw error;
  }
  return { binds, [Symbol.asyncDispose]: remove };
}
