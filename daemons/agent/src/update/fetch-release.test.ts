import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MtlsRig } from '@labmesh/link/testing/mtls-rig';
import { sampleCa } from '@labmesh/pki/testing/sample-ca';
import { FleetError, fleetErrorBody } from '@labmesh/wire/fleet/fleet-errors';
import { releaseBytesMax } from '@labmesh/wire/fleet/releases';
import { type FetchOptions, fetchRelease, fileSha256 } from './fetch-release.ts';

const content = Buffer.from(Array.from({ length: 400_000 }, (_, n) => (n * 7) % 251));
const sha256 = new Bun.CryptoHasher('sha256').update(content).digest('hex');
const folder = mkdtempSync(join(tmpdir(), 'labmesh-fetch-'));
const part = join(folder, 'part');
const tag = { etag: `"${sha256}"` };

let rig: MtlsRig;
let url: string;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let asked: (string | undefined)[];

beforeAll(async () => {
  rig = await MtlsRig.make();
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    asked.push(request.headers.range);
    answer(request, response);
  };
  url = `https://127.0.0.1:${(await rig.listen({}, { onRequest })).port}`;
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  asked = [];
  answer = good;
});
afterEach(() => rmSync(part, { force: true }));

/** As labd answers. */
function good(request: IncomingMessage, response: ServerResponse): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const rest = content.subarray(from);
  const size = content.length;
  if (from >= size) return void response.writeHead(416, { ...tag, 'content-range': `bytes */${size}` }).end();
  const range = request.headers.range === undefined ? {} : { 'content-range': `bytes ${from}-${size - 1}/${size}` };
  const status = request.headers.range === undefined ? 200 : 206;
  response.writeHead(status, { ...tag, ...range, 'content-length': rest.length }).end(rest);
}

const options = (more: Partial<FetchOptions> = {}): FetchOptions => ({
  labd: { url, bundlePem: rig.ca.bundlePem },
  client: { privatePem: rig.agent.key.privatePem, chainPem: rig.agent.certificatePem + rig.ca.chainPem },
  version: '0.2.0',
  arch: 'x64',
  sha256,
  part,
  signal: new AbortController().signal,
  ...more,
});
const isWhole = () => readFileSync(part).equals(content);

describe('AG-8 the file comes', () => {
  test('whole, as data that nobody else may read', async () => {
    await fetchRelease(options());
    expect(isWhole()).toBe(true);
    expect(statSync(part).mode & 0o777).toBe(0o600);
    expect(await fileSha256(part)).toBe(sha256);
  });

  test('from where a cut left it, byte for byte', async () => {
    let cuts = 0;
    answer = (request, response) => {
      if (++cuts > 4) return good(request, response);
      const from = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
      const size = content.length;
      const range = from === 0 ? {} : { 'content-range': `bytes ${from}-${size - 1}/${size}` };
      response.writeHead(from === 0 ? 200 : 206, { ...tag, ...range, 'content-length': size - from });
      response.write(content.subarray(from, from + 50_000), () => setTimeout(() => response.destroy(), 20));
    };
    for (let n = 0; n < 4; n++) expect(await thrower(fetchRelease(options()))).toThrow();
    await fetchRelease(options());
    expect(isWhole()).toBe(true);
    expect(asked[0]).toBeUndefined();
    expect(asked.at(-1)).toBe('bytes=200000-');
  });

  test('that is there already is not fetched again', async () => {
    writeFileSync(part, content);
    await fetchRelease(options());
    expect([asked, isWhole()]).toEqual([['bytes=400000-'], true]);
  });

  test('whole again when labd takes no Range, or what is there is too long', async () => {
    writeFileSync(part, 'something older');
    answer = (_request, response) =>
      void response.writeHead(200, { ...tag, 'content-length': content.length }).end(content);
    await fetchRelease(options());
    expect(isWhole()).toBe(true);
    writeFileSync(part, Buffer.concat([content, content]));
    answer = good;
    expect(await thrower(fetchRelease(options()))).toThrow();
    expect(existsSync(part)).toBe(false);
  });
});

describe('what is refused', () => {
  const head = (headers: Record<string, string | number>, body: string | Buffer = '', status = 200) => {
    answer = (_request, response) => void response.writeHead(status, headers).end(body);
  };

  test('another file than the one that was named', async () => {
    head({ etag: '"another"', 'content-length': 3 }, 'abc');
    expect(await thrower(fetchRelease(options()))).toThrow('another file');
    head({ ...tag, 'content-length': 3, 'content-range': 'bytes 5-7/8' }, 'abc', 206);
    writeFileSync(part, 'ab');
    expect(await thrower(fetchRelease(options()))).toThrow('another file');
  });

  test('a size without end', async () => {
    head({ ...tag, 'content-length': releaseBytesMax + 1 });
    expect(await thrower(fetchRelease(options()))).toThrow();
    answer = (_request, response) => {
      response.writeHead(200, tag);
      response.write(Buffer.alloc(1024));
    };
    expect(await thrower(fetchRelease(options()))).toThrow('another file');
    expect(existsSync(part)).toBe(false);
  });

  test('silence', async () => {
    answer = () => {};
    expect(await thrower(fetchRelease(options({ idleMs: 200 })))).toThrow();
    answer = (_request, response) => {
      response.writeHead(200, { ...tag, 'content-length': content.length });
      response.write(content.subarray(0, 1_000));
    };
    expect(await thrower(fetchRelease(options({ idleMs: 300 })))).toThrow();
    expect(readFileSync(part).length).toBe(1_000);
  });

  test('labd’s own errors keep their code', async () => {
    answer = (_request, response) => {
      const body = JSON.stringify(fleetErrorBody(new FleetError('NOT_FOUND'), 'r'));
      response.writeHead(404, { 'content-length': Buffer.byteLength(body) }).end(body);
    };
    const error = await fetchRelease(options()).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('it is asked to stop', async () => {
    answer = () => {};
    const ending = new AbortController();
    const fetching = fetchRelease(options({ signal: ending.signal }));
    setTimeout(() => ending.abort(new Error('stopping')), 50);
    expect(await thrower(fetching)).toThrow();
  });

  test('anybody but labd: nothing is asked of a stranger', async () => {
    const other = await sampleCa();
    expect(await thrower(fetchRelease(options({ labd: { url, bundlePem: other.bundlePem } })))).toThrow();
    const own = rig.certificateOf(rig.agent);
    const impostor = await rig.listen({}, { ...own, onRequest: (_request, response) => void response.end('x') });
    const there = { url: `https://127.0.0.1:${impostor.port}`, bundlePem: rig.ca.bundlePem };
    expect(await thrower(fetchRelease(options({ labd: there })))).toThrow();
    expect(asked).toEqual([]);
  });
});
