/** An arena whose signing keys are in a service of another process (verification CT6): its start, its commands, its absence. */
import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LabctlHome, labctlFile, type LabctlProcess } from './harness/labctl-process.ts';

const ended = new AsyncDisposableStack();
afterAll(() => ended.disposeAsync());
const program = join(import.meta.dir, 'simulators', 'kms', 'start-transit.ts');
const token = 'hvs.STORYTOKEN';

/** A machine with an arena of its own process, and a service beside it. */
class Place {
  readonly home = ended.adopt(new LabctlHome([labctlFile]), (home) => home[Symbol.dispose]());
  readonly config = join(this.home.folder, 'arena.toml');
  readonly socket = join(this.home.folder, 'kms.sock');

  constructor() {
    writeFileSync(join(this.home.folder, 'token'), `lmi_${'x'.repeat(43)}\n`, { mode: 0o600 });
    writeFileSync(join(this.home.folder, 'kms.token'), `${token}\n`, { mode: 0o600 });
    const tokenFile = join(this.home.folder, 'kms.token');
    writeFileSync(this.config, `[attest]\nkms_url = "unix:${this.socket}"\nkms_token_file = "${tokenFile}"\n`);
  }

  /** Its keys are new with each: a service that lost them. */
  async service(): Promise<AsyncDisposable> {
    const names = ['certificate', 'revocation', 'log'].map((use) => `labmesh-${use}`);
    const child = Bun.spawn([process.execPath, '--no-install', program, this.socket, token, ...names], {
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'inherit',
    });
    await child.stdout.getReader().read();
    return ended.use({
      async [Symbol.asyncDispose]() {
        await child.stdin.end();
        await child.exited;
      },
    });
  }

  #words = () => ['--token-file', 'token', '--socket', join(this.home.folder, 'x.sock'), '--config', this.config];
  refused = () => this.home.run('lab-arena', ...this.#words(), '--data', this.home.data);

  async start(): Promise<LabctlProcess> {
    const arena = ended.use(this.home.start('lab-arena', ...this.#words(), '--data', this.home.data));
    await arena.says('"ready":true');
    return arena;
  }

  labctl = (...words: string[]) => this.home.run(...words, '--data', this.home.data, '--config', this.config);
  async keys(): Promise<{ usage: string; state: string; kms: { key: string; version: number } | null }[]> {
    const { stdout } = await this.labctl('cert', 'keys', 'list', '--json');
    return (JSON.parse(stdout) as { keys: [] }).keys;
  }

  /** The line of `labctl doctor` on them. */
  async doctor(): Promise<{ state: string; text: string }> {
    const { stdout } = await this.labctl('doctor', '--json');
    const { checks } = JSON.parse(stdout) as { checks: { name: string; state: string; text: string }[] };
    return checks.find(({ name }) => name === 'signing keys') ?? { state: 'none', text: '' };
  }
}

describe('lab-arena with keys in a service', () => {
  test('does not start anew without it, makes no key in its place, and starts when it is there', async () => {
    const place = new Place();
    expect(await place.refused()).toMatchObject({
      exitCode: 75,
      stderr: expect.stringContaining('the key management service is not reached') as never,
    });
    expect(existsSync(join(place.home.data, 'attest/keys.json'))).toBe(false);
    expect((await place.doctor()).state).toBe('fail');
    await place.service();
    expect(await place.doctor()).toMatchObject({ state: 'ok', text: expect.stringContaining('labmesh-log') as never });
    const arena = await place.start();
    expect((await place.keys()).map(({ kms }) => kms)).toEqual([
      { key: 'labmesh-certificate', version: 1 },
      { key: 'labmesh-revocation', version: 1 },
    ]);
    expect(await place.labctl('cert', 'keys', 'rotate')).toMatchObject({ exitCode: 0 });
    expect((await place.keys()).map(({ state, kms }) => [state, kms?.version])).toEqual([
      ['in force', 1],
      ['in force', 1],
      ['announced', 2],
    ]);
    const words = ['0'.repeat(64), '--verifier', '--reason', 'verifier_bug', '--yes'];
    expect(await place.labctl('cert', 'revoke', ...words)).toMatchObject({ exitCode: 0 });
    const verified = await place.home.run('cert', 'log', 'verify', '--data', place.home.data);
    expect(verified).toMatchObject({ exitCode: 0 });
    expect(await place.doctor()).toMatchObject({ state: 'ok' });
    arena.signal('SIGTERM');
    expect(await arena.exited).toBe(0);
    expect(arena.stderr).not.toContain(token);
    const files = readdirSync(place.home.data, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
    for (const { parentPath, name } of files)
      expect(readFileSync(join(parentPath, name), 'latin1')).not.toContain(token);
  }, 300_000);

  test('goes on without it, says so, and signs nothing with keys of another', async () => {
    const place = new Place();
    {
      await using _ = await place.service();
      const first = await place.start();
      first.signal('SIGTERM');
      expect(await first.exited).toBe(0);
    }
    const arena = await place.start();
    await arena.says('the revocation list cannot be signed');
    expect(await place.doctor()).toMatchObject({
      state: 'fail',
      text: expect.stringContaining('not reached') as never,
    });
    const rotated = await place.labctl('cert', 'keys', 'rotate', '--json');
    expect([rotated.exitCode === 0, rotated.stderr]).toEqual([false, expect.stringContaining('KMS_AWAY') as never]);
    // Back with other keys under the same names: what they sign is not what verifiers were told.
    await place.service();
    expect(await place.doctor()).toMatchObject({ state: 'fail', text: expect.stringContaining('version 1') as never });
    arena.signal('SIGTERM');
    expect(await arena.exited).toBe(0);
  }, 300_000);

  test('does not start where the settings do not name it any more', async () => {
    const place = new Place();
    await place.service();
    const arena = await place.start();
    arena.signal('SIGTERM');
    expect(await arena.exited).toBe(0);
    const named = readFileSync(place.config);
    writeFileSync(place.config, '');
    expect(await place.refused()).toMatchObject({
      exitCode: 78,
      stderr: expect.stringMatching(
        /certificate, revocation, log are in a key management service.*attest\.kms_url/,
      ) as never,
    });
    expect(await place.doctor()).toMatchObject({
      state: 'fail',
      text: expect.stringContaining('none is set') as never,
    });
    writeFileSync(place.config, named);
    expect(await place.doctor()).toMatchObject({ state: 'ok' });
  }, 300_000);
});
