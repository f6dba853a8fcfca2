import { thrower } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { FakeClock } from '@labmesh/kit/clock';
import { sampleCa } from '@labmesh/pki/testing/sample-ca';
import type { AuditRecord } from '../audit-row.ts';
import type { Checkpoint } from '../checkpoints.ts';
import { FileSink } from './file-sink.ts';
import { checkpointMessage, rowMessage, SyslogSink } from './syslog-sink.ts';
import { webhookSignature, WebhookSink } from './webhook-sink.ts';

const record = (seq: number, more: Partial<AuditRecord> = {}): AuditRecord => ({
  seq,
  chain: 'c1',
  keyId: 'k1',
  at: 1_766_275_200_123,
  phase: 'single',
  principal: { kind: 'user', id: 'u1', name: 'änn "x"\n' },
  action: 'exec.open',
  result: 'ok',
  details: '{"argv":["ls"]}',
  prevHash: 'a'.repeat(64),
  hash: 'b'.repeat(64),
  ...more,
});
const checkpoint: Checkpoint = {
  id: 'i',
  createdAt: 1_766_275_200_000,
  replicaId: 'c1',
  body: '{"type":"heads"}',
  signature: 'sig',
};
const rows = (...list: AuditRecord[]) => ({ rows: list, checkpoints: [] });
const never = new AbortController().signal;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'labmesh-sinks-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('AU-6: file', () => {
  test('lines of JSON, private, appended; a rename starts a new file', async () => {
    const path = join(folder, 'deep', 'audit.jsonl');
    await using sink = new FileSink('file', path);
    await sink.deliver(rows(record(1), record(2)));
    await sink.deliver({ rows: [], checkpoints: [checkpoint] });
    const lines = readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toMatchObject([
      { seq: 1, details: { argv: ['ls'] }, principal: { name: 'änn "x"\n' } },
      { seq: 2 },
      { type: 'checkpoint', body: checkpoint.body, signature: 'sig' },
    ]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    renameSync(path, `${path}.1`);
    await sink.deliver(rows(record(3)));
    expect(readFileSync(path, 'utf8')).toContain('"seq":3');
  });

  test('a path that cannot be written is the runner’s to try again', async () => {
    await using sink = new FileSink('file', folder);
    expect(await thrower(sink.deliver(rows(record(1))))).toThrow();
  });
});

describe('AU-6: webhook', () => {
  test('posts a signed body; only 2xx is taken', async () => {
    const seen: { body: string; signature: string | null }[] = [];
    let status = 200;
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      async fetch(request) {
        seen.push({ body: await request.text(), signature: request.headers.get('labmesh-signature') });
        return new Response('x'.repeat(100_000), { status, headers: { location: '/elsewhere' } });
      },
    });
    const clock = new FakeClock();
    await using sink = new WebhookSink('hook', { url: server.url.href, secret: 's3cret', clock });
    await sink.deliver({ rows: [record(1)], checkpoints: [checkpoint] }, never);
    const [first] = seen;
    expect(JSON.parse(first!.body)).toMatchObject({
      sink: 'hook',
      rows: [{ seq: 1 }],
      checkpoints: [{ signature: 'sig' }],
    });
    const time = Math.floor(clock.wall() / 1_000);
    const hmac = createHmac('sha256', 's3cret').update(`${time}.${first!.body}`).digest('hex');
    expect(first!.signature).toBe(`t=${time},v1=${hmac}`);
    expect(webhookSignature('s3cret', clock.wall(), first!.body)).toBe(first!.signature!);
    for (status of [302, 400, 500])
      expect(await thrower(sink.deliver(rows(record(2)), never))).toThrow(`answered ${status}`);
    expect(seen).toHaveLength(4);
  });

  test('stops when told', async () => {
    using server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Promise<Response>(() => {}) });
    await using sink = new WebhookSink('hook', { url: server.url.href, secret: 's', clock: new FakeClock() });
    expect(await thrower(sink.deliver(rows(record(1)), AbortSignal.timeout(50)))).toThrow();
  });
});

describe('AU-6: syslog', () => {
  test('RFC 5424: header, facility 13, severity by result, ASCII', () => {
    const text = rowMessage(record(7));
    expect(text).toMatch(/^<110>1 2025-12-21T00:00:00\.123Z \S+ labd \d+ exec\.open - \{"action":"exec\.open",/);
    expect(text).toMatch(/^[\x20-\x7e]+$/);
    expect(JSON.parse(text.slice(text.indexOf('{')))).toMatchObject({ seq: 7, principal: { name: 'änn "x"\n' } });
    expect(rowMessage(record(1, { result: 'denied' }))).toStartWith('<108>1 ');
    expect(rowMessage(record(1, { result: 'error', action: 'a b\u00e9'.repeat(20) }))).toMatch(
      /^<107>1 \S+ \S+ labd \d+ [\x21-\x7e]{32} - /,
    );
    expect(checkpointMessage(checkpoint)).toMatch(/^<109>1 .* audit\.checkpoint - \{"type":"checkpoint"/);
  });

  /** A receiver that splits frames by their count (RFC 5425). */
  async function receiver(): Promise<{
    server: Server;
    ca: string;
    port: number;
    messages: string[];
    sockets: Set<TLSSocket>;
  }> {
    const ca = await sampleCa();
    const leaf = await ca.leaf('labd', 'syslog');
    const messages: string[] = [];
    const sockets = new Set<TLSSocket>();
    const server = createServer({ key: leaf.key.privatePem, cert: leaf.certificatePem + ca.chainPem }, (socket) => {
      sockets.add(socket);
      let text = '';
      socket.on('data', (bytes: Buffer) => {
        text += bytes.toString('latin1');
        for (let found = /^(\d+) /.exec(text); found !== null; found = /^(\d+) /.exec(text)) {
          const [start, length] = [found[0].length, Number(found[1])];
          if (text.length < start + length) return;
          messages.push(text.slice(start, start + length));
          text = text.slice(start + length);
        }
      });
      socket.on('error', () => {});
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, '127.0.0.1', resolve);
    await promise;
    return { server, ca: ca.bundlePem, port: (server.address() as AddressInfo).port, messages, sockets };
  }
  const until = async (what: () => boolean) => {
    for (let turn = 0; turn < 400 && !what(); turn++) await Bun.sleep(5);
    expect(what()).toBe(true);
  };

  test('over TLS, framed by length, one connection; a new one after a break', async () => {
    const { server, ca, port, messages, sockets } = await receiver();
    await using sink = new SyslogSink('syslog', { host: 'localhost', port, ca });
    const many = Array.from({ length: 500 }, (_, index) => record(index + 1));
    await sink.deliver(rows(...many), never);
    await sink.deliver({ rows: [], checkpoints: [checkpoint] }, never);
    await until(() => messages.length === 501);
    expect(messages.slice(0, 500)).toEqual(many.map(rowMessage));
    expect(sockets.size).toBe(1);
    for (const socket of sockets) socket.destroy();
    await Bun.sleep(50);
    await sink.deliver(rows(record(501)), never).catch(() => sink.deliver(rows(record(501)), never));
    await until(() => messages.length === 502);
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  test('a receiver of another CA gets nothing; a silent one is left at the signal', async () => {
    const { server, port, messages } = await receiver();
    const other = await sampleCa();
    await using sink = new SyslogSink('syslog', { host: 'localhost', port, ca: other.bundlePem });
    expect(await thrower(sink.deliver(rows(record(1)), never))).toThrow();
    expect(messages).toEqual([]);
    server.close();
    using silent = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
    await using stuck = new SyslogSink('syslog', { host: '127.0.0.1', port: silent.port, ca: other.bundlePem });
    expect(await thrower(stuck.deliver(rows(record(1)), AbortSignal.timeout(100)))).toThrow();
  });
});
