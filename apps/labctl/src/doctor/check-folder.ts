import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readRunState } from '../run-file.ts';
import { isDataFolderHeld } from '../up/data-lock.ts';
import { failing, okay, warning, type Finding } from './finding.ts';

const mebibyte = 1024 * 1024;
/** Keys and usage are small; a log or a demo model needs a little more. */
const freeBytesMin = 100 * mebibyte;

/** The folder itself, or the nearest one above that exists. */
const existing = (path: string): string => (existsSync(path) ? path : existing(dirname(path)));

/** Whether this user can keep secrets there. */
function checkAccess(dataDir: string): Finding {
  const name = 'data folder';
  const place = existing(dataDir);
  try {
    accessSync(place, constants.W_OK | constants.X_OK);
  } catch {
    return failing(name, `${place} cannot be written by this user`, 'choose another with --data DIR');
  }
  if (place !== dataDir) return okay(name, `${dataDir} is made at the first start`);
  const found = statSync(dataDir);
  if (!found.isDirectory()) return failing(name, `${dataDir} is no folder`, 'choose another with --data DIR');
  if ((found.mode & 0o077) !== 0) {
    const mode = (found.mode & 0o777).toString(8);
    return warning(name, `${dataDir} is open to others (mode ${mode})`, `chmod 700 ${dataDir}; labctl up does it too`);
  }
  return okay(name, dataDir);
}

/** Room on the disk of the folder. */
function checkSpace(dataDir: string): Finding {
  const { bavail, bsize } = statfsSync(existing(dataDir));
  const free = bavail * bsize;
  const text = `${Math.floor(free / mebibyte)} MiB free`;
  return free >= freeBytesMin
    ? okay('disk', text)
    : warning('disk', text, 'make room, or choose another folder with --data DIR');
}

/** Whether labmesh runs on the folder: gives its port too, for the check of ports. */
export function checkFolder(dataDir: string): { findings: Finding[]; ownPort: number | undefined } {
  const findings = [checkAccess(dataDir), checkSpace(dataDir)];
  const state = readRunState(dataDir);
  const held = existsSync(join(dataDir, 'lock')) && findings[0]?.state !== 'fail' && isDataFolderHeld(dataDir);
  if (!held) return { findings: [...findings, okay('labmesh here', 'not running on this folder')], ownPort: undefined };
  const where = state?.api === undefined ? 'starting' : `API at ${state.api}`;
  return {
    findings: [...findings, okay('labmesh here', `running, pid ${state?.pid ?? '?'}, ${where}`)],
    ownPort: state?.port,
  };
}
