/**
 * Exit code 0 when node_modules holds what package-lock.json asks for, by version. Compares npm's own record of the
 * installation with the lock file; optional packages may be missing.
 */
import { readFileSync } from 'node:fs';

const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')).packages ?? {};

function isInstalled() {
  try {
    const wanted = read('../package-lock.json');
    const found = read('../node_modules/.package-lock.json');
    return Object.entries(wanted).every(([place, entry]) => {
      if (!place.startsWith('node_modules/')) return true;
      const here = found[place];
      if (here === undefined) return entry.optional === true || entry.devOptional === true || entry.dev === true;
      return here.version === entry.version;
    });
  } catch {
    return false;
  }
}

process.exitCode = isInstalled() ? 0 : 1;
