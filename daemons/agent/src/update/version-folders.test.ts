import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, lstatSync, mkdirSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UpdateRig } from '../testing/update-rig.ts';

let rig: UpdateRig;
beforeEach(() => (rig = new UpdateRig()));
afterEach(() => rig[Symbol.dispose]());

test('AG-8 a link is flipped by a rename: at each moment it points to a whole version', () => {
  const { folders, installDir } = rig;
  rig.place('0.2.0');
  const before = lstatSync(join(installDir, 'current')).ino;
  folders.point('current', '0.2.0');
  expect(readlinkSync(join(installDir, 'current'))).toBe('versions/0.2.0');
  expect(lstatSync(join(installDir, 'current')).ino).not.toBe(before);
  expect([folders.target('current'), folders.target('confirmed')]).toEqual(['0.2.0', '0.1.0']);
  // What an interrupted flip left behind is in nobody's way.
  symlinkSync('versions/9.9.9', join(installDir, '.current.tmp'));
  folders.point('current', '0.1.0');
  expect(folders.target('current')).toBe('0.1.0');
});

test('what was gathered becomes executable only by install', () => {
  const { folders } = rig;
  const part = folders.partOf('ab'.repeat(32));
  writeFileSync(part, 'new', { mode: 0o600 });
  expect(statSync(part).mode & 0o111).toBe(0);
  expect(folders.has('0.2.0')).toBe(false);
  folders.install('0.2.0', part);
  expect([folders.has('0.2.0'), existsSync(part)]).toEqual([true, false]);
  expect(statSync(folders.fileOf('0.2.0')).mode & 0o777).toBe(0o755);
});

describe('which version a program is', () => {
  test('by its folder, also through the links', () => {
    expect(rig.folders.versionOf(rig.folders.fileOf('0.1.0'))).toBe('0.1.0');
    expect(rig.folders.versionOf(join(rig.installDir, 'current/lab-agent'))).toBe('0.1.0');
  });

  test('none elsewhere', () => {
    const { folders, installDir, root } = rig;
    writeFileSync(join(root, 'lab-agent'), '');
    writeFileSync(join(installDir, 'versions/lab-agent'), '');
    mkdirSync(join(installDir, 'versions/latest'));
    writeFileSync(join(installDir, 'versions/latest/lab-agent'), '');
    writeFileSync(join(installDir, 'versions/0.1.0/other'), '');
    const others = [
      'lab-agent',
      'opt/versions/lab-agent',
      'opt/versions/latest/lab-agent',
      'opt/versions/0.1.0/other',
      'no',
    ];
    for (const path of others) expect(folders.versionOf(join(root, path))).toBeUndefined();
  });
});

test('old versions go, what is not ours stays', () => {
  const { folders, installDir } = rig;
  for (const version of ['0.2.0', '0.3.0']) rig.place(version);
  writeFileSync(folders.partOf('cd'.repeat(32)), 'half');
  writeFileSync(join(installDir, 'versions/notes.txt'), 'of an operator');
  folders.keepOnly(['0.3.0', '0.2.0', undefined]);
  const left = [...new Bun.Glob('*').scanSync({ cwd: join(installDir, 'versions'), onlyFiles: false, dot: true })];
  expect(left.toSorted()).toEqual(['0.2.0', '0.3.0', 'notes.txt']);
});

test('links that are missing or name no version', () => {
  const { folders, installDir } = rig;
  symlinkSync('../elsewhere', join(installDir, 'odd'));
  expect(folders.target('odd' as never)).toBeUndefined();
  expect(folders.target('none' as never)).toBeUndefined();
});
