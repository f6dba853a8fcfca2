import { expect, test } from 'bun:test';
import { tmpdir } from 'node:os';
import { isLlamaLibraryInstalled, loadLlamaLibrary } from './llama-library.ts';

test('says what to install when the library is nowhere', async () => {
  const missing = () => Promise.reject(new Error('not found'));
  const error = await loadLlamaLibrary(missing, [tmpdir()]).catch((caught: unknown) => caught);
  expect(String(error)).toContain('run `npm install` with optional dependencies');
  expect(String(error)).toContain('`npm install node-llama-cpp` in the folder of the single-file program');
  expect(isLlamaLibraryInstalled([tmpdir()])).toBe(false);
});
