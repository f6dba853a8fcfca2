/**
 * EX-10 through the doors of a real labd: while recordings cannot be written, nobody's command runs but that of the
 * admin socket and of whoever asks for none by right; each of them is a row that says so. With a folder that is no
 * folder any more, and on a disk of 16 MiB that is full.
 */
import { expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FleetClient } from './harness/fleet/fleet-client.ts';
import { waitFor } from './harness/fleet/look.ts';
import { type RunningLabd, startAgent, startLabd } from './harness/start-labd.ts';

const longMs = 120_000;
const lie = 'this session is not recorded: labd cannot write recordings';

type Broken = { path: string; breakIt: () => void; mend: () => void };

/** A file stands where the folder was: what is made below it fails, for root too. */
function blockedFolder(base: string): Broken {
  const path = join(base, 'recordings');
  mkdirSync(path);
  const breakIt = () => {
    renameSync(path, `${path}.away`);
    writeFileSync(path, '');
  };
  const mend = () => {
    rmSync(path);
    renameSync(`${path}.away`, path);
  };
  return { path, breakIt, mend };
}

const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
const mount = (...words: string[]) => Bun.spawnSync(['mount', ...words]).exitCode === 0;

/** Filled to less than a page. */
function fullDisk(base: string): Broken {
  if (!mount('-t', 'tmpfs', '-o', 'size=16m', 'labmesh-test', base)) throw new Error('cannot mount');
  const filler = join(base, 'filler');
  const breakIt = () => {
    const { bavail, bsize } = statfsSync(base);
    writeFileSync(filler, new Uint8Array(bavail * bsize));
  };
  return { path: base, breakIt, mend: () => rmSync(filler) };
}

function canMount(): boolean {
  if (!isRoot) return false;
  const tried = mkdtempSync(join(tmpdir(), 'labmesh-try-'));
  const isMounted = mount('-t', 'tmpfs', '-o', 'size=16m', 'labmesh-test', tried);
  if (isMounted) Bun.spawnSync(['umount', tried]);
  rmSync(tried, { recursive: true, force: true });
  return isMounted;
}

type Row = {
  action: string;
  phase: string;
  result: string;
  principal: { kind: string; name: string };
  details: Record<string, unknown>;
};
const rowsOf = async (labd: RunningLabd) =>
  (await labd.call<{ items: Row[] }>('GET', '/api/audit?action=exec.open&limit=50')).items;
type Health = { recordings: { failing: boolean } };
const isFailing = async (labd: RunningLabd) => (await labd.call<Health>('GET', '/health/detailed')).recordings.failing;

async function story(broken: Broken): Promise<void> {
  await using labd = await startLabd({ toml: `[recordings]\nurl = "file:${broken.path}"` });
  await using _agent = await startAgent(labd, 'web-1');
  using operator = new FleetClient();
  await operator.login(labd, labd.api, 'olga', ['operator']);
  using trusted = new FleetClient();
  await trusted.login(labd, labd.api, 'tina', ['admin']);
  const local = (...words: string[]) => labd.labctl('exec', 'web-1', '--local', ...words, '--', 'echo', 'in');
  const ofOperator = (...words: string[]) => operator.run('exec', 'web-1', ...words, '--', 'echo', 'in');

  expect(await local()).toMatchObject({ exitCode: 0, stdout: 'in\n', stderr: expect.not.stringContaining(lie) });
  broken.breakIt();
  // The very first one finds out, and passes; so does every one after it.
  for (let times = 0; times < 2; times++)
    expect(await local()).toMatchObject({ exitCode: 0, stdout: 'in\n', stderr: expect.stringContaining(lie) });
  expect(await isFailing(labd)).toBe(true);

  expect(await ofOperator()).toMatchObject({ exitCode: 255, stdout: '', stderr: expect.stringContaining('record') });
  // The right to go unrecorded is one of its own.
  expect((await ofOperator('--no-record')).stdout).toBe('');
  expect(await trusted.run('exec', 'web-1', '--', 'echo', 'in')).toMatchObject({ exitCode: 255, stdout: '' });
  const asked = await trusted.run('exec', 'web-1', '--no-record', '--', 'echo', 'in');
  expect(asked).toMatchObject({ exitCode: 0, stdout: 'in\n', stderr: expect.not.stringContaining(lie) });

  await waitFor(async () => (await rowsOf(labd)).filter(({ phase }) => phase === 'end').length >= 4, 20_000);
  const rows = await rowsOf(labd);
  const starts = rows.filter(({ phase, result }) => phase === 'start' && result === 'ok');
  const missed = starts.filter(({ details }) => details['recording'] === 'unavailable');
  expect(missed.map(({ principal, details }) => [principal.kind, details['noRecord']])).toEqual([
    ['local', true],
    ['local', true],
  ]);
  const wished = starts.filter(({ details }) => details['noRecord'] === true && details['recording'] === undefined);
  expect(wished.map(({ principal }) => principal.name)).toEqual(['tina']);

  broken.mend();
  await waitFor(async () => !(await isFailing(labd)), 30_000);
  expect(await ofOperator()).toMatchObject({ exitCode: 0, stdout: 'in\n' });
  expect(await local()).toMatchObject({ exitCode: 0, stderr: expect.not.stringContaining(lie) });
  expect(await labd.call<{ ok: boolean }>('POST', '/api/audit/verify', {})).toMatchObject({ ok: true });
}

test(
  'EX-10 a folder that cannot be written: the admin socket passes, the right to go unrecorded passes, nothing else',
  async () => {
    const base = mkdtempSync(join(tmpdir(), 'labmesh-blocked-'));
    try {
      await story(blockedFolder(base));
    } finally {
      rmSync(base, { recursive: true, force: true });
    }
  },
  longMs,
);

test.skipIf(!canMount())(
  'EX-10 a full disk of 16 MiB: the same (needs root, and leave to mount)',
  async () => {
    const base = mkdtempSync(join(tmpdir(), 'labmesh-full-'));
    try {
      await story(fullDisk(base));
    } finally {
      Bun.spawnSync(['umount', base]);
      rmSync(base, { recursive: true, force: true });
    }
  },
  longMs,
);
