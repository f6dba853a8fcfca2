/** What signs certificates, at rest (verification CT6): over starts, resealing, a lost key-encryption key and an older version. */
import { afterAll, describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { issuerKeys, readIssuerKeySettings } from '@labmesh/arena/certify/issuer-keys';
import { certificateFile, issueCertificate } from '@labmesh/attest/certificate/issue-certificate';
import { readKeyRing } from '@labmesh/attest/keys/key-folder';
import { keyInForce, type KeyRing } from '@labmesh/attest/keys/key-ring';
import { keyRingBytes } from '@labmesh/attest/keys/stored-ring';
import { openLogFolder } from '@labmesh/attest/log/open-log-folder';
import { sampleInput } from '@labmesh/attest/testing/sample-certificate';
import { LabctlHome, labctlFile, type LabctlProcess } from './harness/labctl-process.ts';

const ended = new AsyncDisposableStack();
afterAll(() => ended.disposeAsync());

/** A machine with an arena of its own process, which nobody asks for answers. */
class ArenaPlace {
  readonly home: LabctlHome;
  readonly data: string;

  constructor(command: readonly string[] = [labctlFile], data?: string) {
    this.home = ended.adopt(new LabctlHome(command), (home) => home[Symbol.dispose]());
    this.data = data ?? this.home.data;
    writeFileSync(join(this.home.folder, 'token'), `lmi_${'x'.repeat(43)}\n`, { mode: 0o600 });
  }

  at = (name: string) => join(this.data, name);
  #words = () => [
    'lab-arena',
    '--token-file',
    'token',
    '--socket',
    join(this.home.folder, 'x.sock'),
    '--data',
    this.data,
  ];

  /** Runs until stopped. */
  async start(): Promise<LabctlProcess> {
    const arena = ended.use(this.home.start(...this.#words()));
    await arena.says('"ready":true');
    return arena;
  }

  /** A start and a stop; gives what it said. */
  async startOnce(): Promise<string> {
    const arena = await this.start();
    arena.signal('SIGTERM');
    expect(await arena.exited).toBe(0);
    return arena.stderr;
  }

  /** A start that has to fail. */
  refused = () => this.home.run(...this.#words());
  labctl = (...words: string[]) => this.home.run(...words, '--data', this.data);

  keys = () => issuerKeys(this.data, readIssuerKeySettings(undefined, {}), () => {});
  ring = async () => (await readKeyRing(this.keys())) as KeyRing;

  /** As the arena issues one; it must not run. */
  async issue(name: string): Promise<string> {
    const [ring, now] = [await this.ring(), Date.now()];
    const { signer } = keyInForce(ring, 'certificate', now);
    const issued = await issueCertificate(
      { ...sampleInput({ certificate_id: name }), verifiedAt: now, issuedAt: now },
      [signer],
    );
    using open = await openLogFolder(this.at('attest/log'), ring.log.origin, ring.log.signer);
    const { firstIndex } = await open.log.append([issued.entry]);
    const file = join(this.home.folder, `${name}.labcert`);
    writeFileSync(file, certificateFile(issued, await open.log.prove(firstIndex)));
    return file;
  }
  verify = async (file: string) => (await this.labctl('cert', 'verify', file)).exitCode;

  /** Files of the place in which a private key can be read: the whole of it in base64, or its seed. */
  async leaks(): Promise<string[]> {
    const { keys, log } = await this.ring();
    const secrets = [...keys, log].flatMap(({ signer }) => {
      const pkcs8 = Buffer.from(
        signer !== undefined && 'exportPkcs8' in signer ? signer.exportPkcs8() : new Uint8Array(48),
      );
      const seed = pkcs8.subarray(-32);
      return [pkcs8.toString('base64'), seed.toString('hex'), seed.toString('latin1')];
    });
    const files = readdirSync(this.data, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    const paths = files.map(({ parentPath, name }) => join(parentPath, name));
    return paths.filter((path) => secrets.some((secret) => readFileSync(path, 'latin1').includes(secret)));
  }
}

const secretOf = (kekFile: string) => /^base64:(.*)$/m.exec(readFileSync(kekFile, 'utf8'))?.[1] ?? 'none';

describe('lab-arena', () => {
  test('seals its keys from the first start on; old certificates verify after restarts and resealing', async () => {
    const place = new ArenaPlace();
    const said = await place.startOnce();
    const kek = place.at('arena/kek.key');
    expect(said).toContain('made a new key file: back it up');
    expect(said).not.toContain(secretOf(kek));
    expect([statSync(kek).mode & 0o777, statSync(place.at('attest/keys.json')).mode & 0o777]).toEqual([0o600, 0o600]);
    expect(readFileSync(place.at('attest/keys.json'), 'utf8')).toMatch(
      /^\{"salt":null,"sealed":"enc:v1:[\w-]+","version":2\}$/,
    );
    expect(await place.leaks()).toEqual([]);
    const first = await place.issue('cert-1');
    expect(await place.verify(first)).toBe(0);
    const running = await place.start();
    expect(await place.verify(first)).toBe(0);
    expect(await place.labctl('cert', 'keys', 'reseal')).toMatchObject({ exitCode: 0 });
    // It opens the keys for each signature: the list that is signed anew, the revocation.
    const revoked = await place.labctl(
      'cert',
      'revoke',
      '0'.repeat(64),
      '--verifier',
      '--reason',
      'verifier_bug',
      '--yes',
    );
    expect(revoked).toMatchObject({ exitCode: 0 });
    running.signal('SIGTERM');
    expect(await running.exited).toBe(0);
    expect(await place.startOnce()).not.toContain('made a new key file');
    const second = await place.issue('cert-2');
    expect([await place.verify(first), await place.verify(second)]).toEqual([0, 0]);
    expect(await place.leaks()).toEqual([]);
  }, 300_000);

  test('with another key-encryption key, none, or one that others read, or damaged keys: 78, and nothing is changed', async () => {
    const place = new ArenaPlace();
    await place.startOnce();
    const file = await place.issue('cert-1');
    const [kek, keys, kept] = [place.at('arena/kek.key'), place.at('attest/keys.json'), place.at('kept')];
    const sealed = readFileSync(keys);
    const logKey = async () => (await place.ring()).log.signer.publicKey.keyid;
    const before = await logKey();
    renameSync(kek, kept);
    const none = await place.refused();
    expect([none.exitCode, none.stderr]).toEqual([
      78,
      expect.stringMatching(/is sealed with key k[0-9a-f]{12}, and it is not in/),
    ]);
    expect(none.stderr).toContain(`${kek}: put that key into it (attest.kek_file)`);
    expect(existsSync(kek)).toBe(false);
    const other = Buffer.alloc(32, 7).toString('base64');
    writeFileSync(kek, `base64:${other}\n`, { mode: 0o600 });
    const wrong = await place.refused();
    expect([wrong.exitCode, wrong.stderr]).toEqual([78, expect.stringContaining('attest.kek_file')]);
    expect(wrong.stderr).not.toContain(other);
    chmodSync(kek, 0o644);
    expect(await place.refused()).toMatchObject({
      exitCode: 78,
      stderr: expect.stringContaining('can be read by others'),
    });
    renameSync(kept, kek);
    const changed = Buffer.from(sealed);
    changed[120] = changed[120] === 65 ? 66 : 65;
    for (const bad of [changed, sealed.subarray(0, 200), Buffer.from('{}')]) {
      writeFileSync(keys, bad);
      expect(await place.refused()).toMatchObject({
        exitCode: 78,
        stderr: expect.stringContaining('restore it from a backup'),
      });
      expect(readFileSync(keys)).toEqual(bad);
    }
    writeFileSync(keys, sealed);
    await place.startOnce();
    expect([await logKey(), await place.verify(file)]).toEqual([before, 0]);
  }, 300_000);

  test('takes over the keys of an older version, and says so once; a passphrase does in place of the file', async () => {
    const place = new ArenaPlace();
    await place.startOnce();
    const file = await place.issue('cert-1');
    writeFileSync(place.at('attest/keys.json'), keyRingBytes(await place.ring()), { mode: 0o600 });
    rmSync(place.at('arena/kek.key'));
    expect(await place.leaks()).toEqual([place.at('attest/keys.json')]);
    expect(await place.startOnce()).toContain('the signing keys lay open in their file; they are sealed now');
    expect(await place.leaks()).toEqual([]);
    expect(await place.startOnce()).not.toContain('lay open');
    const words = 'correct horse battery staple';
    const env = ['/usr/bin/env', `ATTEST_ENCRYPTION_KEY=${words}`, labctlFile];
    const secret = new ArenaPlace(env, place.data);
    expect(await secret.startOnce()).toContain('sealed with the newest key now');
    rmSync(place.at('arena/kek.key'));
    expect(await secret.startOnce()).not.toContain(words);
    const without = await place.refused();
    expect([without.exitCode, without.stderr]).toEqual([
      78,
      expect.stringContaining('set ATTEST_ENCRYPTION_KEY as it was'),
    ]);
    expect([await secret.verify(file), existsSync(place.at('arena/kek.key'))]).toEqual([0, false]);
  }, 300_000);
});

test('labctl up: sealed on a fresh machine with nothing set; without the key, or with another, it ends with 78 and says what is missing', async () => {
  const place = new ArenaPlace();
  const words = ['--only', 'gateway,arena', '--no-discovery'];
  const run = async () => {
    const { labctl, ready } = await place.home.up(...words);
    await using _ = labctl;
    labctl.signal('SIGINT');
    expect(await labctl.exited).toBe(0);
    return ready.notes?.join('\n') ?? '';
  };
  expect(await run()).not.toContain('not verified');
  expect(await place.leaks()).toEqual([]);
  const kek = place.at('arena/kek.key');
  const kept = readFileSync(kek, 'utf8');
  const refused = () => place.home.run('up', '--data', place.data, ...words, '--port', '0');
  rmSync(kek);
  const none = await refused();
  expect([none.exitCode, none.stderr]).toEqual([
    78,
    expect.stringMatching(/error: .*keys\.json is sealed with key .*\(attest\.kek_file\)/),
  ]);
  expect(none.stderr).toContain('labctl up --only gateway starts without the arena');
  expect(existsSync(kek)).toBe(false);
  writeFileSync(kek, `base64:${Buffer.alloc(32, 5).toString('base64')}\n`, { mode: 0o600 });
  const sealed = readFileSync(place.at('attest/keys.json'));
  expect(await refused()).toMatchObject({ exitCode: 78, stderr: expect.stringContaining('attest.kek_file') });
  expect(readFileSync(place.at('attest/keys.json'))).toEqual(sealed);
  writeFileSync(kek, kept, { mode: 0o600 });
  expect(await run()).not.toContain('not verified');
}, 300_000);
