import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { CommandError } from '../command-error.ts';
import { ConfigFile } from './config-file.ts';
import { Settings, type SettingsInput } from './settings.ts';

const file = (text: string) => ConfigFile.parse('c.yaml', text);
const sample = `currentContext: prod
output: wide
labd:
  url: https://all:1
contexts:
  prod:
    output: yaml
  test:
    labd:
      url: https://test:1
`;
const settings = (input: Partial<SettingsInput> = {}) => new Settings({ env: {}, file: file(sample), ...input });
function refusal(act: () => unknown): CommandError {
  try {
    act();
  } catch (error) {
    return error as CommandError;
  }
  throw new Error('it was taken');
}

describe('which value holds (CT-4)', () => {
  test('flag, environment, context, file, default, in this order', () => {
    const env = { LABCTL_OUTPUT: 'ndjson' };
    const flags = { output: { value: 'name', flag: '--output' } };
    expect(settings({ env, flags }).setting('output')).toEqual({ value: 'name', layer: 'flag', origin: '--output' });
    expect(settings({ env }).setting('output')).toEqual({ value: 'ndjson', layer: 'env', origin: 'LABCTL_OUTPUT' });
    expect(settings().setting('output')).toEqual({
      value: 'yaml',
      layer: 'context',
      origin: 'context prod (c.yaml:7)',
    });
    const test = { LABCTL_CURRENT_CONTEXT: 'test' };
    expect(settings({ env: test }).setting('output')).toEqual({ value: 'wide', layer: 'file', origin: 'c.yaml:2' });
    expect(settings({ file: file('') }).setting('output')).toEqual({
      value: 'table',
      layer: 'default',
      origin: 'default',
    });
    expect(settings({ file: file('') }).setting('labd.url')).toEqual({
      value: undefined,
      layer: 'unset',
      origin: 'not set',
    });
  });

  test('the order holds for any mix of layers', () => {
    fc.assert(
      fc.property(fc.tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()), ([flag, env, context, all]) => {
        const text = `${all ? 'timeout: 4s\n' : ''}contexts:\n  default:\n${context ? '    timeout: 3s\n' : ''}`;
        const found = new Settings({
          env: env ? { LABCTL_TIMEOUT: '2s' } : {},
          flags: flag ? { timeout: { value: '1s', flag: '--timeout' } } : {},
          file: file(text),
        });
        expect(found.timeoutMs).toBe(flag ? 1_000 : env ? 2_000 : context ? 3_000 : all ? 4_000 : 30_000);
      }),
    );
  });

  test('the context: --context, environment, file, default', () => {
    expect(settings().context).toBe('prod');
    expect(settings({ flags: { currentContext: { value: 'test', flag: '--context' } } }).get('labd.url')).toBe(
      'https://test:1',
    );
    expect(settings({ file: file('') }).context).toBe('default');
  });

  test('a context that is not set up is refused, unless it is being made', () => {
    const flags = { currentContext: { value: 'prdo', flag: '--context' } };
    const error = refusal(() => settings({ flags }));
    expect(error.message).toBe('--context: there is no context "prdo"');
    expect(error.hint).toStartWith('contexts: prod, test;');
    expect(error.exitCode).toBe(2);
    expect(settings({ flags, newContext: true }).context).toBe('prdo');
    expect(refusal(() => settings({ env: { LABCTL_CURRENT_CONTEXT: 'x' } })).exitCode).toBe(3);
    expect(
      refusal(() => settings({ flags: { currentContext: { value: '../x', flag: '--context' } } })).message,
    ).toContain('expected a name of letters');
  });

  test('an empty variable is an unset one', () => {
    expect(settings({ env: { LABCTL_OUTPUT: '' } }).output).toBe('yaml');
  });

  test('a wrong value names its place', () => {
    const flag = refusal(() => settings({ flags: { timeout: { value: 'soon', flag: '--timeout' } } }));
    expect([flag.message, flag.exitCode]).toEqual([
      '--timeout: found "soon", expected a duration such as 30s, 5m or 1h30m',
      2,
    ]);
    const env = refusal(() => settings({ env: { LABCTL_LABD_URL: 'lab' } }));
    expect([env.message.startsWith('LABCTL_LABD_URL: found "lab", expected an address'), env.exitCode]).toEqual([
      true,
      3,
    ]);
  });

  test('a value that is needed and not there tells the ways to give it', () => {
    const error = refusal(() => settings({ file: file('') }).need('labd.url'));
    expect(error.message).toBe('labd.url is not set');
    expect(error.hint).toBe('labctl login https://HOST:3100, or labctl config set labd.url VALUE, or LABCTL_LABD_URL');
    expect(error.exitCode).toBe(3);
    expect(settings().need('labd.url')).toBe('https://all:1');
  });

  test('colours: NO_COLOR stands above the file and below LABCTL_COLOR', () => {
    const colour = (env: Record<string, string>, text: string) => settings({ env, file: file(text) }).colour(true);
    expect(colour({}, '')).toBe(true);
    expect(colour({}, 'color: never\n')).toBe(false);
    expect(colour({ NO_COLOR: '1' }, 'color: always\n')).toBe(false);
    expect(colour({ NO_COLOR: '1', LABCTL_COLOR: 'always' }, '')).toBe(true);
    expect(settings({ file: file('color: always\n') }).colour(false)).toBe(true);
  });
});
