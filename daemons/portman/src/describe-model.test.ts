import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describeModel, slugifyModelName } from './describe-model.ts';

const tinyCoder = resolve(import.meta.dir, '../../../models/tiny-coder/coder.gguf');
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'describe-model-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('reads name, architecture and context of the model in the project', async () => {
  const found = await describeModel(tinyCoder);
  expect(found).toEqual({ modelId: 'tiny-coder', architecture: 'llama', contextLength: 96, fileBytes: 1_537_056 });
});

test('a file without a name is called after itself', async () => {
  const path = join(folder, 'My Model-Q4_K.gguf');
  const head = Buffer.alloc(24);
  head.write('GGUF');
  head.writeUInt32LE(3, 4);
  await writeFile(path, head);
  expect(await describeModel(path)).toEqual({ modelId: 'my-model-q4_k', architecture: 'unknown', fileBytes: 24 });
});

test('says the path, what is wrong and what was expected', async () => {
  const missing = join(folder, 'missing.gguf');
  expect(await thrower(describeModel(missing))).toThrow(
    `model file ${missing}: there is no such file; expected a GGUF`,
  );
  expect(await thrower(describeModel(folder))).toThrow('not a regular file');
  const other = join(folder, 'weights.bin');
  await writeFile(other, 'these are not the weights you look for');
  expect(await thrower(describeModel(other))).toThrow(
    `model file ${other}: the file does not begin with 'GGUF'; expected`,
  );
});

test('a model id holds only what a URL, a shell and a TOML key can take', () => {
  expect(slugifyModelName('Qwen2.5 Coder 0.5B Instruct')).toBe('qwen2.5-coder-0.5b-instruct');
  expect(slugifyModelName('../../etc/passwd')).toBe('etc-passwd');
  expect(slugifyModelName('模型')).toBe('');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      expect(slugifyModelName(name)).toMatch(/^([a-z0-9]([a-z0-9._-]{0,94}[a-z0-9])?)?$/);
    }),
  );
});
