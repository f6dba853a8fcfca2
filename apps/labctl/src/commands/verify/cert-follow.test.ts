/** A verifier that has an old trust file follows the issuer's rotations by itself (verification CT6). */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificateFile, issueCertificate } from '@labmesh/attest/certificate/issue-certificate';
import { readKeyRing } from '@labmesh/attest/keys/key-folder';
import { keyInForce, type KeyRing } from '@labmesh/attest/keys/key-ring';
import { openLogFolder } from '@labmesh/attest/log/open-log-folder';
import { sampleInput, sampleNow } from '@labmesh/attest/testing/sample-certificate';
import { FakeClock } from '@labmesh/kit/clock';
import { dispatch } from '../../dispatch.ts';
import { testWorld } from '../../testing/test-world.ts';
import { findIssuerKeys } from '../../verify/issuer-keys.ts';

const root = mkdtempSync(join(tmpdir(), 'labctl-follow-'));
afterAll(() => rmSync(root, { recursive: true }));
const at = (name: string) => join(root, name);
/** Two days after the first keys: the second one is in force. */
const later = sampleNow + 48 * 3_600_000;

async function labctl(words: string, now: number) {
  const clock = new FakeClock();
  clock.wall = () => now;
  const world = testWorld({ env: { HOME: root, USER: 'alice' }, clock });
  const exitCode = await dispatch(words.split(' ').filter(Boolean), world);
  return { exitCode, ...world.said };
}

async function exportTo(name: string, data: string, now: number, part = 'trust') {
  writeFileSync(at(name), (await labctl(`cert keys export --part ${part} --data ${data}`, now)).stdout);
}

beforeAll(async () => {
  const data = at('data');
  expect((await labctl(`cert keys rotate --origin labmesh.example/log --data ${data}`, sampleNow)).exitCode).toBe(0);
  await exportTo('old.json', data, sampleNow);
  expect((await labctl(`cert keys rotate --data ${data}`, sampleNow + 1_000)).exitCode).toBe(0);
  await exportTo('new.json', data, sampleNow + 2_000);
  await exportTo('list.json', data, later, 'revocations');
  const keys = await findIssuerKeys({ data }, testWorld({ env: { HOME: root } }));
  const ring = (await readKeyRing(keys)) as KeyRing;
  const { signer } = keyInForce(ring, 'certificate', later);
  const issued = await issueCertificate({ ...sampleInput(), verifiedAt: later - 2_000, issuedAt: later - 1_000 }, [
    signer,
  ]);
  using open = await openLogFolder(join(data, 'attest', 'log'), ring.log.origin, ring.log.signer);
  const { firstIndex } = await open.log.append([issued.entry]);
  writeFileSync(at('one.labcert'), certificateFile(issued, await open.log.prove(firstIndex)));
  // Another issuer, whose word counts for nothing here.
  const other = at('other');
  await labctl(`cert keys rotate --origin labmesh.example/log --data ${other}`, sampleNow);
  await exportTo('other.json', other, sampleNow);
});

const verify = (words: string) =>
  labctl(`cert verify ${at('one.labcert')} --revocations ${at('list.json')} ${words}`, later);

test('what the next key signed is unknown to the old file, and known to the one that it is followed to', async () => {
  expect((await verify(`--trust ${at('old.json')}`)).exitCode).toBe(1);
  expect(await verify(`--trust ${at('old.json')} --follow ${at('new.json')}`)).toMatchObject({
    exitCode: 0,
    stderr: '',
  });
});

test('a file of somebody else, or one in which a new key is not signed by an old one, is not followed: 2', async () => {
  const other = await verify(`--trust ${at('old.json')} --follow ${at('other.json')}`);
  expect([other.exitCode, other.stderr]).toEqual([2, expect.stringContaining('log or threshold changed')]);
  const trust = JSON.parse(readFileSync(at('new.json'), 'utf8')) as { keys: { endorsement?: unknown }[] };
  const bare = { ...trust, keys: trust.keys.map(({ endorsement: _, ...key }) => key) };
  writeFileSync(at('bare.json'), JSON.stringify(bare));
  const unsigned = await verify(`--trust ${at('old.json')} --follow ${at('bare.json')}`);
  expect([unsigned.exitCode, unsigned.stderr]).toEqual([2, expect.stringContaining('not endorsed')]);
  expect((await verify(`--trust ${at('old.json')} --follow ${at('none.json')}`)).exitCode).toBe(2);
});

test('a key alone names nobody that could be followed', async () => {
  await exportTo('pem', at('data'), sampleNow, 'pem');
  const words = `cert verify ${at('one.labcert')} --key ${at('pem')} --follow ${at('new.json')}`;
  expect(await labctl(words, later)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--follow needs') });
});
