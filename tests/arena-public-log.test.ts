/**
 * Anybody verifies a certificate (verification CT4-CT8): with nothing but the certificate and what the gateway gives to
 * people without a key. Gateway and arena are real; the tenant's key is used to get the certificate and to revoke it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { openRevocations } from '@labmesh/attest/certificate/revocations';
import { verifyCertificate } from '@labmesh/attest/certificate/verify-certificate';
import { parseTrust } from '@labmesh/attest/keys/trust';
import { checkGoesOn, checkTiles, type OpenedLog, readBundles, readLog } from '@labmesh/attest/log/check-log';
import type { LogDisk } from '@labmesh/attest/log/log-disk';
import { parseEntry } from '@labmesh/attest/merkle/log-entry';
import { ArenaGround } from './harness/arena-ground.ts';
import { until as untilWithin } from './harness/verification-ground.ts';

const tenant = 'a-tenant-of-ours';
const storyMs = 60_000;
const until = (isSo: () => Promise<boolean>) => untilWithin(isSo, 30_000);
/** Nothing runs: the code is only read. */
const block = { mode: 'intercept', verifiers: ['code_linter'], variations: 1, correction: false };

describe('a certificate that anybody verifies', () => {
  let ground: ArenaGround;
  let key: string;
  let base: string;
  beforeAll(async () => {
    ground = await ArenaGround.start();
    base = ground.mesh.gateway.api.replace(/\/v1$/, '');
    key = await ground.newKey(tenant);
  }, storyMs);
  afterAll(() => ground[Symbol.asyncDispose]());

  /** No key, no cookie. */
  async function read(path: string): Promise<Uint8Array | undefined> {
    const answer = await fetch(`${base}/log/${path}`);
    expect([200, 404]).toContain(answer.status);
    return answer.status === 404 ? undefined : new Uint8Array(await answer.arrayBuffer());
  }
  const file = async (path: string) => (await read(path)) ?? new Uint8Array();
  const trust = async () => parseTrust(await file('trust.json'));

  /** The whole log, every hash computed anew. */
  async function checkedLog(): Promise<OpenedLog> {
    const { log } = await trust();
    if (log === undefined) throw new Error('the trust file names no log');
    const opened = await readLog({ read } as unknown as LogDisk, log);
    await checkTiles(opened);
    return opened;
  }
  async function entries(opened: OpenedLog) {
    const found: ReturnType<typeof parseEntry>[] = [];
    for await (const bundle of readBundles(opened)) found.push(...bundle.map(parseEntry));
    return found;
  }

  /** Its text is not in the log, so it is another one each time. */
  async function certified(code: string): Promise<{ run_id: string; certificate_id: string }> {
    const init = { headers: { authorization: `Bearer ${key}` } };
    const answer = await ground.chat(`\`\`\`python\n${code}\n\`\`\``, block, {}, init);
    const { verification } = (await answer.json()) as { verification: { run_id: string; certificate_id: string } };
    expect(verification).toMatchObject({ status: 'valid' });
    return verification;
  }
  /** With its proof, which is there within 2 s. */
  async function bundle(id: string): Promise<Uint8Array> {
    let text = '';
    await until(async () => {
      text = await (await ground.get(`/v1/certificates/${id}`, key)).text();
      return text.includes('c2sp.org/tlog-proof');
    });
    return new TextEncoder().encode(text);
  }
  const verdict = async (bytes: Uint8Array) =>
    await verifyCertificate(bytes, await trust(), { now: Date.now(), revocations: await file('revocations') });

  test(
    'with the log checked hash by hash; once revoked it is so for everybody, and the log goes on from what was seen',
    async () => {
      const { certificate_id: id } = await certified('print(1)');
      const bytes = await bundle(id);
      expect(await verdict(bytes)).toMatchObject({ verdict: 'valid', code: undefined });
      // The checkpoint that a stranger gets may be a second old.
      let before = await checkedLog();
      await until(async () => (await entries((before = await checkedLog()))).some((one) => one.id === id));

      const revoke = `${base}/api/arena/certificates/${id}/revoke`;
      const init = { method: 'POST', body: '{"reason":"tenant_request"}', headers: { authorization: `Bearer ${key}` } };
      expect((await fetch(revoke, init)).status).toBe(200);
      await until(async () => (await verdict(bytes)).verdict === 'revoked');
      let after = await checkedLog();
      await until(async () => (after = await checkedLog()).head.size > before.head.size);
      const { log } = await trust();
      if (log === undefined) throw new Error('the trust file names no log');
      expect((await checkGoesOn(after, before.checkpoint, log)).size).toBe(before.head.size);
      expect((await entries(after)).map(({ kind }) => kind)).toContain('revocation');
    },
    storyMs,
  );

  test(
    'nothing that strangers read names a tenant, a key or a text',
    async () => {
      const { run_id: run } = await certified('secret_word_of_the_tenant = 2');
      await bundle(run);
      const opened = await checkedLog();
      const list = await openRevocations(await file('revocations'), await trust());
      const said = JSON.stringify([await entries(opened), list, new TextDecoder().decode(await file('trust.json'))]);
      for (const word of [tenant, key, key.slice(4, 16), 'secret_word']) expect(said).not.toContain(word);
      for (const entry of await entries(opened)) {
        expect(Object.keys(entry).toSorted()).toEqual(['id', 'kind', 'sha256', 'time', 'v']);
      }
    },
    storyMs,
  );

  test('what else the arena has stays behind a key', async () => {
    for (const path of [
      '/api/arena/trust.json',
      '/api/arena/log/checkpoint',
      '/api/arena/certificates',
      '/v1/certificates/x',
    ]) {
      expect([path, (await fetch(`${base}${path}`)).status]).toEqual([path, 401]);
    }
  });
});
