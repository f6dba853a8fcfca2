import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError } from '../command-error.ts';
import { openDataFolder } from '../data-folder.ts';
import { readRunState } from '../run-file.ts';
import { isDataFolderHeld, lockDataFolder } from './data-lock.ts';

let folder = '';
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'labmesh-lock-'))));
afterAll(() => rmSync(folder, { recursive: true }));

/** Another process that takes the lock, says so and waits. */
async function holder() {
  const source = `
    const { lockDataFolder } = await import(${JSON.stringify(join(import.meta.dir, 'data-lock.ts'))});
    try {
      const lock = lockDataFolder(${JSON.stringify(folder)}, '1');
      lock.publish({ api: 'http://127.0.0.1:1/v1' });
      console.log('held');
      await Bun.stdin.text();
    } catch (error) { console.log(error.message); }`;
  const child = Bun.spawn([process.execPath, '-e', source], { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit' });
  const { value } = await child.stdout.getReader().read();
  return { child, said: new TextDecoder().decode(value).trim() };
}

describe('data lock', () => {
  test('a second start says who holds the folder; the end of the holder frees it, however it ends', async () => {
    const { child, said } = await holder();
    expect(said).toBe('held');
    expect(isDataFolderHeld(folder)).toBe(true);
    expect(() => lockDataFolder(folder, '1')).toThrow(
      new RegExp(`in use by pid ${child.pid} since 20..-..-.. ..:..:..Z, API at http://127.0.0.1:1/v1$`),
    );
    child.kill('SIGKILL');
    await child.exited;
    // run.json of the dead is still there and misleads nobody.
    expect(readRunState(folder)?.pid).toBe(child.pid);
    expect(isDataFolderHeld(folder)).toBe(false);
    using _lock = lockDataFolder(folder, '1');
    expect(readRunState(folder)?.pid).toBe(process.pid);
  });

  test('of many starters at once exactly one holds it', async () => {
    const all = await Promise.all(Array.from({ length: 6 }, holder));
    expect(all.filter(({ said }) => said === 'held')).toHaveLength(1);
    for (const { child } of all) child.kill('SIGKILL');
    await Promise.all(all.map(({ child }) => child.exited));
  });

  test('letting go takes run.json away; it is private', () => {
    const lock = lockDataFolder(folder, '1');
    lock.publish({ adminToken: 'x' });
    expect(statSync(join(folder, 'run.json')).mode & 0o777).toBe(0o600);
    expect(() => lockDataFolder(folder, '1')).toThrow(CommandError);
    lock[Symbol.dispose]();
    expect(existsSync(join(folder, 'run.json'))).toBe(false);
    expect(isDataFolderHeld(folder)).toBe(false);
  });

  test('a folder that is open to others is closed, a file is refused', () => {
    const open = join(folder, 'a/b');
    openDataFolder(open);
    expect(statSync(open).mode & 0o777).toBe(0o700);
    writeFileSync(join(folder, 'file'), '');
    expect(() => openDataFolder(join(folder, 'file'))).toThrow('cannot be used (EEXIST)');
  });
});
