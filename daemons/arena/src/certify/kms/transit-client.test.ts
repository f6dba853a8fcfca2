import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AttestRefused } from '@labmesh/attest/attest-refused';
import { nextKmsSigner } from '@labmesh/attest/keys/kms';
import { OptionsError, parseOptions } from '@labmesh/kit/options';
import { sampleCa } from '@labmesh/pki/testing/sample-ca';
import fc from 'fast-check';
import { TransitSimulator } from '../../../../../tests/simulators/kms/transit-simulator.ts';
import { kmsOptions, readKmsSettings } from './kms-settings.ts';
import { TransitClient, transitLimits } from './transit-client.ts';

const root = mkdtempSync(join(tmpdir(), 'labmesh-transit-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let places = 0;
const token = 'hvs.TESTTOKEN';
const names = ['labmesh-certificate', 'labmesh-revocation', 'labmesh-log'];
const text = new TextEncoder().encode('to be signed');

/** Settings as a file and the environment give them. */
const settings = (attest: Record<string, unknown>, env: Record<string, string> = {}) => {
  const file = { path: 'labmesh.toml', text: '', data: { attest } };
  const found = readKmsSettings(parseOptions(kmsOptions, { argv: [], env, file }).values);
  if (found === undefined) throw new Error('no service is set');
  return found;
};

async function open(options: Partial<ConstructorParameters<typeof TransitSimulator>[0]> = {}, said: string = token) {
  const socketPath = join(root, `${++places}.sock`);
  const service = new TransitSimulator({ socketPath, token, ...options }, names);
  const client = new TransitClient(settings({ kms_url: `unix:${socketPath}` }, { ATTEST_KMS_TOKEN: said }));
  return { service, client, socketPath, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
}
/** Code of the refusal, and its text. */
async function refusal(run: Promise<unknown>): Promise<string> {
  const error: unknown = await run.catch((one: unknown) => one);
  return error instanceof AttestRefused ? `${error.code} ${error.message}` : `none: ${String(error)}`;
}

describe('a service', () => {
  test('over a socket gives keys, their next versions and signatures that hold', async () => {
    await using at = await open();
    const first = await nextKmsSigner(at.client, 'certificate');
    expect(first.kms).toEqual({ key: 'labmesh-certificate', version: 1 });
    expect(await first.sign(text)).toHaveLength(64);
    const second = await nextKmsSigner(at.client, 'certificate', (key) => key.keyid === first.publicKey.keyid);
    expect(second.kms.version).toBe(2);
    // An older version goes on signing for itself.
    expect(await first.sign(text)).toHaveLength(64);
    expect(at.service.asked).toContain('POST keys/labmesh-certificate/rotate');
  });

  test('over HTTPS is checked by its authority and its name', async () => {
    const ca = await sampleCa();
    const { key, certificatePem } = await ca.leaf('labd', 'kms');
    const tls = { cert: certificatePem + ca.chainPem, key: key.privatePem };
    await using service = new TransitSimulator({ token, tls }, names);
    const file = join(root, 'ca.pem');
    writeFileSync(file, ca.bundlePem);
    const env = { ATTEST_KMS_TOKEN: token };
    const url = `https://127.0.0.1:${service.port}`;
    const trusted = new TransitClient(settings({ kms_url: url, kms_ca_file: file }, env));
    expect(await (await nextKmsSigner(trusted, 'log')).sign(text)).toHaveLength(64);
    const untrusted = new TransitClient(settings({ kms_url: url }, env));
    expect(await refusal(nextKmsSigner(untrusted, 'log'))).toStartWith('KMS_AWAY');
  });

  test('is asked with the token that its file holds now', async () => {
    await using at = await open();
    const file = join(root, 'token');
    writeFileSync(file, 'old\n');
    const client = new TransitClient(settings({ kms_url: `unix:${at.socketPath}`, kms_token_file: file }));
    expect(await refusal(nextKmsSigner(client, 'log'))).toStartWith('KMS_REFUSED');
    writeFileSync(file, `${token}\n`);
    expect((await nextKmsSigner(client, 'log')).kms.version).toBe(1);
    for (const bad of ['', 'a b', 'a\r\nx-evil: 1', 'x'.repeat(transitLimits.tokenBytesMax + 1)]) {
      writeFileSync(file, bad);
      expect(await refusal(nextKmsSigner(client, 'log'))).toStartWith('KMS_REFUSED');
    }
    rmSync(file);
    expect(await refusal(nextKmsSigner(client, 'log'))).toContain('cannot be read (ENOENT)');
    expect(at.service.asked).toHaveLength(2);
  });
});

describe('a service that does not do its work', () => {
  test.each([
    ['sealed', 'KMS_AWAY'],
    ['redirect', 'KMS_REFUSED'],
    ['other-key', 'KMS_BAD_ANSWER'],
    ['other-version', 'KMS_BAD_ANSWER'],
    ['not-json', 'KMS_BAD_ANSWER'],
    ['too-large', 'KMS_BAD_ANSWER'],
    ['cut-answer', 'KMS_AWAY'],
  ] as const)('%s: %s, and nothing of the token or its words', async (fault, code) => {
    await using at = await open();
    const signer = await nextKmsSigner(at.client, 'certificate');
    at.service.fault = fault;
    const said = await refusal(Promise.resolve(signer.sign(text)));
    expect(said).toStartWith(`${code} `);
    expect(said).not.toMatch(/HASHI|hvs|sealed"|storage went|html/);
  });

  test('away, without the key, without the right, with a key of another type', async () => {
    await using at = await open({ types: { 'labmesh-log': 'aes256-gcm96' } });
    expect(await refusal(nextKmsSigner(at.client, 'log'))).toContain('not as a plain key of type ed25519');
    const { client } = at;
    const key = { key: 'labmesh-none', version: 1 };
    expect(await refusal(client.sign(key, text))).toStartWith('KMS_REFUSED');
    expect(await refusal(client.sign({ key: 'labmesh-log', version: 9 }, text))).toContain('HTTP 400');
    // A name that is none cannot lead to another path.
    expect(await refusal(client.sign({ key: '../keys/labmesh-log/rotate', version: 1 }, text))).toContain('HTTP 404');
    expect(at.service.asked.at(-1)).not.toContain('keys/labmesh-log/rotate');
    await at.service[Symbol.asyncDispose]();
    expect(await refusal(client.sign(key, text))).toContain('KMS_AWAY the key management service is not reached');
    await using other = await open({}, 'another');
    expect(await refusal(nextKmsSigner(other.client, 'log'))).toContain('HTTP 403');
  });

  test('is asked so many things at a time', async () => {
    await using at = await open();
    at.service.fault = 'hang';
    const key = { key: 'labmesh-log', version: 1 };
    const calls = Array.from({ length: transitLimits.callsMax }, () => refusal(at.client.sign(key, text)));
    expect(await refusal(at.client.sign(key, text))).toContain('is asked 64 things already');
    await at.service[Symbol.asyncDispose]();
    for (const said of await Promise.all(calls)) expect(said).toStartWith('KMS_AWAY');
  });

  test('whatever it answers is a signature that holds or a refusal', async () => {
    const socketPath = join(root, 'any.sock');
    let answer = '';
    const server = Bun.serve({ unix: socketPath, fetch: () => new Response(answer) });
    const client = new TransitClient(settings({ kms_url: `unix:${socketPath}` }));
    const forms = fc.oneof(
      fc.json(),
      fc.string(),
      fc.record({ data: fc.record({ signature: fc.string() }) }).map((one) => JSON.stringify(one)),
      fc
        .uint8Array({ minLength: 60, maxLength: 66 })
        .map((one) => JSON.stringify({ data: { signature: `vault:v1:${one.toBase64()}` } })),
    );
    await fc.assert(
      fc.asyncProperty(forms, async (given) => {
        answer = given;
        const signed = await client.sign({ key: 'k', version: 1 }, text).catch((error: unknown) => error);
        if (signed instanceof Uint8Array) expect(signed).toHaveLength(64);
        else expect((signed as AttestRefused).code).toBe('KMS_BAD_ANSWER');
        expect(await refusal(client.next('log', () => false))).toStartWith('KMS_');
      }),
      { numRuns: 60 },
    );
    await server.stop(true);
  });
});

describe('settings', () => {
  test('name the service: a socket, HTTPS, or this machine', () => {
    const origin = (kms_url: string) => settings({ kms_url }).origin;
    expect(origin('unix:/run/vault.sock')).toMatchObject({ socketPath: '/run/vault.sock', tls: false });
    expect(origin('unix:///run/vault.sock')).toMatchObject({ socketPath: '/run/vault.sock' });
    expect(origin('https://vault.example:8200')).toMatchObject({ host: 'vault.example', port: 8200, tls: true });
    expect(origin('https://vault.example/')).toMatchObject({ port: 443 });
    expect(origin('http://127.0.0.1:8100')).toMatchObject({ host: '127.0.0.1', port: 8100, tls: false });
    expect(origin('http://[::1]:8100')).toMatchObject({ host: '::1', tls: false });
  });

  test.each([
    { kms_url: 'http://vault.example' },
    { kms_url: 'http://127.0.0.1.example' },
    { kms_url: 'https://vault.example/v1' },
    { kms_url: 'https://user:secret@vault.example' },
    { kms_url: 'https://vault.example?x' },
    { kms_url: 'unix:vault.sock' },
    { kms_url: 'vault' },
    { kms_url: 'ftp://vault.example' },
    { kms_url: 'unix:/x', kms_mount: '../sys' },
    { kms_url: 'unix:/x', kms_mount: 'a/../b' },
    { kms_url: 'unix:/x', kms_key: 'a/b' },
    { kms_url: 'unix:/x', kms_key: '' },
    { kms_url: 'https://x', kms_ca_file: '/none/ca.pem' },
  ])('%p is refused by its name', (attest) => {
    expect(() => settings(attest)).toThrow(OptionsError);
    expect(() => settings(attest)).toThrow('attest.kms_');
    expect(() => settings(attest)).not.toThrow('secret');
  });

  test('tell of an address its origin alone', () => {
    const said = (kms_url: string) => {
      try {
        return `taken: ${settings({ kms_url }).origin.host}`;
      } catch (error) {
        return (error as OptionsError).message;
      }
    };
    expect(said('https://vault.example:8200?token=secret')).toContain('"https://vault.example:8200"');
    expect(said('https://vault.example/secret#secret')).toContain('"https://vault.example"');
    expect(said('https://user:12@vault.example/?x')).toContain('"https:…"');
    const heads = ['https://', 'http://', 'ftp://', 'vault://', '', 'https:', '//'];
    const parts = [
      'user:12/secret@',
      'user:secret/x@',
      'secret@',
      'a:secret@b@',
      'user:sec ret@',
      '12/x/secret@',
      'a@b:12/secret@',
    ];
    for (const head of heads) {
      for (const part of parts) {
        const text = said(`${head}${part}vault.example`);
        expect([text, text.includes('sec'), text.startsWith('taken')]).toEqual([text, false, false]);
      }
    }
  });
});
