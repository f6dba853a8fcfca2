/**
 * A path walked link by link (AG-7). Who owns a log's folder may put a link where the log was, to a file that only root
 * may read: whoever reads as root has to know who made each link before it is followed.
 */
import { lstat, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** As in the kernel. */
const linksMax = 40;

export type Walked = {
  /** Without links, as far as the path exists. */
  real: string;
  /** User ids of the owners of the links on the way. */
  linkOwners: number[];
};

/** `path` is absolute. @throws what the file system says, ELOOP for too many links. */
export async function followLinks(path: string): Promise<Walked> {
  const left = path.split('/');
  const linkOwners: number[] = [];
  let real = '/';
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      real = dirname(real);
      continue;
    }
    const next = join(real, part);
    const found = await lstat(next);
    if (!found.isSymbolicLink()) {
      real = next;
      continue;
    }
    if (linkOwners.push(found.uid) > linksMax) throw Object.assign(new Error('too many links'), { code: 'ELOOP' });
    const to = await readlink(next);
    left.unshift(...to.split('/'));
    if (to.startsWith('/')) real = '/';
  }
  return { real, linkOwners };
}

/** Whether each link leads only where its owner could have read, too: root's anywhere, another's to what is its own. */
export const mayFollow = (linkOwners: readonly number[], targetOwner: number): boolean =>
  linkOwners.every((owner) => owner === 0 || owner === targetOwner);
