import { thrower } from '@labmesh/wire/testing/errors';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { HttpPool } from './client.ts';
import { fetchWhole } from './fetch-whole.ts';

const openssl = Bun.which('openssl');

describe.skipIf(openssl === null)('TLS towards endpoints (needs openssl)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-tls-'));
  const pool = new HttpPool();
  let server: ReturnType<typeof Bun.serve>;
  let ca: string;
  let pair: { cert: string; key: string };
  const get = (host: string, tlsCa?: string) =>
    fetchWhole(
      pool,
      { host, port: server.port ?? 0, tls: true, tlsCa },
      { path: '/', timeoutMs: 2_000, bytesMax: 100 },
    );

  beforeAll(async () => {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const made = Bun.spawn(
      [
        'openssl',
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '2',
        ...subject,
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stderr: 'ignore' },
    );
    expect(await made.exited).toBe(0);
    ca = readFileSync(cert, 'utf8');
    pair = { cert: ca, key: readFileSync(key, 'utf8') };
    server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      tls: { key: readFileSync(key, 'utf8'), cert: ca },
      fetch: () => new Response('sealed'),
    });
  });
  afterAll(async () => {
    await pool[Symbol.asyncDispose]();
    await server.stop(true);
    rmSync(folder, { recursive: true, force: true });
  });

  test('a certificate of the given authority for the name asked for is taken', async () => {
    expect(Buffer.from((await get('localhost', ca)).body).toString()).toBe('sealed');
  });

  test('an unknown authority and another name are refused, and nothing is sent', async () => {
    expect(await thrower(get('localhost'))).toThrow('TLS');
    expect(await thrower(get('127.0.0.1', ca))).toThrow('TLS');
  });

  test('a server that asks for a certificate gets the one of the origin, and no pooled socket of another', async () => {
    await using asking = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      tls: { ...pair, ca, requestCert: true, rejectUnauthorized: true },
      fetch: () => new Response('known'),
    });
    const origin = { host: 'localhost', port: asking.port ?? 0, tls: true, tlsCa: ca };
    const request = { path: '/', timeoutMs: 2_000, bytesMax: 100 };
    const answer = await fetchWhole(pool, { ...origin, tlsClient: pair }, request);
    expect(Buffer.from(answer.body).toString()).toBe('known');
    expect(await thrower(fetchWhole(pool, origin, request))).toThrow();
  });
});
