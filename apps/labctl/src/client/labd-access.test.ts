import { afterAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeRunState } from '../run-file.ts';
import { adminSocketPath } from './admin-socket-path.ts';

const home = mkdtempSync(join(tmpdir(), 'labctl-socket-'));
afterAll(() => rmSync(home, { recursive: true }));
const installed = '/run/labmesh/labd.sock';

/** A data folder that says where the socket is. */
function running(folder: string, adminSocket: string): void {
  mkdirSync(folder, { recursive: true });
  const fleet = { api: 'https://127.0.0.1:1', agents: 'https://127.0.0.1:2', adminSocket };
  writeRunState(folder, { pid: 1, startedAt: new Date().toISOString(), version: '0', fleet });
}

test('ID-1 the admin socket: of an installed labd, of labctl up, or the one that is named', () => {
  expect(adminSocketPath({ HOME: home })).toBe(installed);
  const socket = join(home, 'a.sock');
  running(join(home, '.labmesh'), socket);
  // A crash leaves run.json behind.
  expect(adminSocketPath({ HOME: home })).toBe(installed);
  writeFileSync(socket, '');
  expect(adminSocketPath({ HOME: home })).toBe(socket);
  const other = join(home, 'b.sock');
  writeFileSync(other, '');
  running(join(home, 'other'), other);
  expect(adminSocketPath({ HOME: home, LABMESH_DATA: join(home, 'other') })).toBe(other);
  expect(adminSocketPath({ HOME: home, LABCTL_ADMIN_SOCKET: '/x.sock' })).toBe('/x.sock');
  expect(adminSocketPath({ HOME: home, LABCTL_ADMIN_SOCKET: '' })).toBe(socket);
});
