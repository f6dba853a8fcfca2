import { describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UpdateRig } from '../testing/update-rig.ts';
import { installedUnit, placeProgram } from './install.ts';
import { unitText } from './systemd-unit.ts';

const settingsOf = (text: string) =>
  text
    .split('\n')
    .filter((line) => /^[A-Z]\w+=/.test(line))
    .map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]);

const installed = {
  config: '/etc/labmesh/labmesh.toml',
  installDir: '/opt/labmesh',
  version: '0.2.0',
  selfCommand: ['/usr/bin/lab-agent'],
  program: '/usr/bin/lab-agent',
};

describe('AG-10 the unit', () => {
  test('has what the requirement names', () => {
    const settings = Object.fromEntries(settingsOf(installedUnit(installed)));
    expect(settings).toMatchObject({
      Type: 'notify',
      WatchdogSec: '60',
      Restart: 'always',
      RestartSec: '2',
      Delegate: 'yes',
      KillMode: 'mixed',
      ExecStartPre: '-/opt/labmesh/confirmed/lab-agent guard --config /etc/labmesh/labmesh.toml',
      ExecStart: '/opt/labmesh/current/lab-agent run --config /etc/labmesh/labmesh.toml',
    });
  });

  test('a checkout has no guard: there is no file to replace', () => {
    const text = installedUnit({ ...installed, program: undefined, selfCommand: ['/usr/bin/bun', '/src/main.ts'] });
    expect(text).toContain('ExecStart=/usr/bin/bun /src/main.ts run --config');
    expect(text).not.toContain('ExecStartPre');
  });

  test('words with spaces, quotes, percent and dollar signs come back as they were', () => {
    const text = unitText({ run: ['/opt/my "lab"/a\\b', '100%', '$HOME', 'plain'] });
    expect(text).toContain('ExecStart="/opt/my \\"lab\\"/a\\\\b" 100%% "$$HOME" plain\n');
  });

  test.skipIf(Bun.which('systemd-analyze') === null)('systemd takes it (needs systemd-analyze)', () => {
    const folder = mkdtempSync(join(tmpdir(), 'labmesh-unit-'));
    try {
      const program = join(folder, 'lab agent');
      writeFileSync(program, '#!/bin/sh\n');
      chmodSync(program, 0o755);
      const unit = join(folder, 'lab-agent.service');
      writeFileSync(unit, unitText({ run: [program, 'run'], guard: [program, 'guard'] }));
      const { exitCode, stderr } = Bun.spawnSync(['systemd-analyze', 'verify', '--man=no', unit]);
      expect(
        stderr
          .toString()
          .split('\n')
          .filter((line) => line.includes('lab-agent')),
      ).toEqual([]);
      expect(exitCode).toBe(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('lab-agent install', () => {
  test('puts the program into the folder of its version, and both links there', async () => {
    using rig = new UpdateRig('0.1.0');
    const program = join(rig.root, 'lab-agent');
    writeFileSync(program, 'the new one');
    placeProgram(program, '0.2.0', rig.installDir);
    expect([rig.folders.target('current'), rig.folders.target('confirmed')]).toEqual(['0.2.0', '0.2.0']);
    expect(await Bun.file(rig.folders.fileOf('0.2.0')).text()).toBe('the new one');
    expect(rig.folders.has('0.1.0')).toBe(true);
  });

  test('a program that stands there already stays', () => {
    using rig = new UpdateRig('0.1.0');
    rig.place('0.2.0');
    placeProgram(rig.folders.fileOf('0.2.0'), '0.2.0', rig.installDir);
    expect(rig.folders.target('current')).toBe('0.2.0');
  });
});
