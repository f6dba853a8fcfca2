/**
 * Run as a process: seals the keys of a data folder, and is killed before the file operation of a number, so that a test
 * sees each state that a crash can leave. DATA, `take-over` or `reseal`, then the number; ends with 0 when there are fewer.
 */
import { mock } from 'bun:test';
import * as live from 'node:fs/promises';

const [, , dataDir = '', what = '', last = ''] = process.argv;
// A copy: what is imported becomes what it is replaced with.
const files = { ...live };
let operations = 0;

/** The same function, and the end of the process in place of the operation that was named. */
const counted =
  <A extends unknown[], R>(run: (...words: A) => Promise<R>) =>
  async (...words: A): Promise<R> => {
    if (operations++ === Number(last)) process.kill(process.pid, 'SIGKILL');
    return await run(...words);
  };

/** Writing and syncing of a file are operations like its opening. */
async function openCounted(...words: Parameters<typeof files.open>) {
  const file = await files.open(...words);
  file.writeFile = counted(file.writeFile.bind(file));
  file.sync = counted(file.sync.bind(file));
  return file;
}

// Before those are loaded that write.
await mock.module('node:fs/promises', () => ({
  ...files,
  open: counted(openCounted),
  rename: counted(files.rename),
  link: counted(files.link),
  rm: counted(files.rm),
}));
const { sealKeys } = await import('@labmesh/attest/keys/key-folder');
const { issuerKeys, readIssuerKeySettings } = await import('../issuer-keys.ts');

const keys = issuerKeys(dataDir, readIssuerKeySettings(undefined, {}), () => {});
if (what === 'reseal') await keys.sealer.rotate();
await sealKeys(keys);
