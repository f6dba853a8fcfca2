import { expect, test } from 'bun:test';
import { modelPath } from './own-engine.ts';

test('a model of the command line is meant from here, one of the settings from where they lie', () => {
  expect(modelPath('a.gguf', '--model', '/etc/labmesh.toml')).toBe(`${process.cwd()}/a.gguf`);
  expect(modelPath('a.gguf', 'labmesh.toml:3', '/etc/labmesh.toml')).toBe('/etc/a.gguf');
  expect(modelPath('/x/a.gguf', 'labmesh.toml:3', '/etc/labmesh.toml')).toBe('/x/a.gguf');
});
