/** GET /log/…: what anybody needs to verify a certificate, without a key of the gateway (CT4, CT6, CT7). */
import { describe, expect, test } from 'bun:test';
import { errorOf, until, VerificationGround } from './harness/verification-ground.ts';

const tile = '/log/tile/0/x001/x234/067';
const note = '/api/arena/log/checkpoint';
/** An arena whose files hold their own path; its log has so many entries. */
const filesOf =
  (size: () => number) =>
  ({ path }: { path: string }) =>
    new Response(path === note ? `the log\n${size()}\nroot\n\n— sig\n` : `file ${path}`);
const files = filesOf(() => 400_000_000);
/** What it was asked for beside the checkpoint. */
const paths = (ground: VerificationGround) =>
  ground.arena.calls.filter(({ path }) => path !== note).map((call) => `${call.method} ${call.path}`);

for (const engine of ['raw', 'serve'] as const) {
  describe(`the log for everybody (${engine})`, () => {
    test('each file is the arena’s, with how long it may be kept; a full tile for good', async () => {
      await using ground = await VerificationGround.start('', { engine });
      ground.arena.answer = files;
      const rows = [
        ['/log/checkpoint', 'log/checkpoint', 'text/plain; charset=utf-8', 'public, max-age=1'],
        ['/log/revocations', 'revocations', 'application/json', 'public, max-age=2'],
        ['/log/trust.json', 'trust.json', 'application/json', 'public, max-age=60'],
        ['/log/tile/1/000.p/17', 'log/tile/1/000.p/17', 'application/octet-stream', 'public, max-age=60'],
        [tile, tile.slice(1), 'application/octet-stream', 'public, max-age=31536000, immutable'],
        [
          '/log/tile/entries/003',
          'log/tile/entries/003',
          'application/octet-stream',
          'public, max-age=31536000, immutable',
        ],
      ] as const;
      for (const [path, below, type, kept] of rows) {
        // Who he says he is goes nowhere.
        const answer = await ground.get(path, { headers: { 'x-labmesh-tenant': 'acme', authorization: 'Bearer x' } });
        const { headers } = answer;
        expect([answer.status, headers.get('content-type'), headers.get('cache-control')]).toEqual([200, type, kept]);
        expect(headers.get('x-content-type-options')).toBe('nosniff');
        expect(await answer.text()).toStartWith(path === '/log/checkpoint' ? 'the log\n' : `file /api/arena/${below}`);
      }
      expect(new Set(ground.arena.calls.map((call) => call.headers['x-labmesh-tenant']))).toEqual(new Set(['default']));
    });

    test('who has it already gets its name alone; many who ask for one tile ask the arena once', async () => {
      await using ground = await VerificationGround.start('', { engine });
      ground.arena.answer = files;
      const answers = await Promise.all(Array.from({ length: 8 }, () => ground.get(tile, {})));
      const etag = answers[0]?.headers.get('etag') ?? '';
      expect(etag).toMatch(/^"[0-9a-f]{32}"$/);
      for (const given of [etag, `W/${etag}`, `"other", ${etag}`]) {
        const same = await ground.get(tile, { headers: { 'if-none-match': given } });
        expect([same.status, await same.text(), same.headers.get('etag')]).toEqual([304, '', etag]);
      }
      expect((await ground.get(tile, { headers: { 'if-none-match': '"other"' } })).status).toBe(200);
      const head = await ground.get(tile, { method: 'HEAD' });
      expect([head.status, await head.text()]).toEqual([200, '']);
      expect(paths(ground)).toEqual([`GET /api/arena${tile}`]);
    });
  });
}

test('nothing else is read that way, and nothing is written', async () => {
  await using ground = await VerificationGround.start();
  ground.arena.answer = files;
  const none = [
    '',
    'keys.json',
    '../keys.json',
    '%2e%2e/keys.json',
    'tile/0',
    'tile/0/1',
    'tile/00/000',
    'tile/0/x000/000',
    'tile/0/000.p/01',
    'tile/0/000.p',
    'tile/x/000',
  ];
  const more = ['constructor', 'tile/0/000/', 'tile/0//000', 'tile/0/000.p/1/2', `tile/0${'/x001'.repeat(6)}/000`];
  for (const name of [...none, ...more, 'checkpoint.next', 'tile/entries/000.gz']) {
    const answer = await ground.get(`/log/${name}`, {});
    expect([name, answer.status]).toEqual([name, 404]);
  }
  for (const method of ['POST', 'PUT', 'DELETE']) expect((await ground.get(tile, { method })).status).toBe(405);
  expect(paths(ground)).toEqual([]);
});

test('what no checkpoint counts on is given to nobody, and is there as soon as one does', async () => {
  await using ground = await VerificationGround.start();
  let size = 300;
  ground.arena.answer = filesOf(() => size);
  const status = async (name: string) => (await ground.get(`/log/tile/${name}`, {})).status;
  const there = ['0/000', 'entries/000', '0/001.p/44', 'entries/001.p/44', '1/000.p/1', '0/000.p/9'];
  const beyond = ['0/001', 'entries/001', '0/001.p/45', '1/000', '1/000.p/2', '2/000.p/1', '63/000.p/1', '0/x001/000'];
  for (const name of there) expect([name, await status(name)]).toEqual([name, 200]);
  for (const name of beyond) expect([name, await status(name)]).toEqual([name, 404]);
  expect(paths(ground)).toEqual(there.map((name) => `GET /api/arena/log/tile/${name}`));
  size = 600;
  await until(async () => (await status('0/001')) === 200, 30_000);
  expect([await status('entries/001'), await status('1/000.p/2'), await status('0/002')]).toEqual([200, 200, 404]);
  // Another log in its place: what was kept of the first is not given as the second's.
  size = 1;
  await until(async () => (await (await ground.get('/log/checkpoint', {})).text()).includes('\n1\n'), 30_000);
  expect([await status('0/000'), await status('0/000.p/1')]).toEqual([404, 200]);
});

test.each([
  ['a file that is not there yet', 404, () => new Response('no', { status: 404 })],
  ['an arena that refuses us', 503, () => new Response('who are you?', { status: 401 })],
  ['more than a file of a log can be', 503, () => new Response('x'.repeat(5 * 1024 * 1024))],
] as const)('%s: without its words, and not asked about at once again', async (_, status, answer) => {
  await using ground = await VerificationGround.start();
  ground.arena.answer = answer;
  for (let time = 0; time < 3; time++) {
    const refused = await ground.get('/log/trust.json', {});
    expect(refused.status).toBe(status);
    expect((await errorOf(refused)).message).not.toContain('who are you');
  }
  expect(ground.arena.calls).toHaveLength(1);
});

test('one address that asks for all there could be is slowed down; what is known is given on', async () => {
  await using ground = await VerificationGround.start();
  ground.arena.answer = files;
  expect((await ground.get(tile, {})).status).toBe(200);
  const entries = (index: number) => {
    const [high, low] = [Math.floor(index / 1000), index % 1000].map((part) => String(part).padStart(3, '0'));
    return ground.get(`/log/tile/entries/x${high}/${low}`, {});
  };
  let refused: Response | undefined;
  for (let index = 1_000; index < 20_000 && refused === undefined; index += 50) {
    const asked = Array.from({ length: 50 }, (_, at) => entries(index + at));
    refused = (await Promise.all(asked)).find((answer) => answer.status !== 200);
  }
  expect([refused?.status, refused?.headers.get('retry-after')]).toEqual([429, '1']);
  const known = [tile, '/log/checkpoint', '/log/revocations', '/log/trust.json'];
  for (const path of known) expect([path, (await ground.get(path, {})).status]).toEqual([path, 200]);
});

test('without an arena there is none', async () => {
  await using ground = await VerificationGround.start('', { arena: 'none' });
  expect((await ground.get('/log/checkpoint', {})).status).toBe(503);
});
