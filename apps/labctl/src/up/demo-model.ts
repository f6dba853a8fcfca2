/** The model that comes with labmesh: a file of the checkout, or a part of the single-file program. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isSingleFile } from '../self-command.ts';

const fileName = 'coder.gguf';

/** A prompt that the demo model knows, by its model id. */
export const demoPrompt = 'write add';
export const demoModelId = 'tiny-coder';

/**
 * Gives the path of the demo model. Inside the single-file program it is first written to `<data>/models`, because the
 * engine maps a real file.
 */
export async function demoModelFile(dataDir: string): Promise<string> {
  if (!isSingleFile) return join(import.meta.dir, '../../../../models/tiny-coder', fileName);
  const embedded = Bun.embeddedFiles.find((file) => (file as File).name?.endsWith(fileName));
  if (embedded === undefined) throw new Error('this program was built without the demo model');
  const folder = join(dataDir, 'models');
  const path = join(folder, fileName);
  if (existsSync(path) && statSync(path).size === embedded.size) return path;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}.tmp`;
  const file = openSync(draft, 'w', 0o600);
  try {
    writeSync(file, new Uint8Array(await embedded.arrayBuffer()));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
  return path;
}
