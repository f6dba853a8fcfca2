import { afterAll, beforeAll, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Settings } from '../config/settings.ts';
import { checkSsh } from './check-ssh.ts';

let home: string;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'labctl-ssh-'));
  mkdirSync(join(home, 'bin'));
  writeFileSync(join(home, 'bin/ssh'), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(join(home, 'key'), 'x', { mode: 0o600 });
});
afterAll(() => rmSync(home, { recursive: true }));

const said = (ssh: Record<string, string>, path = join(home, 'bin')) => {
  const env = { HOME: home, PATH: path, ...ssh };
  const found = checkSsh(new Settings({ env }), env);
  for (const { state, fix } of found) expect(state === 'ok' || (fix ?? '') !== '').toBe(true);
  return found.map(({ state, text, fix }) => `${state} ${text}${fix === undefined ? '' : ` → ${fix}`}`);
};

test('nothing is said where nobody has set it up', () => expect(said({}, '/nowhere')).toEqual([]));

test('a key that ssh takes', () => {
  const fine = said({ LABCTL_SSH_USER: 'ops', LABCTL_SSH_KEY_FILE: '~/key' });
  expect(fine).toEqual([`ok ${join(home, 'bin/ssh')}, as ops`]);
});

test('no program; a key that is missing, a folder, or open to others', () => {
  expect(said({ LABCTL_SSH_USER: 'ops' }, '/nowhere')).toEqual([
    expect.stringMatching(/^warn there is no ssh program here → install openssh-client/),
  ]);
  expect(said({ LABCTL_SSH_KEY_FILE: '/nowhere/key' })).toEqual([
    expect.stringMatching(/^fail the key \/nowhere\/key cannot be read \(ENOENT\) → labctl config set ssh\.keyFile/),
  ]);
  expect(said({ LABCTL_SSH_KEY_FILE: home })).toEqual([expect.stringContaining('is no file')]);
  chmodSync(join(home, 'key'), 0o644);
  expect(said({ LABCTL_SSH_KEY_FILE: '~/key' })).toEqual([
    `fail ${join(home, 'key')} is open to others (mode 644): ssh refuses it → chmod 600 ${join(home, 'key')}`,
  ]);
});
