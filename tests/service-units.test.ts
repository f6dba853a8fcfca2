/** The units in deploy/units (tunnel N5, N6): what they run exists, and systemd takes them. */
import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const folder = join(import.meta.dir, '..', 'deploy', 'units');
const units = ['labmand.service', 'wireguard-go@.service'];
const textOf = (unit: string) => readFileSync(join(folder, unit), 'utf8');
const analyze = Bun.which('systemd-analyze');

const scratch = mkdtempSync(join(tmpdir(), 'labmesh-units-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('units', () => {
  test('labmand is checked before it starts and cleaned up after, and is not started again where that mends nothing', () => {
    const text = textOf('labmand.service');
    expect(text).toMatch(/^ExecStartPre=\S+\/labman pre /m);
    expect(text).toMatch(/^ExecStopPost=\S+\/labman post /m);
    expect(text).toMatch(/^AmbientCapabilities=CAP_NET_ADMIN CAP_SYS_ADMIN$/m);
    expect(text).toMatch(/^RestartPreventExitStatus=3 4 5 6$/m);
  });

  test.skipIf(analyze === null)('systemd takes them (needs Debian package systemd)', async () => {
    for (const unit of units) {
      // The programs may not be installed here; all else is as it stands.
      const at = join(scratch, unit.replace('@', '@labman0'));
      writeFileSync(at, textOf(unit).replaceAll(/^(Exec\w+)=\S+/gm, '$1=/bin/true'));
      const { stderr } = Bun.spawnSync([analyze ?? '', 'verify', '--man=no', at]);
      // Of other units of this machine it may have something to say, too.
      const said = stderr.toString().split('\n');
      expect(said.filter((line) => line.includes(basename(at)))).toEqual([]);
    }
  });
});
