/** CP-2: the audit row of a copy names its path, its bytes and their hash, whichever way the files went. */
import { expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from './harness/fleet/look.ts';
import { startAgent, startLabd } from './harness/start-labd.ts';

type Row = { action: string; phase: string; result: string; code: string | null; details: Record<string, unknown> };

const sumOf = (...parts: string[]) => new Bun.CryptoHasher('sha256').update(parts.join('')).digest('hex');

test('rows of copies in, out, of a tree, and of one that fails', async () => {
  await using labd = await startLabd();
  await using _agent = await startAgent(labd, 'web-1');
  const base = mkdtempSync(join(tmpdir(), 'labmesh-copies-'));
  try {
    const [here, there] = [join(base, 'here'), join(base, 'there')];
    mkdirSync(join(here, 'tree'), { recursive: true });
    mkdirSync(there);
    writeFileSync(join(here, 'one'), 'first file');
    writeFileSync(join(here, 'tree', 'a'), 'aaa');
    writeFileSync(join(here, 'tree', 'b'), 'bbbb');
    const cp = (...words: string[]) => labd.labctl('cp', '--local', ...words);
    const far = (name: string) => `server/web-1:${join(there, name)}`;

    expect(await cp(join(here, 'one'), far('one'))).toMatchObject({ exitCode: 0 });
    expect(await cp('-r', join(here, 'tree'), far('tree'))).toMatchObject({ exitCode: 0 });
    expect(await cp(far('one'), join(here, 'back'))).toMatchObject({ exitCode: 0 });
    expect((await cp(join(here, 'one'), far('absent/one'))).exitCode).not.toBe(0);

    const ends = async () => {
      const { items } = await labd.call<{ items: Row[] }>('GET', '/api/audit?limit=100');
      return items.filter(({ action, phase }) => action.startsWith('copy-') && phase === 'end').toReversed();
    };
    await waitFor(async () => (await ends()).length === 4, 20_000);
    const [one, tree, back, failed] = await ends();
    const copied = (bytes: number, sha256: string) => ({ bytes, sha256 });
    expect(one).toMatchObject({ action: 'copy-in.open', result: 'ok', details: { path: join(there, 'one') } });
    expect(one?.details['copied']).toEqual(copied(10, sumOf('first file')));
    expect(tree?.details['copied']).toEqual(copied(7, sumOf('aaa', 'bbbb')));
    expect(back).toMatchObject({ action: 'copy-out.open', details: { copied: copied(10, sumOf('first file')) } });
    expect(failed).toMatchObject({ result: 'error', code: 'not-found' });
    expect(failed?.details['copied']).toBeUndefined();
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}, 60_000);
