/**
 * The key file (`secrets.key_file`, SE-2; `attest.kek_file`, CT6): one `base64:…` line of 32 bytes a key, newest last, `#`
 * for remarks. It is the one thing that a backup of what is sealed does not hold, and without it nothing opens again.
 */
import { constants } from 'node:fs';
import { link, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { kekBytes, kekOf } from './kek.ts';
import type { Kek } from './seal-value.ts';
import { SecretsRefused } from './secrets-refused.ts';

const bytesMax = 64 * 1024;
/** What follows the file's name in that of a draft. */
const draftPattern = /^\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/;
/** A draft lives for as long as a write and a sync take; an older one is a killed process's. */
const draftLifeMs = 60_000;
const linePattern = /^base64:([A-Za-z0-9+/]{43}=)$/;

/** @throws SecretsRefused with the line number of the first line that is no key. */
function parseKeys(path: string, text: string): Kek[] {
  return text.split('\n').flatMap((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return [];
    const key = Buffer.from(linePattern.exec(line)?.[1] ?? '', 'base64');
    if (key.length !== kekBytes) throw new SecretsRefused(`${path}:${index + 1}: expected base64: and 32 bytes`);
    return [kekOf(new Uint8Array(key))];
  });
}

/**
 * Keys of the file, oldest first; undefined when there is none.
 * @throws SecretsRefused when others can read it or a line is no key; what the file system says.
 */
export async function readKeyFile(path: string): Promise<Kek[] | undefined> {
  const file = await open(path, constants.O_RDONLY).catch((error: unknown) => {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    const { mode, size } = await file.stat();
    if ((mode & 0o077) !== 0) throw new SecretsRefused(`${path} can be read by others: chmod 600 '${path}'`);
    if (size > bytesMax) throw new SecretsRefused(`${path} is too large for a key file`);
    return parseKeys(path, await file.readFile('utf8'));
  } finally {
    await file.close();
  }
}

const render = (keys: readonly Kek[]) =>
  `# labmesh keys: back this file up, apart from what they seal.\n${keys
    .map(({ key }) => `base64:${Buffer.from(key).toString('base64')}\n`)
    .join('')}`;

/** A name is there after a power cut once its folder is synced: nothing may be sealed with a key that could be gone. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  // Some file systems cannot sync a folder: then they need not.
  await handle.sync().catch(() => {});
  await handle.close();
}

async function makeFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (made === undefined) return;
  for (let at = folder; at.length >= resolve(made).length; at = dirname(at)) await syncFolder(dirname(at));
}

async function writeDraft(path: string, keys: readonly Kek[]): Promise<string> {
  const text = render(keys);
  // Written, it could not be read any more.
  if (text.length > bytesMax)
    throw new SecretsRefused(`${path} holds too many keys: remove those that no backup needs`);
  await makeFolder(dirname(resolve(path)));
  const draft = `${path}.${crypto.randomUUID()}.tmp`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  return draft;
}

/**
 * Removes what processes left that were killed in the middle of a write: such a draft holds keys, and nobody would look
 * for it. Only files of this account with a draft's name, and none that another process may be writing now. What cannot be
 * removed stays. @returns how many went
 */
export async function sweepKeyDrafts(path: string, now = Date.now()): Promise<number> {
  const [folder, name] = [dirname(resolve(path)), basename(path)];
  const names = await readdir(folder).catch(() => []);
  let gone = 0;
  for (const one of names) {
    if (!one.startsWith(name) || !draftPattern.test(one.slice(name.length))) continue;
    const found = await lstat(join(folder, one)).catch(() => undefined);
    const isOurs = found?.isFile() === true && found.uid === process.getuid?.();
    if (!isOurs || now - found.mtimeMs < draftLifeMs) continue;
    gone += await rm(join(folder, one)).then(
      () => 1,
      () => 0,
    );
  }
  return gone;
}

/** Makes the file; false, and nothing changed, when there is one by now. */
export async function createKeyFile(path: string, kek: Kek): Promise<boolean> {
  const draft = await writeDraft(path, [kek]);
  try {
    // A link and not a rename: it fails when another process was quicker, and its key stays.
    await link(draft, path);
    await syncFolder(dirname(path));
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Adds a key at the end. The old file or the whole new one is there after a crash. */
export async function addToKeyFile(path: string, kek: Kek): Promise<void> {
  const draft = await writeDraft(path, [...((await readKeyFile(path)) ?? []), kek]);
  try {
    await rename(draft, path);
    await syncFolder(dirname(path));
  } finally {
    await rm(draft, { force: true });
  }
}
