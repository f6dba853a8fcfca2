import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { configBytesMax, parseConfig, parseTable, readConfigFile } from './config-file.ts';
import { OptionsError } from './options/options-error.ts';

const text = `# a comment
[gateway]
port = 8080
motd = """
port = 9
"""
"quoted" = 1

[[endpoints]]
name = "a"
[[endpoints]]
base_url = "ftp://x"
models.include = ["*"]
`;

test('tells the line of keys in tables and arrays of tables', () => {
  const { lineOf, data } = parseConfig('labmesh.toml', text);
  expect(
    [
      'gateway',
      'gateway.port',
      'gateway.quoted',
      'endpoints[0].name',
      'endpoints[1].base_url',
      'endpoints[1].models.include',
      'x',
    ].map((key) => lineOf?.(key)),
  ).toEqual([2, 3, 7, 10, 12, 13, undefined]);
  expect(data.gateway).toMatchObject({ port: 8080 });
});

test('a table is read by a schema, its first fault shown with line, key and what was found', () => {
  const schema = z.array(
    z.strictObject({
      name: z.string().default('n'),
      base_url: z
        .string()
        .regex(/^https?:/, 'expected http:// or https://')
        .optional(),
      models: z.unknown().optional(),
    }),
  );
  const file = parseConfig('labmesh.toml', text);
  expect(() => parseTable(file, 'endpoints', schema)).toThrow(
    'labmesh.toml:12: endpoints[1].base_url: found "ftp://x": expected http:// or https://',
  );
  expect(parseTable(file, 'nothing', schema)).toBeUndefined();
  const slip = parseConfig('l.toml', '[[endpoints]]\nnmae = "x"');
  expect(() => parseTable(slip, 'endpoints', schema, ['name'])).toThrow(
    'l.toml:2: endpoints[0].nmae: unknown key; did you mean name?',
  );
});

test('broken TOML, absent and huge files are named', async () => {
  expect(() => parseConfig('x.toml', 'a = 1\nb = = 2')).toThrow(/^x\.toml:2:\d+: not valid TOML: /);
  const folder = await mkdtemp(join(tmpdir(), 'config-'));
  const path = join(folder, 'labmesh.toml');
  const fault = async () =>
    readConfigFile(path).then(
      () => undefined,
      (error: unknown) => error as OptionsError,
    );
  expect(await fault()).toMatchObject({ exitCode: 4, message: `${path}: there is no such file` });
  await writeFile(path, '#'.repeat(configBytesMax + 1));
  expect(await fault()).toMatchObject({ exitCode: 3 });
  await writeFile(path, 'a = 1');
  expect((await readConfigFile(path)).data).toEqual({ a: 1 });
  await rm(folder, { recursive: true });
});

test('any text gives a file or an OptionsError', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('[', ']', '"', '=', '\n', 'a', '.', '1', "'") })),
      (garbage) => {
        try {
          return parseConfig('x', garbage).lineOf?.('a') !== 0;
        } catch (error) {
          return error instanceof OptionsError && !error.message.includes('\n');
        }
      },
    ),
  );
});
