import { expect, test } from 'bun:test';
import { parseConfig } from '@labmesh/kit/config-file';
import { parseOptions } from '@labmesh/kit/options';
import { executorOptions } from './executor-options.ts';
import { readSandboxSettings, settingsFlags } from './sandbox-settings.ts';

const read = (text: string) => readSandboxSettings(parseConfig('labmesh.toml', text));
const usual = { pool: 4, minLevel: 'L1', level: 'auto', uidBase: 900_000 } as const;

test('without a section: four at a time, at least L1, the highest that is ready', () => {
  expect(readSandboxSettings(undefined)).toEqual(usual);
  expect(read('[gateway]\nport = 1\n')).toEqual(usual);
});

test('the section [sandbox]', () => {
  const text = '[sandbox]\npool = 2\nmin_level = "L0"\nlevel = "L1"\nuid_base = 700000\n';
  expect(read(text)).toEqual({ pool: 2, minLevel: 'L0', level: 'L1', uidBase: 700_000 });
});

test('a wrong value is told with its line, its field and what it may be', () => {
  expect(() => read('[sandbox]\npool = 0\n')).toThrow(
    'labmesh.toml:2: sandbox.pool: found 0, expected an integer 1–64',
  );
  expect(() => read('[sandbox]\nlevel = "L9"\n')).toThrow('expected one of auto, L0, L1');
  expect(() => read('[sandbox]\nuid_base = 0\n')).toThrow('sandbox.uid_base');
  expect(() => read('[sandbox]\npol = 1\n')).toThrow('unknown key');
});

test('the daemon gets the same as flags', () => {
  const settings = { pool: 9, minLevel: 'L0', level: 'L0', uidBase: 123_456 } as const;
  expect(parseOptions(executorOptions, { argv: settingsFlags(settings) }).values).toMatchObject(settings);
});
