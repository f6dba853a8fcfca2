import { expect, test } from 'bun:test';
import { z } from 'zod';
import { parseConfig } from '../config-file.ts';
import { OptionsError } from '../options.ts';
import { configWarning, placeOf, readFields } from './read-fields.ts';

const fields = {
  port: { schema: z.number().int().min(1).max(9), expected: 'an integer 1–9', example: 'port = 1' },
  names: { schema: z.array(z.string()), expected: 'a list of texts', example: 'names = ["a"]' },
  token: { schema: z.string().min(4), expected: 'a text', example: 'token_file = "…"', secret: true },
} as const;
const refuse = (key: string, problem: string): never => {
  throw new Error(`${key}: ${problem}`);
};
const file = parseConfig('f.toml', '[a]\nport = 10\nnames = ["x", 1]\n[[list]]\nport = 2\n[[list]]\nport = 0\n');

function fault(key: string, raw: unknown): OptionsError {
  try {
    readFields(file, { key, raw }, fields, refuse);
  } catch (error) {
    if (error instanceof OptionsError) return error;
    throw error;
  }
  throw new Error('no error');
}

test('values come out narrow, absent keys are absent', () => {
  const values = readFields(file, { key: 'a', raw: { port: 3 } }, fields, refuse);
  const port: number | undefined = values.port;
  expect([port, 'names' in values]).toEqual([3, false]);
  expect(readFields(file, { key: 'b', raw: undefined }, fields, refuse)).toEqual({});
});

test('a fault names line, key, what was found, what is expected and the way out', () => {
  expect(fault('a', { port: 10 }).message).toBe('f.toml:2: a.port: found 10, expected an integer 1–9; write port = 1');
  expect(fault('a', { names: ['x', 1] }).message).toBe(
    'f.toml:3: a.names[1]: found 1, expected a list of texts; write names = ["a"]',
  );
  expect(fault('list[1]', { port: 0 }).message).toStartWith('f.toml:7: list.port: ');
  expect(fault('gone', { port: 0 }).message).toStartWith('f.toml: gone.port: ');
  expect(fault('a', 'text').message).toBe(
    'f.toml:1: a: found "text", expected a table; write [a] and its keys below it',
  );
  expect(fault('a', { token: 'abc' }).message).not.toContain('abc');
});

test('unknown keys are told with the nearest name, except those that others read', () => {
  const told: string[] = [];
  const raw = { prot: 1, other: 2, __proto: 3 };
  readFields(
    file,
    { key: '', raw, elsewhere: ['other'] },
    fields,
    (key, problem) => void told.push(`${key}: ${problem}`),
  );
  expect(told).toEqual(['prot: unknown key; did you mean port?', '__proto: unknown key']);
  expect(configWarning(file, 'a.port', 'is odd')).toBe('f.toml:2: a.port: is odd');
});

test('hostile keys cost no time and give a place', () => {
  for (const key of ['', '.', '[', ']', '[0]', 'a[0][1].b', '.'.repeat(5_000), '['.repeat(5_000)])
    expect(placeOf(file, key).key).toBe(key);
});
