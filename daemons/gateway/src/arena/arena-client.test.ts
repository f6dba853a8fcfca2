import { afterEach, describe, expect, test } from 'bun:test';
import { scanBody } from '@labmesh/inference/relay/scan-body';
import { HttpPool } from '@labmesh/kit/http/client';
import { parseOptions } from '@labmesh/kit/options';
import { ApiError } from '@labmesh/wire/errors';
import { runOfferSchema } from '@labmesh/wire/verification/arena-run';
import fc from 'fast-check';
import { FakeArena, sampleResult } from '../testing/fake-arena.ts';
import type { ArenaClient } from './arena-client.ts';
import { openArenaClient } from './open-arena-client.ts';
import { offerBytes } from './offer-bytes.ts';
import { verificationOptions } from '../verification-options.ts';

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).toReversed()) await thing[Symbol.asyncDispose]();
});

const optionsOf = (settings: Record<string, unknown>) =>
  parseOptions(verificationOptions, { argv: [], file: { path: 'labmesh.toml', data: settings } }).values;

function clientOf(settings: Record<string, string>): ArenaClient {
  const pool = new HttpPool();
  opened.push(pool);
  const client = openArenaClient(optionsOf({ gateway: settings }), { pool, token: 'the secret' });
  if (client === undefined) throw new Error('no arena is set');
  return client;
}

function newArena(): FakeArena {
  const arena = new FakeArena();
  opened.push(arena);
  return arena;
}

const whose = { requestId: 'r', tenant: 't', key: 'k' };
const { request, ...head } = runOfferSchema.parse({
  ...whose,
  mode: 'intercept',
  request: { model: 'm', messages: [{ role: 'user', content: 'x' }] },
  block: {},
  deadlineMs: 1,
});
const offer = offerBytes(head, scanBody(Buffer.from(JSON.stringify(request))), 'm');
const never = new AbortController().signal;
const codeOf = (run: Promise<unknown>) =>
  run.then(
    () => 'ok',
    (error: unknown) => (error instanceof ApiError ? error.code : String(error)),
  );

describe('a run', () => {
  test.each(['socket', 'address'])(
    'over a %s: the result alone is asked for, and read behind other events',
    async (how) => {
      const arena = newArena();
      arena.script = () => [{ event: 'accepted', runId: 'run-1', cached: false, position: 3 }, '\n', sampleResult()];
      const client = clientOf(how === 'socket' ? { arena_socket: arena.socketPath } : { arena_url: `${arena.url}/` });
      expect(await client.run(whose, offer, never)).toEqual(sampleResult());
      expect(await client.outcome(whose, offer, never)).toBe('valid');
      expect(arena.offers[0]?.query).toBe('?events=last');
      expect(arena.offers[0]?.headers).toMatchObject({
        authorization: 'Bearer the secret',
        'x-labmesh-tenant': 't',
        'x-labmesh-key': 'k',
      });
    },
  );

  test('the last line may lack its end', async () => {
    const arena = newArena();
    arena.script = () => [JSON.stringify(sampleResult())];
    expect((await clientOf({ arena_socket: arena.socketPath }).run(whose, offer, never)).runId).toBe('run-1');
  });

  test('an aborted signal ends it with its reason, before and during', async () => {
    const arena = newArena();
    arena.script = () => [10_000];
    const client = clientOf({ arena_socket: arena.socketPath });
    const reason = new Error('enough');
    const ending = new AbortController();
    const run = client.run(whose, offer, ending.signal);
    setTimeout(() => ending.abort(reason), 50);
    expect(await codeOf(run)).toBe('Error: enough');
    expect(() => client.run(whose, offer, AbortSignal.abort(reason))).toThrow('enough');
  });
});

/** A peer that answers with bytes as they are, and closes. */
async function codeOfBytes(bytes: string): Promise<string> {
  using listener = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      data: (socket) => {
        socket.write(bytes);
        socket.end();
      },
    },
  });
  return await codeOf(clientOf({ arena_url: `http://127.0.0.1:${listener.port}` }).run(whose, offer, never));
}
const whole = (status: string, body: string) => `HTTP/1.1 ${status}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
const error = (code: string) => JSON.stringify({ error: { code, message: 'm', param: 'verification.suite' } });

describe('an arena that is none, or refuses', () => {
  test.each([
    ['no HTTP', 'SSH-2.0-x\r\n\r\n', 'verification_unavailable'],
    ['half an answer', `HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{"event"`, 'verification_unavailable'],
    ['a page', whole('200 OK', '<html>'), 'verification_unavailable'],
    ['a fault', whole('500 No', 'stack at /root'), 'verification_unavailable'],
    ['another secret wanted', whole('401 No', error('invalid_api_key')), 'verification_unavailable'],
    ['a full queue', whole('429 No', error('arena_busy')), 'arena_busy'],
    ['a bad option', whole('400 No', error('verification_bad_option')), 'verification_bad_option'],
    ['a code of ours that is not its', whole('400 No', error('model_not_found')), 'verification_unavailable'],
    [
      'an event as a refusal',
      whole(
        '429 No',
        '{"event":"error","code":"budget_exceeded","message":"","field":null,"retryAfterS":1,"runId":null}',
      ),
      'budget_exceeded',
    ],
    ['a refusal without end', whole('400 No', 'x'.repeat(100_000)), 'verification_unavailable'],
  ])('%s', async (_, bytes, code) => expect(await codeOfBytes(bytes)).toBe(code));

  test('nobody there', async () => {
    expect(await codeOf(clientOf({ arena_socket: '/nonexistent/arena.sock' }).run(whose, offer, never))).toBe(
      'verification_unavailable',
    );
  });

  test('any text gives a result or an error of the table', async () => {
    const arena = newArena();
    const client = clientOf({ arena_socket: arena.socketPath });
    const line = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .record({ event: fc.constantFrom('accepted', 'result', 'error', 'verdict'), code: fc.string() })
        .map((value) => JSON.stringify(value)),
      fc
        .dictionary(fc.constantFrom(...Object.keys(sampleResult())), fc.jsonValue())
        .map((changes) => JSON.stringify({ ...sampleResult(), ...changes, event: 'result' })),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 4 }), async (lines) => {
        arena.script = () => [lines.join('\n')];
        expect(await codeOf(client.run(whose, offer, never))).toMatch(/^(ok|verification_unavailable)$/);
        expect(await codeOf(client.outcome(whose, offer, never))).toMatch(/^(ok|verification_unavailable)$/);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the bytes of an offer', () => {
  const bytesOf = (body: string) => offerBytes(head, scanBody(Buffer.from(body)), 'm').toString();

  test('the request stands in them as it was written, without its block, with the model that was meant', () => {
    const text = bytesOf(
      '{"x_big":9007199254740993,"verification":{"mode":"audit"}, "x":1.0,"messages":[{"role":"user"}]}',
    );
    expect(text).toContain('"request":{"x_big":9007199254740993, "x":1.0,"messages":[{"role":"user"}],"model":"m"}}');
    expect(runOfferSchema.parse(JSON.parse(text))).toMatchObject({ tenant: 't', request: { model: 'm' } });
  });

  test('no request reaches out of its place', () => {
    const value = fc.dictionary(
      fc.constantFrom('tenant', 'key', 'model"', 'messages', '__proto__', '}'),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(value, (body) => {
        const read = JSON.parse(bytesOf(JSON.stringify(body))) as Record<string, unknown>;
        expect(Object.keys(read).toSorted()).toEqual([...Object.keys(head), 'request'].toSorted());
        expect([read['tenant'], read['key']]).toEqual(['t', 'k']);
      }),
    );
  });

  test('more than a line may hold is refused', () => {
    expect(() => bytesOf(JSON.stringify({ messages: 'x'.repeat(5_000_000) }))).toThrow('at most 4194304 bytes');
  });
});

describe('where the arena is', () => {
  test.each([
    [{ arena_url: 'http://10.0.0.1:8081' }, 'https://'],
    [{ arena_url: 'ftp://127.0.0.1' }, 'such as'],
    [{ arena_url: 'http://127.0.0.1:1', arena_socket: '/x' }, 'not both'],
    [{ arena_url: 'https://a.example', arena_cert_file: '/x' }, 'go together'],
    [{ arena_url: 'https://a.example', arena_ca_file: '/nonexistent' }, 'ENOENT'],
  ])('%j is refused', (settings, why) => expect(() => clientOf(settings)).toThrow(why));

  test('nowhere unless it is said', () => {
    expect(openArenaClient(optionsOf({}), { pool: new HttpPool(), token: '' })).toBeUndefined();
  });
});
