import { join } from 'node:path';

/** True in the single-file build: the code lies inside the executable. */
export const isSingleFile: boolean = import.meta.dir.startsWith('/$bunfs/');

/** Words that start this same program again with `verb`, wherever it runs from. */
export function selfCommand(verb: string): string[] {
  if (isSingleFile) return [process.execPath, verb];
  return [process.execPath, '--no-install', '--no-env-file', join(import.meta.dir, 'main.ts'), verb];
}
