import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificateFile, issueCertificate } from '@labmesh/attest/certificate/issue-certificate';
import { readKeyRing } from '@labmesh/attest/keys/key-folder';
import { keyInForce, type KeyRing } from '@labmesh/attest/keys/key-ring';
import { lockFolder, openLogFolder } from '@labmesh/attest/log/open-log-folder';
import { sampleInput, sampleNow, sampleResponse } from '@labmesh/attest/testing/sample-certificate';
import { FakeClock } from '@labmesh/kit/clock';
import { dispatch } from '../../dispatch.ts';
import { verifyCommands } from '../../table/verify-commands.ts';
import { expectGolden } from '../../testing/golden.ts';
import { testWorld } from '../../testing/test-world.ts';
import { findIssuerKeys } from '../../verify/issuer-keys.ts';

const root = mkdtempSync(join(tmpdir(), 'labctl-cert-'));
afterAll(() => rmSync(root, { recursive: true }));
const data = join(root, 'data');
const at = (name: string) => join(root, name);

async function labctl(words: string, now = sampleNow) {
  const clock = new FakeClock();
  clock.wall = () => now;
  const world = testWorld({ env: { HOME: root, LABMESH_DATA: data, USER: 'alice' }, clock });
  const exitCode = await dispatch(words.split(' ').filter(Boolean), world);
  return { exitCode, ...world.said };
}
const json = async (words: string, now = sampleNow) => JSON.parse((await labctl(`${words} --json`, now)).stdout);

const folder = join(data, 'attest');
const readIfThere = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);
const keys = () => findIssuerKeys({ data }, testWorld({ env: { HOME: root } }));
const ringNow = async () => (await readKeyRing(await keys())) as KeyRing;

/** Issues by the library, as arena will. */
async function issue(name: string, id: string, issuedAt = sampleNow - 1000): Promise<void> {
  const ring = await ringNow();
  const { signer } = keyInForce(ring, 'certificate', sampleNow);
  const issued = await issueCertificate({ ...sampleInput({ certificate_id: id }), issuedAt }, [signer]);
  using open = await openLogFolder(join(folder, 'log'), ring.log.origin, ring.log.signer);
  const { firstIndex } = await open.log.append([issued.entry]);
  writeFileSync(at(name), certificateFile(issued, await open.log.prove(firstIndex)));
  writeFileSync(at(`${name}.pending`), certificateFile(issued, undefined));
}

beforeAll(async () => {
  expect((await labctl('cert keys rotate --origin labmesh.example/log', sampleNow - 60_000)).exitCode).toBe(0);
  await issue('one.labcert', 'cert-1');
  await issue('two.labcert', 'cert-2');
  writeFileSync(at('answer.txt'), sampleResponse);
  for (const part of ['trust', 'pem', 'revocations']) {
    writeFileSync(at(part), (await labctl(`cert keys export --part ${part}`)).stdout);
  }
});

describe('cert verify', () => {
  const verify = (words: string, now?: number) => labctl(`cert verify ${words}`, now);

  test('with the issuer of the data folder, with its trust file, with its key: 0', async () => {
    expect((await verify(at('one.labcert'))).exitCode).toBe(0);
    expect(
      (await verify(`${at('one.labcert')} --trust ${at('trust')} --revocations ${at('revocations')}`)).exitCode,
    ).toBe(0);
    expect((await verify(`${at('one.labcert')} --key ${at('pem')}`)).exitCode).toBe(0);
  });

  test('tells a person what was proven and what was not', async () => {
    const { stdout, stderr } = await verify(`${at('one.labcert')} --response ${at('answer.txt')}`);
    expect(stderr).toBe('');
    const ids = /[0-9a-f]{64}/g;
    expectGolden(join(import.meta.dir, 'testdata', 'verify.golden.txt'), stdout.replaceAll(ids, '<digest>'));
  });

  test('tells a program the same', async () => {
    const report = await json(`cert verify ${at('one.labcert')}`);
    expect(report).toMatchObject({
      verdict: 'valid',
      isolation: 'SANDBOX_L1_NAMESPACE',
      certificate: { id: 'cert-1' },
    });
    expect(report.notProven).toContain('which answer it is about: no response was compared');
  });

  test('1 when a byte, the response or the key is another', async () => {
    const bytes = readFileSync(at('one.labcert'));
    writeFileSync(at('bad.labcert'), bytes.with(700, (bytes[700] ?? 0) ^ 1));
    const bad = await verify(at('bad.labcert'));
    expect([bad.exitCode, bad.stdout]).toEqual([1, expect.stringMatching(/^INVALID: .*\n\nNot proven\n {2}anything/)]);
    writeFileSync(at('other.txt'), `${sampleResponse}x`);
    expect((await verify(`${at('one.labcert')} --response ${at('other.txt')}`)).stdout).toContain('RESPONSE_DIFFERS');
    expect((await verify(at('answer.txt'))).exitCode).toBe(1);
  });

  test('1 when the log proof was left out, though the signature holds', async () => {
    const found = await verify(at('one.labcert.pending'));
    expect([found.exitCode, found.stdout]).toEqual([1, expect.stringContaining('LOG_PROOF_MISSING')]);
    expect((await verify(`${at('one.labcert.pending')} --key ${at('pem')}`)).stdout).toContain(
      'no log is trusted here',
    );
  });

  test('3 when revocation is unknown: no list, a stale one; --offline takes that upon itself', async () => {
    const words = `${at('one.labcert')} --trust ${at('trust')}`;
    expect((await verify(words)).exitCode).toBe(3);
    expect((await verify(`${words} --offline`)).exitCode).toBe(0);
    // Of the second before both ends: the certificate's, and the list's, which is a second later.
    expect((await verify(`${words} --revocations ${at('revocations')}`, sampleNow + 86_398_999)).exitCode).toBe(0);
    writeFileSync(at('no-list'), '{}');
    expect((await verify(`${words} --revocations ${at('no-list')} --offline`)).exitCode).toBe(3);
  });

  test('4 when it expired', async () => {
    const found = await verify(at('one.labcert'), sampleNow + 86_400_000);
    expect([found.exitCode, found.stdout]).toEqual([4, expect.stringMatching(/^EXPIRED/)]);
  });

  test('2 for what was asked wrongly', async () => {
    for (const [words, text] of [
      ['', 'no file was named'],
      [at('none.labcert'), 'cannot be read (ENOENT)'],
      [`${at('one.labcert')} --key ${at('pem')} --trust ${at('trust')}`, 'one of them'],
      [`${at('one.labcert')} --key ${at('trust')}`, 'not one PUBLIC KEY'],
      [`${at('one.labcert')} --trust ${at('pem')}`, 'JSON_BAD'],
      [`${at('one.labcert')} --key ${at('pem')} --revocations ${at('revocations')}`, 'needs --trust'],
      [`${at('one.labcert')} --data ${at('nowhere')}`, 'nobody is trusted'],
      [`${at('one.labcert')} --response ${root}`, 'EISDIR'],
      [`/dev/zero --key ${at('pem')}`, 'larger than 64 MiB'],
    ] as const) {
      const found = await verify(words);
      expect([words, found.exitCode, found.stderr]).toEqual([words, 2, expect.stringContaining(text)]);
    }
  });

  test('what stands in a file does not move the cursor', async () => {
    const { signer } = keyInForce(await ringNow(), 'certificate', sampleNow);
    const issued = await issueCertificate(sampleInput({ issuer: 'x\u001b[2J\u202e' }), [signer]);
    writeFileSync(at('esc.labcert'), certificateFile(issued, undefined));
    const { exitCode, stdout } = await verify(`${at('esc.labcert')} --key ${at('pem')}`);
    expect([exitCode, stdout.includes('\u001b'), stdout.includes('\\x1b[2J\\u202e')]).toEqual([0, false, true]);
  });
});

describe('cert show', () => {
  test('prints each part, and says that nothing was verified', async () => {
    const shown = await labctl(`cert show ${at('one.labcert')}`);
    expect(JSON.parse(shown.stdout)).toMatchObject({ predicateType: 'https://in-toto.io/attestation/svr/v0.1' });
    expect(shown.stderr).toContain('nothing was verified');
    expect(await json(`cert show ${at('one.labcert')} --view functional`)).toMatchObject({ status: 'valid' });
    expect(await json(`cert show ${at('one.labcert')} --view compliance`)).toMatchObject({ status: 'unknown' });
    expect(await json(`cert show ${at('one.labcert')} --view dsse`)).toMatchObject({
      payloadType: 'application/vnd.in-toto+json',
    });
    expect((await labctl(`cert show ${at('one.labcert')} --view proof`)).stdout).toStartWith(
      'c2sp.org/tlog-proof@v1\n',
    );
    expect((await labctl(`cert show ${at('one.labcert.pending')} --view proof`)).exitCode).toBe(1);
    expect((await labctl(`cert show ${at('answer.txt')}`)).exitCode).toBe(1);
  });
});

describe('cert reproduce', () => {
  const reproduce = (words: string) => labctl(`cert reproduce ${words}`);

  test('3 where the verifiers here are others than those that signed, and nothing is run for it', async () => {
    const { exitCode, stdout, stderr } = await reproduce(`${at('one.labcert')} --response ${at('answer.txt')}`);
    expect([exitCode, stderr]).toEqual([3, '']);
    expect(stdout).toStartWith('INCOMPLETE');
    expect(stdout).toMatch(/code_linter +not made again +here it has another version or configuration/);
    expect(stdout).toMatch(/leash_verifier +not made again +there is no such verifier here/);
    expect(stdout).toMatch(/runtime_verifier +not made again +its suite is needed: --suite/);
  });

  test('1 for another answer, 2 for what was asked wrongly', async () => {
    const other = await reproduce(`${at('one.labcert')} --response ${at('trust')}`);
    expect([other.exitCode, other.stderr]).toEqual([1, expect.stringContaining('RESPONSE_DIFFERS')]);
    expect((await reproduce(at('one.labcert'))).exitCode).toBe(2);
    const suite = { id: 's', language: 'python', entry: 'f', cases: [{ args: [], expect: 1 }] };
    writeFileSync(at('suite.json'), JSON.stringify(suite));
    const asked = await reproduce(`${at('one.labcert')} --response ${at('answer.txt')} --suite ${at('suite.json')}`);
    expect([asked.exitCode, asked.stderr]).toEqual([2, expect.stringContaining('not the suite that was certified')]);
  });
});

describe('cert log', () => {
  test('verify finds all as it was, and that it goes on from a checkpoint that was kept', async () => {
    const checkpoint = join(folder, 'log', 'checkpoint');
    copyFileSync(checkpoint, at('kept'));
    expect(await labctl('cert log verify')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('entries are as they were logged'),
    });
    await issue('three.labcert', 'cert-3');
    const found = await json(`cert log verify --checkpoint ${at('kept')}`);
    expect(found).toMatchObject({ ok: true, origin: 'labmesh.example/log', goesOnFrom: found.size - 1 });
  });

  test('verify is 1 when a tile was changed, and 2 when nothing is trusted', async () => {
    const log = at('log-copy');
    Bun.spawnSync(['cp', '-r', join(folder, 'log'), log]);
    const tile = join(log, 'tile/0/000.p', `${(await json('cert log verify')).size}`);
    const bytes = readFileSync(tile);
    writeFileSync(tile, bytes.with(3, (bytes[3] ?? 0) ^ 1));
    expect(await labctl(`cert log verify --log ${log}`)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('LOG_DAMAGED'),
    });
    expect((await labctl(`cert log verify --log ${log} --data ${at('nowhere')}`)).exitCode).toBe(2);
    expect((await labctl(`cert log verify --log ${at('nowhere')}`)).exitCode).toBe(1);
  });

  test('prove gives a proof that verifies in place of the one that was left out', async () => {
    const proof = (await labctl(`cert log prove ${at('two.labcert.pending')}`)).stdout;
    expect(proof).toStartWith('c2sp.org/tlog-proof@v1\nextra ');
    const pending = JSON.parse(readFileSync(at('two.labcert.pending'), 'utf8'));
    const { mediaType, dsse, salt, statement } = pending;
    writeFileSync(at('proved.labcert'), JSON.stringify({ dsse, mediaType, salt, statement, tlog_proof: proof }));
    expect((await labctl(`cert verify ${at('proved.labcert')}`)).exitCode).toBe(0);
  });

  test('prove is 1 for what the log does not hold', async () => {
    const issued = await issueCertificate(sampleInput(), [
      keyInForce(await ringNow(), 'certificate', sampleNow).signer,
    ]);
    writeFileSync(at('unlogged.labcert'), certificateFile(issued, undefined));
    expect(await labctl(`cert log prove ${at('unlogged.labcert')}`)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('does not hold this certificate'),
    });
  });
});

describe('cert keys', () => {
  test('where there are none: list says so, and nothing is made by asking', async () => {
    const empty = at('empty');
    expect((await labctl(`cert keys list --data ${empty}`)).stdout).toContain('no keys');
    expect(await json(`cert keys list --data ${empty}`)).toEqual({ keys: [], log: null, threshold: null });
    expect((await labctl(`cert keys export --data ${empty}`)).exitCode).toBe(3);
    expect((await labctl(`cert revoke cert-1 --reason cheat_found --yes --data ${empty}`)).exitCode).toBe(3);
    expect(existsSync(empty)).toBe(false);
  });

  test('are for the owner alone, and are listed without their private parts', async () => {
    expect(statSync(join(folder, 'keys.json')).mode & 0o777).toBe(0o600);
    const listed = await labctl('cert keys list');
    expect(listed.stdout).toContain('in force');
    expect(listed.stdout + (await labctl('cert keys list --json')).stdout).not.toContain('pkcs8');
  });

  test('rotate announces one, and not two', async () => {
    const { keys } = await json('cert keys rotate --usage revocation');
    expect(keys).toEqual([expect.objectContaining({ usage: 'revocation', notBefore: '2026-03-02T12:00:00.000Z' })]);
    expect((await labctl('cert keys rotate --usage revocation')).exitCode).toBe(8);
    expect((await json('cert keys list')).keys.map(({ state }: { state: string }) => state)).toEqual([
      'in force',
      'in force',
      'announced',
    ]);
  });

  test('are changed by one process at a time', async () => {
    using _lock = lockFolder(folder);
    expect(await labctl('cert keys rotate')).toMatchObject({
      exitCode: 8,
      stderr: expect.stringContaining('LOG_LOCKED'),
    });
  });
});

describe('revocation', () => {
  test('is asked about, and needs a reason', async () => {
    expect(await labctl('cert revoke cert-1 --reason cheat_found')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('--yes'),
    });
    expect((await labctl('cert revoke cert-1 --yes')).exitCode).toBe(2);
    expect((await labctl('cert revoke --reason cheat_found --yes')).exitCode).toBe(2);
    expect((await labctl('cert keys revoke abc --reason key_compromise --yes')).exitCode).toBe(2);
    const none = '0'.repeat(64);
    expect((await labctl(`cert keys revoke ${none} --reason key_compromise --yes`)).exitCode).toBe(5);
  });

  test('while another process has the log nothing is changed, and it is told who may', async () => {
    const ring = await ringNow();
    const files = () => ['keys.json', 'revocations.json'].map((name) => readIfThere(join(folder, name)));
    const before = files();
    using _open = await openLogFolder(join(folder, 'log'), ring.log.origin, ring.log.signer);
    const { keyid } = keyInForce(ring, 'certificate', sampleNow);
    for (const [words, hint] of [
      ['cert revoke cert-1 --reason cheat_found', '--api URL --key KEY'],
      [`cert revoke ${'a'.repeat(64)} --verifier --reason verifier_bug`, 'stop labctl up'],
      [`cert keys revoke ${keyid} --reason key_compromise`, 'stop it'],
    ] as const) {
      const { exitCode, stderr } = await labctl(`${words} --yes`);
      expect([exitCode, stderr]).toEqual([8, expect.stringContaining(hint)]);
      expect(stderr).toContain('LOG_LOCKED');
    }
    expect(files()).toEqual(before);
    const both = await labctl('cert revoke cert-1 --verifier --reason verifier_bug --api http://127.0.0.1:1/v1 --yes');
    expect(both.exitCode).toBe(2);
  });

  test('of a certificate: 5 from then on, and the others are as they were; the log has it', async () => {
    const before = (await json('cert log verify')).size;
    expect((await labctl('cert revoke cert-1 --reason cheat_found --yes')).exitCode).toBe(0);
    const found = await labctl(`cert verify ${at('one.labcert')}`);
    expect([found.exitCode, found.stdout]).toEqual([5, expect.stringMatching(/^REVOKED: revoked: cheat_found/)]);
    expect((await labctl(`cert verify ${at('two.labcert')}`)).exitCode).toBe(0);
    expect((await json('cert log verify')).size).toBe(before + 1);
    // Whoever has the older list, still good, does not know yet.
    expect(
      (await labctl(`cert verify ${at('one.labcert')} --trust ${at('trust')} --revocations ${at('revocations')}`))
        .exitCode,
    ).toBe(0);
  });

  test('of a key, since before its certificates were logged: they are revoked, and another key signs', async () => {
    const { keyid } = keyInForce(await ringNow(), 'certificate', sampleNow);
    const result = await json(`cert keys revoke ${keyid} --reason key_compromise --since 1h --yes`);
    expect(result).toMatchObject({ keyid, since: '2026-03-01T11:00:00.000Z' });
    expect((await labctl(`cert verify ${at('two.labcert')}`)).exitCode).toBe(5);
    expect(keyInForce(await ringNow(), 'certificate', sampleNow).keyid).toBe(result.next);
    const { plain } = await (await keys()).sealer.open(readFileSync(join(folder, 'keys.json')));
    expect(new TextDecoder().decode(plain).match(/"pkcs8":null/g)).toHaveLength(1);
  });

  test('of everything a verifier said', async () => {
    await issue('four.labcert', 'cert-4', sampleNow);
    expect((await labctl(`cert verify ${at('four.labcert')}`)).exitCode).toBe(0);
    const digest = sampleInput().labmesh.verifiers[0]?.digest ?? '';
    expect((await labctl(`cert revoke ${digest} --verifier --reason verifier_bug --yes`)).exitCode).toBe(0);
    expect((await labctl(`cert verify ${at('four.labcert')}`)).exitCode).toBe(5);
  });
});

describe('help', () => {
  test('golden: the help of each', async () => {
    const texts: string[] = [];
    for (const { name } of verifyCommands)
      texts.push(`$ labctl ${name} --help\n${(await labctl(`${name} --help`)).stdout}`);
    expectGolden(join(import.meta.dir, 'testdata', 'help.golden.txt'), texts.join('\n'));
  });

  test('there is no word by which labctl would certify anything', () => {
    for (const { name } of verifyCommands) expect(name).not.toMatch(/issue|sign|create/);
  });
});
