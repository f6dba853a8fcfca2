/** Finds node-llama-cpp, an optional dependency, at run time. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export type LlamaLibrary = typeof import('node-llama-cpp');

const howToInstall =
  'the built-in engine needs the optional package node-llama-cpp: run `npm install` with optional dependencies in the ' +
  'project, or `npm install node-llama-cpp` in the folder of the single-file program, or in the folder you start it from';

/**
 * Folders to look in besides our own: a single-file program has no node_modules of its own. It must be built with
 * `--compile-autoload-package-json`, else Bun finds no package at run time.
 */
function searchFolders(): string[] {
  return [process.cwd(), dirname(process.execPath)];
}

/**
 * Loads the library: from our own node_modules, else from the working folder or the program's folder.
 * @throws Error that says what to install.
 */
export async function loadLlamaLibrary(
  own: () => Promise<LlamaLibrary> = () => import('node-llama-cpp'),
  folders: readonly string[] = searchFolders(),
): Promise<LlamaLibrary> {
  try {
    return await own();
  } catch {
    // Not beside us, or broken there: the other places decide.
  }
  let lastError: unknown;
  for (const folder of folders) {
    try {
      return createRequire(join(folder, 'beside.js'))('node-llama-cpp') as LlamaLibrary;
    } catch (error) {
      lastError = error;
    }
  }
  throw new Error(howToInstall, { cause: lastError });
}

/** The same question without loading anything; used before a child is started. */
export function isLlamaLibraryInstalled(folders: readonly string[] = [import.meta.dir, ...searchFolders()]): boolean {
  return folders.some((folder) => {
    try {
      return Bun.resolveSync('node-llama-cpp', folder) !== '';
    } catch {
      return false;
    }
  });
}
