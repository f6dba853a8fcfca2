import { existsSync } from 'node:fs';

/** PATH is not asked: who sets it must not choose what root starts. */
const folders = ['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/usr/local/bin'];

/** Where a program of the system lies; undefined when it is not installed. */
export const findProgram = (name: string): string | undefined =>
  folders.map((folder) => `${folder}/${name}`).find((path) => existsSync(path));
