import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { files, root } from './sources.ts';
import { foreignHosts, tellingWords } from './words.ts';

const text =
  /\.(?:[cm]?[jt]sx?|json|jsonc|md|toml|ya?ml|sh|py|txt|css|html|service|conf)$|^[^.]+$|\/[^.]+$|^\.[^/]*$|^\.ci\//;

const readable = files().filter((path) => text.test(path));

test('no file tells of the machine it was written on', () => {
  const found = readable.flatMap((path) => tellingWords(path, readFileSync(join(root, path), 'utf8')));
  expect(found).toEqual([]);
  expect(readable.length).toBeGreaterThan(60);
  expect(readable).toContain('package-lock.json');
});

test('package-lock.json names no host but the npm registry', () => {
  expect(foreignHosts(readFileSync(join(root, 'package-lock.json'), 'utf8'))).toEqual([]);
  expect(readFileSync(join(root, '.npmrc'), 'utf8')).toContain('omit-lockfile-registry-resolved=true');
});

test('the words are found', () => {
  const work = ['', 'work', 'main'].join('/');
  expect(tellingWords('a.md', `one\nsee ${work}/x`)).toEqual([`a.md:2: a path of the workplace: see ${work}/x`]);
  expect(tellingWords('a.md', `the ${['farm', 'studio'].join('-')} tool`)).toHaveLength(1);
  expect(tellingWords('a.md', `in ${['.library', 'env'].join('/')}`)).toHaveLength(1);
  expect(tellingWords('a.md', 'a server farm; src/work/x.ts; ./work/plan; network/tests')).toEqual([]);
});

test('foreign hosts are found', () => {
  const lock = '{"resolved": "https://registry.npmjs.org/a/-/a-1.0.0.tgz"}, {"resolved": "packages/kit"}';
  expect(foreignHosts(lock)).toEqual([]);
  expect(foreignHosts('"resolved": "http://mirror.example:8080/a.tgz"')).toEqual(['http://mirror.example:8080/a.tgz']);
});
