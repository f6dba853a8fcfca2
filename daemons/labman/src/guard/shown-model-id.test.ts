import { expect, test } from 'bun:test';
import { shownModelId } from './shown-model-id.ts';

test('of a path only the last part is shown', () => {
  const paths = [
    '/models/x.gguf',
    'C:\\models\\x.gguf',
    'c:/models/x.gguf',
    '~/m/x.gguf',
    './x.gguf',
    '..\\x.gguf',
    '\\\\host\\share\\x.gguf',
    '/models/x.gguf/',
  ];
  for (const path of paths) expect(shownModelId(path)).toBe('x.gguf');
  for (const id of ['Qwen/Qwen3-8B', 'llama3.2:3b', 'a.b', 'model']) expect(shownModelId(id)).toBe(id);
  expect(shownModelId('/')).toBe('model');
});
