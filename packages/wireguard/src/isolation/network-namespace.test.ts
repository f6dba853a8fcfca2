import { afterAll, describe, expect, test } from 'bun:test';
import { closeSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { openTun } from '../ffi/open-tun.ts';
import { addAddress } from '../netlink/addresses.ts';
import { findLink, setLinkUp } from '../netlink/links.ts';
import { NetlinkSocket } from '../netlink/netlink-socket.ts';
import { canIsolate } from './testing/can-isolate.ts';
import { NetworkNamespace } from './network-namespace.ts';

const here = () => readlinkSync('/proc/thread-self/ns/net');

describe.skipIf(!canIsolate)('a network namespace (needs root)', () => {
  const home = canIsolate ? here() : '';
  const space = canIsolate ? NetworkNamespace.create() : undefined;
  const inside = <T>(work: () => T): T => space!.inside(work);
  afterAll(() => space?.[Symbol.dispose]());

  test('is another one, for the length of the function only', () => {
    expect(inside(here)).not.toBe(home);
    expect(here()).toBe(home);
    expect(inside(() => inside(here))).toBe(inside(here));
  });

  test('the way back holds when the work throws or wants to wait', () => {
    const boom = () => {
      throw new Error('boom');
    };
    expect(() => inside(boom)).toThrow('boom');
    expect(here()).toBe(home);
    expect(() => inside(async () => {})).toThrow('must not wait');
    expect(here()).toBe(home);
  });

  test('is not entered from another, nor after its end', () => {
    using other = NetworkNamespace.create();
    expect(() => inside(() => other.inside(here))).toThrow('from within another');
    expect(() => inside(() => NetworkNamespace.create())).toThrow('within another');
    expect(here()).toBe(home);
    other[Symbol.dispose]();
    expect(() => other.inside(here)).toThrow('closed');
  });

  test('without a way back the process ends (I6)', async () => {
    // Closes all descriptors of namespaces while it is inside.
    const program = `
      import { closeSync, readdirSync, readlinkSync } from 'node:fs';
      import { NetworkNamespace } from '${new URL('./network-namespace.ts', import.meta.url).pathname}';
      const isNet = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd).startsWith('net:'); } catch { return false; } };
      try {
        NetworkNamespace.create().inside(() => {
          for (const fd of readdirSync('/proc/self/fd').filter(isNet)) closeSync(Number(fd));
        });
      } finally {
        console.log('went on');
      }`;
    const child = Bun.spawn([process.execPath, '-e', program], { stdout: 'pipe', stderr: 'pipe' });
    const [code, text, error] = await Promise.all([
      child.exited,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    expect([code, text]).toEqual([70, '']);
    expect(error).toContain('the way back from the network namespace failed (EBADF)');
  });

  test('has settings of its own', () => {
    const path = '/proc/sys/net/ipv4/conf/all/forwarding';
    const before = readFileSync(path, 'utf8');
    inside(() => writeFileSync(path, '1'));
    expect(inside(() => readFileSync(path, 'utf8'))).toBe('1\n');
    expect(readFileSync(path, 'utf8')).toBe(before);
    inside(() => writeFileSync(path, '0'));
  });

  test('a listener bound inside is reached from inside alone; UDP opened outside stays outside (I3)', async () => {
    const tun = inside(() => openTun('labns0'));
    using socket = inside(() => new NetlinkSocket('route'));
    const link = findLink(socket, 'labns0');
    addAddress(socket, link?.index ?? 0, '10.90.0.2');
    setLinkUp(socket, link?.index ?? 0, 1420);
    expect(findLink(socket, 'labns0')).toMatchObject({ kind: 'tun', up: true, mtu: 1420 });
    const serve = () => Bun.serve({ hostname: '10.90.0.2', port: 8080, fetch: () => new Response('inside') });
    expect(serve).toThrow();
    await using server = inside(serve);
    const listen = () => Bun.listen({ hostname: '10.90.0.2', port: 8081, socket: { data() {} } });
    const listener = inside(listen);
    expect(server.port).toBe(8080);
    const tables = () => readFileSync('/proc/thread-self/net/tcp', 'utf8');
    expect(inside(tables)).toContain('02005A0A:1F90');
    expect(inside(tables)).toContain('02005A0A:1F91');
    expect(tables()).not.toContain('02005A0A');
    const udp = await Bun.udpSocket({ port: 0 });
    const port = udp.port.toString(16).toUpperCase().padStart(4, '0');
    const datagrams = () => readFileSync('/proc/thread-self/net/udp', 'utf8');
    expect(datagrams()).toContain(`:${port} `);
    expect(inside(datagrams)).not.toContain(`:${port} `);
    udp.close();
    listener.stop(true);
    closeSync(tun);
  });

  test('no thread that opens sockets stays inside', async () => {
    await Promise.allSettled([fetch('http://127.0.0.1:1/'), Bun.file('/etc/hosts').text()]);
    const inner = inside(here);
    const stray = readdirSync('/proc/self/task').filter((id) => readlinkSync(`/proc/self/task/${id}/ns/net`) === inner);
    const names = stray.map((id) => readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim());
    expect(names.filter((name) => /HTTP|Pool|bun/.test(name))).toEqual([]);
  });
});
