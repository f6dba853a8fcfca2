import { afterAll, describe, expect, test } from 'bun:test';
import { errnos } from '../ffi/libc.ts';
import { NetworkNamespace } from '../isolation/network-namespace.ts';
import { canIsolate } from '../isolation/testing/can-isolate.ts';
import { NetlinkError } from '../netlink/netlink-error.ts';
import { NetlinkSocket } from '../netlink/netlink-socket.ts';
import { deleteTable, probeTables, readTable } from './table-requests.ts';
import type { Guarded } from './tunnel-rules.ts';
import { TunnelTable } from './tunnel-table.ts';

const node: Guarded = {
  name: 'labman0',
  address: '10.90.0.2',
  role: { kind: 'node', hubAddress: '10.90.0.1', proxyPort: 8080 },
};
const v6: Guarded = { name: 'lab6', address: 'fd00::2', role: { kind: 'node', hubAddress: 'fd00::1', proxyPort: 80 } };
const hub: Guarded = { name: 'labhub0', address: '10.90.0.1', role: { kind: 'hub' } };

const nft = Bun.which('nft', { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' });
const usable = canIsolate && nft !== null;

describe.skipIf(!usable)('our table in the kernel (needs root, nft of Debian package nftables)', () => {
  const stack = new DisposableStack();
  const space = usable ? stack.use(NetworkNamespace.create()) : undefined;
  const inside = <T>(work: () => T): T => space!.inside(work);
  afterAll(() => stack.dispose());

  const run = (...argv: string[]) => {
    const { exitCode, stdout, stderr } = inside(() => Bun.spawnSync([nft!, ...argv]));
    return { exitCode, text: stdout.toString(), error: stderr.toString() };
  };
  const listed = () => run('list', 'ruleset').text;

  test('nft reads the rules as they are meant', () => {
    using _table = inside(() => new TunnelTable(node));
    const text = listed();
    expect(text).toContain('iifname "labman0" ip saddr 10.90.0.1 ip daddr 10.90.0.2 tcp dport 8080 accept\n');
    expect(text).toContain('iifname "labman0" drop');
    expect(text).toContain('type filter hook input priority filter - 10; policy accept;');
    expect(text).toContain('type filter hook forward priority filter - 10; policy accept;');
    expect(text).toContain('oifname "labman0" drop');
    using _other = inside(() => new TunnelTable(v6));
    expect(listed()).toContain('ip6 saddr fd00::1 ip6 daddr fd00::2');
    using _hub = inside(() => new TunnelTable(hub));
    expect(listed()).toMatch(/iifname "labhub0" tcp flags (?:syn \/ syn,ack|& \(syn \| ack\) == syn) drop/);
    expect(listed()).toMatch(/iifname "labhub0" meta l4proto != (?:tcp|6) drop/);
  });

  test('nobody else removes an owned table; it ends with its socket (I13)', () => {
    const table = inside(() => new TunnelTable(node));
    expect(table.owned).toBe(true);
    expect(run('flush', 'ruleset').exitCode).toBe(0);
    expect(run('delete', 'table', 'inet', 'labman').error).toContain('Operation not permitted');
    expect(run('flush', 'chain', 'inet', 'labman', 'input').error).toContain('Operation not permitted');
    expect(table.intact()).toBe(true);
    table[Symbol.dispose]();
    expect(listed()).toBe('');
  });

  test('a table without an owner is looked at and made anew', () => {
    using table = inside(() => new TunnelTable(node, false));
    const before = listed();
    expect(table.owned).toBe(false);
    for (const damage of [
      ['flush', 'ruleset'],
      ['flush', 'chain', 'inet', 'labman', 'input'],
      ['delete', 'chain', 'inet', 'labman', 'forward'],
      ['insert', 'rule', 'inet', 'labman', 'input', 'accept'],
      ['add', 'table', 'inet', 'labman', '{ flags dormant ; }'],
    ]) {
      expect(table.intact(), damage.join(' ')).toBe(true);
      expect(run(...damage).error).toBe('');
      expect(table.intact(), damage.join(' ')).toBe(false);
      table.restore();
    }
    expect(listed()).toBe(before);
  });

  test('a table of that name that is not ours is left alone', () => {
    run('add', 'table', 'inet', 'labman');
    expect(() => inside(() => new TunnelTable(node))).toThrow('belongs to somebody else');
    expect(() => inside(() => new TunnelTable(node, false))).toThrow('belongs to somebody else');
    expect(listed()).toContain('table inet labman');
    run('delete', 'table', 'inet', 'labman');
    using _first = inside(() => new TunnelTable(node));
    expect(() => inside(() => new TunnelTable(node))).toThrow('belongs to somebody else');
  });

  test('foreign tables stay as they were', () => {
    run('add', 'table', 'ip', 'foreign');
    const before = listed();
    inside(() => new TunnelTable(node))[Symbol.dispose]();
    inside(() => new TunnelTable(node, false))[Symbol.dispose]();
    expect(listed()).toBe(before);
    run('delete', 'table', 'ip', 'foreign');
  });

  test('the probe asks and changes nothing; what is missing is said', () => {
    using socket = inside(() => new NetlinkSocket('netfilter'));
    probeTables(socket);
    expect(readTable(socket, 'labman')).toBeUndefined();
    let refused: unknown;
    try {
      deleteTable(socket, 'labman');
    } catch (error) {
      refused = error;
    }
    expect(refused).toBeInstanceOf(NetlinkError);
    expect((refused as NetlinkError).errno).toBe(errnos.ENOENT);
    // The socket goes on after a batch that failed.
    probeTables(socket);
  });
});
