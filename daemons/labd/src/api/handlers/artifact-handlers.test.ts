import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { Releases } from '../../reconcile/releases.ts';
import { artifactHandlers, rangeOf } from './artifact-handlers.ts';

describe('Range (RFC 9110 section 14)', () => {
  test.each([
    [null, undefined],
    ['bytes=0-', { from: 0, length: 100 }],
    ['bytes=10-', { from: 10, length: 90 }],
    ['bytes=10-19', { from: 10, length: 10 }],
    ['bytes=99-500', { from: 99, length: 1 }],
    ['bytes=100-', null],
    ['bytes=20-10', null],
    ['bytes=-5', undefined],
    ['bytes=0-1,5-6', undefined],
    ['lines=1-2', undefined],
    ['bytes=99999999999999999999-', undefined],
  ])('%j', (header, range) => expect(rangeOf(header, 100)).toEqual(range as never));

  test('property: whatever is asked, the part lies inside', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.stringMatching(/^bytes=\d{0,16}-\d{0,16}$/)),
        fc.nat(1_000),
        (header, bytes) => {
          const range = rangeOf(header, bytes);
          if (range === undefined || range === null) return;
          expect(range.length).toBeGreaterThan(0);
          expect(range.from + range.length).toBeLessThanOrEqual(bytes);
        },
      ),
    );
  });
});

describe('AG-8 the file of a release', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'labmesh-artifact-'));
  const content = Buffer.from(Array.from({ length: 300_000 }, (_, n) => n % 251));
  const tag = `"${new Bun.CryptoHasher('sha256').update(content).digest('hex')}"`;
  let handler: ReturnType<typeof artifactHandlers>['get-artifact'];

  beforeAll(() => {
    const folder = join(dataDir, 'releases/0.2.0');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'lab-agent-linux-x64'), content);
    writeFileSync(join(folder, 'lab-agent-linux-x64.sig'), 'c2ln');
    handler = artifactHandlers({ updates: { releases: new Releases(dataDir) } })['get-artifact'];
  });
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

  let asked = 0;
  const ask = async (headers: Record<string, string> = {}, params = { version: '0.2.0', arch: 'x64' }, agent = '') => {
    const caller = { principal: { id: agent || `agent-${++asked}` } };
    const call = {
      caller,
      params,
      headers: new Headers(headers),
      signal: new AbortController().signal,
      note: () => {},
    };
    return handler(call as never);
  };

  test('whole, and from a byte on', async () => {
    const whole = await ask();
    expect([whole.status, whole.headers.get('content-length'), whole.headers.get('etag')]).toEqual([
      200,
      '300000',
      tag,
    ]);
    expect(Buffer.from(await whole.arrayBuffer()).equals(content)).toBe(true);
    const part = await ask({ range: 'bytes=299990-' });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 299990-299999/300000']);
    expect(Buffer.from(await part.arrayBuffer()).equals(content.subarray(299_990))).toBe(true);
  });

  test('If-Range: a part of this file only', async () => {
    const range = 'bytes=10-';
    const same = await ask({ range, 'if-range': tag });
    const other = await ask({ range, 'if-range': '"another"' });
    expect([same.status, other.status]).toEqual([206, 200]);
    await Promise.all([same.body?.cancel(), other.body?.cancel()]);
  });

  test('a part that lies behind the end: 416 with the size', async () => {
    const past = await ask({ range: 'bytes=300000-' });
    expect([past.status, past.headers.get('content-range')]).toEqual([416, 'bytes */300000']);
  });

  test.each([
    ['0.3.0', 'x64'],
    ['0.2.0', 'arm64'],
    ['..', 'x64'],
    ['0.2.0', '../x64'],
  ])('NOT_FOUND: %s for %s', async (version, arch) => {
    expect(await thrower(ask({}, { version, arch }))).toThrow('no such release');
  });

  test('one agent has two places, not all of them', async () => {
    const open = [await ask({}, undefined, 'a'), await ask({}, undefined, 'a')];
    expect(await thrower(ask({}, undefined, 'a'))).toThrow('many agents fetch');
    await Promise.all(open.map((one) => one.body?.cancel()));
    await (await ask({}, undefined, 'a')).arrayBuffer();
  });

  test('a named bound of downloads at once; those that end or are left make room', async () => {
    const open = await Promise.all(Array.from({ length: 16 }, () => ask()));
    expect(await thrower(ask())).toThrow('many agents fetch');
    await open.pop()?.body?.cancel();
    await open.pop()?.arrayBuffer();
    const more = [await ask(), await ask()];
    expect(await thrower(ask())).toThrow('many agents fetch');
    await Promise.all([...open, ...more].map((one) => one.body?.cancel()));
  });
});
