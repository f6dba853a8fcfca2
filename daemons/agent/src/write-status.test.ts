import { afterAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeStatus } from './write-status.ts';

const folder = mkdtempSync(join(tmpdir(), 'labmesh-status-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const write = (stateDir: string, sessions: number) =>
  writeStatus({ identity: { serverId: 's', agentId: 'a' }, options: { stateDir } } as never, {
    state: 'connected',
    sessions,
  });

test('a status takes the place of the last at once, and leaves nothing beside it; a failure stops nothing', () => {
  const path = join(folder, 'status.json');
  write(folder, 1);
  const first = statSync(path);
  write(folder, 2);
  // Another file: who reads the first one goes on reading a whole one.
  expect(statSync(path).ino).not.toBe(first.ino);
  expect(first.mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ state: 'connected', sessions: 2, agentId: 'a' });
  expect(readdirSync(folder)).toEqual(['status.json']);
  const taken = join(folder, 'taken');
  mkdirSync(join(taken, 'status.json'), { recursive: true });
  write(taken, 3);
  write(join(folder, 'none'), 4);
});
