import { thrower } from '@labmesh/wire/testing/errors';
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'bun:test';
import { connect, createServer } from 'node:net';
import { openForward } from '@labmesh/agent/forward/run-forward';
import { Refused } from '@labmesh/agent/session-run';
import { FakeClock } from '@labmesh/kit/clock';
import fc from 'fast-check';
import { readForwardWords } from './forward-words.ts';
import { ClientLinks } from '../client-links.ts';
import { MemoryLabd } from '../testing/memory-labd.ts';
import { Forwarder } from './forwarder.ts';
import { inBrackets, parseMapping } from './port-mapping.ts';

describe('[BIND:]LOCAL:[HOST:]PORT (PF-1)', () => {
  test.each([
    ['8080:80', ['127.0.0.1', 8080, 'localhost', 80]],
    ['8080', ['127.0.0.1', 8080, 'localhost', 8080]],
    ['0:80', ['127.0.0.1', 0, 'localhost', 80]],
    ['5432:db.internal:5432', ['127.0.0.1', 5432, 'db.internal', 5432]],
    ['127.0.0.2:8080:80', ['127.0.0.2', 8080, 'localhost', 80]],
    ['*:8080:80', ['0.0.0.0', 8080, 'localhost', 80]],
    ['[::1]:8080:80', ['::1', 8080, 'localhost', 80]],
    ['8080:[fe80::1]:80', ['127.0.0.1', 8080, 'fe80::1', 80]],
    ['localhost:8080:10.0.0.1:80', ['localhost', 8080, '10.0.0.1', 80]],
    ['[::]:8080:[::1]:80', ['::', 8080, '::1', 80]],
  ])('%s', (word, wanted) => {
    const { bind, local, host, port } = parseMapping(word);
    expect([bind, local, host, port]).toEqual(wanted as never);
  });

  test.each([
    '',
    ':',
    '80:',
    ':80',
    '80:0',
    '70000:80',
    'x:y',
    '1:2:3:4:5',
    '8080:[::1:80',
    'a b:1:2',
    '80:-1',
    '1:h\u0007:2',
  ])('%j is refused', (word) => expect(() => parseMapping(word)).toThrow('is not valid'));

  test('any words: a mapping with ports that are some, or a usage error', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('1', '8', '0', ':', '[', ']', 'a', '.', '*', '-'), maxLength: 24 }),
        (word) => {
          try {
            const { local, port, host } = parseMapping(word);
            expect(local >= 0 && local <= 65_535 && port >= 1 && port <= 65_535 && host.length > 0).toBe(true);
          } catch (error) {
            expect((error as { exitCode?: number }).exitCode).toBe(2);
          }
        },
      ),
    );
    expect([inBrackets('::1'), inBrackets('localhost')]).toEqual(['[::1]', 'localhost']);
  });

  test('the server before the ports, in every way it can be named', () => {
    for (const words of [
      ['web-1', '80:80'],
      ['server/web-1', '80:80'],
      ['srv', 'web-1', '80:80'],
    ]) {
      expect(readForwardWords(words)).toMatchObject({ server: 'web-1', mappings: [{ local: 80 }] });
    }
    // A server may be called like a type.
    expect(readForwardWords(['server', '8080:80']).server).toBe('server');
    expect(readForwardWords(['web-1', '1:1', '2:2']).mappings).toHaveLength(2);
    for (const words of [[], ['web-1'], ['user/alice', '80:80']]) expect(() => readForwardWords(words)).toThrow();
  });
});

/** A port here, through the agent's own code, to a TCP server on this machine. */
async function world(port: number, given: { perTurn?: () => number } = {}) {
  const labd = new MemoryLabd(async (open, accept) => {
    if (open.kind !== 'forward') return { reason: 'denied', text: '' };
    try {
      const run = await openForward({ ...open, host: '127.0.0.1' });
      void run.run(accept());
    } catch (error) {
      if (error instanceof Refused) return { reason: error.reason, text: error.message };
      throw error;
    }
  });
  labd.perTurn = given.perTurn;
  const clock = new FakeClock();
  const links = new ClientLinks({ connect: labd.connect, clock, timeoutMs: 1_000, note: () => {} });
  const problems: unknown[] = [];
  const mapping = { bind: '127.0.0.1', local: 0, host: 'localhost', port };
  const parts = {
    server: 'web-1',
    open: links.open.bind(links),
    problem: (error: unknown) => void problems.push(error),
  };
  const forwarder = await Forwarder.listen(mapping, parts);
  return { labd, links, problems, forwarder, clock };
}

/** Answers each connection with what it got and how much that was, once its side is ended. */
async function echoServer() {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let total = 0;
    socket.on('error', () => {});
    socket.on('data', (bytes: Uint8Array) => {
      total += bytes.length;
      if (socket.write(bytes)) return;
      socket.pause();
      socket.once('drain', () => socket.resume());
    });
    socket.on('end', () => socket.end(`total ${total}`));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return { port, [Symbol.dispose]: () => void server.close() };
}

/** Sends all, ends its side, and reads to the end. */
const talk = (port: number, data: Uint8Array) =>
  new Promise<Buffer>((resolve, reject) => {
    const got: Uint8Array[] = [];
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => void socket.end(data));
    socket.on('data', (bytes: Uint8Array) => void got.push(bytes));
    socket.on('end', () => resolve(Buffer.concat(got)));
    socket.on('error', reject);
  });

describe('a port here (PF-1)', () => {
  test('a hundred connections at once, each with its half-close', async () => {
    using echo = await echoServer();
    const { forwarder, labd, problems } = await world(echo.port);
    const one = async () => {
      const data = randomBytes(100_000);
      expect((await talk(forwarder.localPort, data)).equals(Buffer.concat([data, Buffer.from('total 100000')]))).toBe(
        true,
      );
    };
    await Promise.all(Array.from({ length: 100 }, one));
    expect(labd.opens).toHaveLength(100);
    expect(labd.opens[0]).toMatchObject({ kind: 'forward', server: 'web-1', port: echo.port });
    expect(problems).toEqual([]);
    await forwarder[Symbol.asyncDispose]();
    expect(forwarder.connections).toBe(0);
  }, 20_000);

  test('over cuts: nothing lost or doubled', async () => {
    using echo = await echoServer();
    const { forwarder, labd, clock } = await world(echo.port, { perTurn: () => 3 });
    const data = randomBytes(2_000_000);
    const talking = talk(forwarder.localPort, data);
    let isOver = false;
    void talking.finally(() => (isOver = true));
    const isRunning = () => [...labd.sessions.values()].some((end) => end.received.in > 0);
    // A cut before the answer to OPEN would end it: nobody could know whether it was begun.
    while (!isRunning()) await Bun.sleep(1);
    for (let cut = 0; !isOver; cut++) {
      if (cut < 10) labd.cut();
      await Bun.sleep(5);
      await clock.advance(5_000);
    }
    expect((await talking).equals(Buffer.concat([data, Buffer.from('total 2000000')]))).toBe(true);
    await forwarder[Symbol.asyncDispose]();
  }, 20_000);

  test('nobody there: the connection is dropped and the person told', async () => {
    using echo = await echoServer();
    const { port } = echo;
    echo[Symbol.dispose]();
    const { forwarder, problems } = await world(port);
    await talk(forwarder.localPort, new Uint8Array(1)).catch(() => {});
    while (problems.length === 0) await Bun.sleep(5);
    expect((problems[0] as { ending: object }).ending).toMatchObject({ reason: 'io' });
    await forwarder[Symbol.asyncDispose]();
  });

  test('a client that goes takes its connection with it', async () => {
    using echo = await echoServer();
    const { forwarder, labd } = await world(echo.port);
    const socket = connect(forwarder.localPort, '127.0.0.1');
    socket.write('hello');
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    const [end] = [...labd.sessions.values()];
    expect((await end!.closed).reason).toBe('ok');
    await forwarder[Symbol.asyncDispose]();
  });

  test('a port that is taken is said to be', async () => {
    using echo = await echoServer();
    const mapping = { bind: '127.0.0.1', local: echo.port, host: 'localhost', port: 1 };
    const parts = { server: 'web-1', open: () => Promise.reject(new Error()), problem: () => {} };
    expect(await thrower(Forwarder.listen(mapping, parts))).toThrow('something listens there already');
  });
});
