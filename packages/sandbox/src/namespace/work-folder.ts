/**
 * The sandbox's /tmp seen from outside. A descriptor of it is taken through /proc/PID/root; it keeps the tmpfs alive
 * after the namespace is gone, so that files can be handed back. All in it is hostile: links are never followed, only
 * plain files are read.
 */
import { closeSync, constants, fstatSync, openSync, readSync, statfsSync, statSync } from 'node:fs';
import type { OwnedFds } from '../chain/owned-fds.ts';
import { readOr } from '../cgroup/cgroup.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const here = (fd: number, name: string) => `/proc/self/fd/${fd}/${name}`;

/** Where a path leads, as a text that two different places never share; undefined when it leads nowhere. */
function place(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/**
 * True once bwrap has made all mounts and moved to its new root: its last step is to make that read-only. On its way
 * there it stands in the host's root, which may look alike, but is another place.
 */
function isInside(pid: number): boolean {
  const text = readOr(`/proc/${pid}/mountinfo`);
  if (!/^\d+ \d+ \S+ \S+ \/ ro\b.* - tmpfs /m.test(text) || !/^\d+ \d+ \S+ \S+ \/tmp rw\b.* - tmpfs /m.test(text))
    return false;
  return ['', '/tmp'].every((path) => {
    const inside = place(`/proc/${pid}/root${path}`);
    return inside !== undefined && inside !== place(path === '' ? '/' : path);
  });
}

/** Takes the /tmp of a sandbox by the pid of its init; undefined when it is not made yet, gone, or may not be seen. */
export function takeWorkFolder(fds: OwnedFds, pid: number): number | undefined {
  if (!isInside(pid)) return undefined;
  try {
    return fds.open(`/proc/${pid}/root/tmp`, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  } catch {
    return undefined;
  }
}

/** No page is left in it. */
export function isFull(folderFd: number): boolean {
  try {
    return statfsSync(`/proc/self/fd/${folderFd}`).bavail === 0;
  } catch {
    return false;
  }
}

function readPlain(fd: number, bytesMax: number): Uint8Array | undefined {
  const stat = fstatSync(fd);
  if (!stat.isFile()) return undefined;
  const bytes = new Uint8Array(Math.min(stat.size, bytesMax));
  let at = 0;
  while (at < bytes.length) {
    const got = readSync(fd, bytes, at, bytes.length - at, at);
    if (got === 0) break;
    at += got;
  }
  return bytes.subarray(0, at);
}

/** Each folder of the path is opened from the one before, so that no link on the way is followed. */
function openPlain(folderFd: number, path: string): number | undefined {
  const names = path.split('/');
  const last = names.pop() ?? '';
  let at = folderFd;
  try {
    for (const name of names) {
      const next = openSync(here(at, name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (at !== folderFd) closeSync(at);
      at = next;
    }
    // A pipe would hold the open for ever without O_NONBLOCK.
    return openSync(here(at, last), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch {
    return undefined;
  } finally {
    if (at !== folderFd) closeSync(at);
  }
}

export type Collected = { files: { path: string; content: string }[]; isCut: boolean };

/**
 * Reads files of `paths` (each parsed by `sandboxPathField`) that are there, in base64; missing ones and what is no plain
 * file are left out. All together have at most `bytesMax` bytes; what is more is cut off.
 */
export function collectFiles(folderFd: number, paths: readonly string[], bytesMax: number): Collected {
  const files: Collected['files'] = [];
  let room = bytesMax;
  let isCut = false;
  for (const path of new Set(paths)) {
    const fd = openPlain(folderFd, path);
    if (fd === undefined) continue;
    try {
      const bytes = readPlain(fd, room);
      if (bytes === undefined) continue;
      if (fstatSync(fd).size > bytes.length) isCut = true;
      room -= bytes.length;
      files.push({ path, content: Buffer.from(bytes).toString('base64') });
    } finally {
      closeSync(fd);
    }
  }
  return { files, isCut };
}
