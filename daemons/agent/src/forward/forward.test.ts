import { afterAll, describe, expect, test } from 'bun:test';
import { createServer, type Server, type Socket } from 'node:net';
import { openForwardSchema } from '@labmesh/wire/frame/open';
import fc from 'fast-check';
import { connect } from '../testing/client.ts';
import { openForward } from './run-forward.ts';
import { isRefusedAddress } from './targets.ts';

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

async function listen(onSocket: (socket: Socket) => void, host = '127.0.0.1'): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    onSocket(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  return typeof address === 'object' ? address!.port : 0;
}

async function forward(port: number, host = 'localhost') {
  const open = openForwardSchema.parse({ kind: 'forward', server: 'x', port, host });
  return connect(await openForward(open), open);
}
const refusal = (port: number, host: string) =>
  forward(port, host).then(
    () => 'taken',
    (error) => `${(error as { reason: string }).reason}: ${(error as Error).message}`,
  );

describe('PF-1 forward', () => {
  test('bytes go both ways, and 100 at a time keep apart', async () => {
    const port = await listen((socket) => socket.pipe(socket));
    const one = async (index: number) => {
      const { client } = await forward(port);
      const bytes = Buffer.alloc(20_000, `${index},`);
      await client.send(bytes);
      client.channel.end(0);
      expect((await client.closed).reason).toBe('ok');
      expect(client.out.equals(bytes)).toBe(true);
    };
    await Promise.all(Array.from({ length: 100 }, (_, index) => one(index)));
  }, 30_000);

  test('half-close: what comes after our end still arrives', async () => {
    const port = await listen((socket) => {
      let count = 0;
      socket.on('data', (bytes) => (count += bytes.length));
      socket.on('end', () => setTimeout(() => socket.end(`got ${count}`), 50));
    });
    const { client } = await forward(port);
    await client.send(new Uint8Array(1_000_000));
    client.channel.end(0);
    await client.closed;
    expect(client.out.toString()).toBe('got 1000000');
  });

  test('half-close the other way: the server ends first and still reads', async () => {
    let got = '';
    const port = await listen((socket) => {
      socket.end('bye');
      socket.on('data', (bytes) => (got += bytes.toString()));
    });
    const { client } = await forward(port);
    await client.until((out) => out === 'bye');
    await client.send('still here');
    client.channel.end(0);
    expect((await client.closed).reason).toBe('ok');
    await Bun.sleep(50);
    expect(got).toBe('still here');
  });

  test('a slow reader holds the server back', async () => {
    let written = 0;
    const port = await listen((socket) => {
      const more = () => {
        while (written < 50_000_000 && socket.write(new Uint8Array(65_536))) written += 65_536;
      };
      socket.on('drain', more);
      more();
    });
    const { client } = await forward(port);
    await client.until((out) => out.length > 0);
    let go = () => {};
    client.hold = new Promise((resolve) => (go = resolve));
    await Bun.sleep(300);
    const before = written;
    await Bun.sleep(300);
    expect(written - before).toBeLessThan(100_000);
    expect(written).toBeLessThan(20_000_000);
    go();
    client.channel.close('cancelled');
    await client.closed;
  });

  test('a slow server holds the client back', async () => {
    const port = await listen((socket) => socket.pause());
    const { client } = await forward(port);
    let sent = 0;
    void (async () => {
      for (; sent < 64_000_000; sent += 65_536) await client.send(new Uint8Array(65_536));
    })().catch(() => {});
    await Bun.sleep(500);
    expect(sent).toBeLessThan(32_000_000);
    client.channel.close('cancelled');
    await client.closed;
  });

  test('a reset is told', async () => {
    const port = await listen((socket) => setTimeout(() => socket.resetAndDestroy(), 50));
    const { client } = await forward(port);
    expect(await client.closed).toEqual({ reason: 'io', text: 'connection reset' });
  });

  test('a client that goes drops the connection', async () => {
    let closed = () => {};
    const isClosed = new Promise<void>((resolve) => (closed = resolve));
    const port = await listen((socket) =>
      socket
        .on('close', closed)
        .resume()
        .on('end', () => socket.end()),
    );
    const { client } = await forward(port);
    client.channel.close('cancelled');
    await client.closed;
    await isClosed;
  });

  test('localhost is IPv6 too', async () => {
    const port = await listen((socket) => socket.end('six'), '::1').catch(() => undefined);
    if (port === undefined) return;
    const { client } = await forward(port);
    await client.until((out) => out === 'six');
    client.channel.end(0);
    await client.closed;
  });

  test('what cannot be reached is told without address', async () => {
    expect(await refusal(1, 'localhost')).toBe('io: connection refused');
    expect(await refusal(80, 'name.invalid')).toBe('not-found: that host name is not known to this server');
  });
});

describe('acceptance 7: link-local and metadata addresses', () => {
  test.each([
    '169.254.169.254',
    '169.254.0.1',
    '2852039166',
    '0xa9fea9fe',
    '::ffff:169.254.169.254',
    'fe80::1',
    '0.0.0.0',
  ])('%s is refused', async (host) => expect(await refusal(80, host)).toStartWith('denied'));

  test('every spelling of them', () => {
    const byte = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(byte, byte, (a, b) => {
        const hex = `${((169 << 8) | 254).toString(16)}:${((a << 8) | b).toString(16)}`;
        for (const text of [`169.254.${a}.${b}`, `::ffff:169.254.${a}.${b}`, `::ffff:${hex}`, `64:ff9b::${hex}`]) {
          expect(isRefusedAddress(text)).toBe(true);
        }
      }),
    );
  });

  test.each(['127.0.0.1', '::1', '10.0.0.1', '192.168.1.1', '2001:db8::1', '169.253.1.1', '170.254.1.1'])(
    '%s is not',
    (address) => expect(isRefusedAddress(address)).toBe(false),
  );
  test('no address is refused', () => expect(isRefusedAddress('host')).toBe(true));
});
