import { afterAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readStatus, writeStatus } from './write-status.ts';

const folder = mkdtempSync(join(tmpdir(), 'labmesh-status-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const write = (stateDir: string, sessions: number) =>
  writeStatus(
    { identity: { serverId: 's', agentId: 'a' }, options: { stateDir } },
    {
      state: 'connected',
      sessions,
    },
  );

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

test('AG-1 what a status says is believed as long as its process lives', async () => {
  const stateDir = join(folder, 'read');
  mkdirSync(stateDir);
  expect(readStatus({ stateDir })).toEqual({ text: 'not running, or never started\n', exitCode: 1 });
  writeStatus({ options: { stateDir } }, { state: 'enrolling', sessions: 0 });
  const said = readStatus({ stateDir });
  expect([said.exitCode, JSON.parse(said.text)]).toEqual([
    0,
    expect.objectContaining({ state: 'enrolling', agentId: null }),
  ]);
  const gone = Bun.spawn(['true']);
  await gone.exited;
  const path = join(stateDir, 'status.json');
  writeFileSync(path, said.text.replace(String(process.pid), String(gone.pid)));
  const after = readStatus({ stateDir });
  expect([after.exitCode, JSON.parse(after.text)]).toEqual([
    1,
    expect.objectContaining({ state: 'stopped', was: 'enrolling' }),
  ]);
  write(stateDir, 0);
  expect(readStatus({ stateDir }).exitCode).toBe(0);
  for (const torn of ['', '{', '[]', 'null', '{"state":"connected"}', '{"pid":"1"}']) {
    writeFileSync(path, torn);
    expect(readStatus({ stateDir }).exitCode).toBe(1);
  }
});
