/** What a model file says of itself, read before an engine is started for it. */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { GgufError, readGgufHead, withGgufFile, type GgufValue } from './gguf.ts';

export type ModelDescription = {
  /** Name for the API: `general.name` as a slug, else the file's base name. 1–96 characters of [a-z0-9._-]. */
  modelId: string;
  architecture: string;
  /** Tokens the model was trained on; undefined = the file does not say. */
  contextLength?: number;
  fileBytes: number;
};

const modelIdMax = 96;

/** Makes a model id out of free text: 'Tiny Coder 1.5B' → 'tiny-coder-1.5b'. '' when nothing is left. */
export function slugifyModelName(name: string): string {
  const dashed = name.toLowerCase().replace(/[^a-z0-9._]+/g, '-');
  return dashed.slice(0, modelIdMax).replace(/^[-._]+|[-._]+$/g, '');
}

const fits = (value: GgufValue | undefined): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : undefined;

function contextKey(metadata: ReadonlyMap<string, GgufValue>): string {
  return `${String(metadata.get('general.architecture') ?? '')}.context_length`;
}

async function assertRegularFile(path: string): Promise<number> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const why =
      error.code === 'ENOENT' ? 'there is no such file' : `it cannot be opened (${error.code ?? error.message})`;
    throw new Error(`model file ${path}: ${why}; expected a GGUF file, such as models/tiny-coder/coder.gguf`);
  });
  if (!found.isFile()) throw new Error(`model file ${path}: not a regular file; expected one GGUF file`);
  return found.size;
}

/**
 * Reads the head of the GGUF file at `path`.
 * @throws Error naming the path, what is wrong and what was expected.
 */
export async function describeModel(path: string): Promise<ModelDescription> {
  const fileBytes = await assertRegularFile(path);
  try {
    const enough = (seen: Map<string, GgufValue>) => seen.has('general.name') && seen.has(contextKey(seen));
    const { metadata } = await withGgufFile(path, (source) => readGgufHead(source, enough));
    const name = metadata.get('general.name');
    const contextLength = fits(metadata.get(contextKey(metadata)));
    return {
      modelId: slugifyModelName(typeof name === 'string' ? name : '') || modelIdOfPath(path),
      architecture: String(metadata.get('general.architecture') ?? 'unknown'),
      ...(contextLength !== undefined && { contextLength }),
      fileBytes,
    };
  } catch (error) {
    if (!(error instanceof GgufError)) throw new Error(`model file ${path}: it cannot be read`, { cause: error });
    throw new Error(`model file ${path}: ${error.message}; expected a GGUF model (version 2 or 3)`, { cause: error });
  }
}

function modelIdOfPath(path: string): string {
  return slugifyModelName(basename(path).replace(/\.gguf$/i, '')) || 'model';
}
