import { describe, expect, test } from 'bun:test';
import { ConfigFile } from '../config/config-file.ts';
import { Settings } from '../config/settings.ts';
import { chooseMethod, choosePins, chooseUrl, type LoginFlags } from './choose-method.ts';

const none: LoginFlags = { tokenFile: undefined, user: undefined, oidc: false, device: false, local: false };
const pin = (digit: string) => `sha256:${digit.repeat(64)}`;
const settings = (text: string, env: Record<string, string> = {}) =>
  new Settings({ env, file: ConfigFile.parse('config.yaml', text) });
const lab = `labd:\n  url: https://lab.example:3100\n  caPin: ${pin('a')}\n`;

describe('ways to log in', () => {
  test.each([
    [{}, 'token'],
    [{ tokenFile: '-' }, 'token'],
    [{ user: 'alice' }, 'password'],
    [{ oidc: true }, 'oidc'],
    [{ device: true }, 'device'],
    [{ local: true }, 'local'],
    [{ local: true, user: 'alice' }, 'local'],
  ] as const)('%p: %s', (flags, wanted) => expect(chooseMethod({ ...none, ...flags })).toBe(wanted));

  test('two at once are refused', () => {
    expect(() => chooseMethod({ ...none, oidc: true, local: true })).toThrow('one way at a time: --oidc or --local');
  });
});

describe('which labd', () => {
  test('the word, then the settings; --local has a default', () => {
    expect(chooseUrl('https://Other.example:3100/', settings(lab), 'token')).toBe('https://other.example:3100');
    expect(chooseUrl('other.example:3100', settings(lab), 'token')).toBe('https://other.example:3100');
    expect(chooseUrl(undefined, settings(lab), 'token')).toBe('https://lab.example:3100');
    expect(chooseUrl(undefined, settings(''), 'local')).toBe('https://127.0.0.1:3100');
    expect(chooseUrl(undefined, settings(lab), 'local')).toBe('https://lab.example:3100');
    expect(() => chooseUrl(undefined, settings(''), 'token')).toThrow('labd.url is not set');
  });

  test.each(['http://x', 'https://x/path', 'https://user:pw@x', 'https://', 'x y'])('refused: %s', (text) => {
    expect(() => chooseUrl(text, settings(''), 'token')).toThrow('is not the address of a labd');
  });
});

describe('which pin', () => {
  test('the flag, checked, in lower case', () => {
    expect(choosePins(pin('B'), 'https://x', settings(''))).toBe(pin('b'));
    expect(() => choosePins('sha256:1', 'https://x', settings(''))).toThrow('--ca-pin: found "sha256:1"');
  });

  test('that of the file holds for the labd of the file alone', () => {
    expect(choosePins(undefined, 'https://lab.example:3100', settings(lab))).toBe(pin('a'));
    expect(choosePins(undefined, 'https://evil.example:3100', settings(lab))).toBeUndefined();
    expect(choosePins(undefined, 'https://x', settings(`labd:\n  caPin: ${pin('a')}\n`))).toBeUndefined();
  });

  test('that of the environment holds for any', () => {
    const env = { LABCTL_LABD_CA_PIN: pin('c') };
    expect(choosePins(undefined, 'https://any.example', settings(lab, env))).toBe(pin('c'));
  });
});
