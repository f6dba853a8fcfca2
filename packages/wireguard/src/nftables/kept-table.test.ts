import { afterAll, describe, expect, test } from 'bun:test';
import { NetworkNamespace } from '../isolation/network-namespace.ts';
import { canIsolate } from '../isolation/testing/can-isolate.ts';
import { KeptTable, removeKeptTable } from './kept-table.ts';
import type { Guarded } from './tunnel-rules.ts';
import { TunnelTable } from './tunnel-table.ts';

const node: Guarded = {
  name: 'labman0',
  address: '10.90.0.2',
  role: { kind: 'node', hubAddress: '10.90.0.1', proxyPort: 8080 },
};
const hub: Guarded = { name: 'labhub0', address: '10.90.0.1', role: { kind: 'hub' } };

const nft = Bun.which('nft', { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' });
const usable = canIsolate && nft !== null;

describe.skipIf(!usable)('the table that outlives its process (needs root, nft of Debian package nftables)', () => {
  const stack = new DisposableStack();
  const space = usable ? stack.use(NetworkNamespace.create()) : undefined;
  const inside = <T>(work: () => T): T => space!.inside(work);
  afterAll(() => stack.dispose());
  const run = (...argv: string[]) => inside(() => Bun.spawnSync([nft!, ...argv])).stdout.toString();

  test('a node’s drops what lacks the sign; only the living table gives it', () => {
    using kept = inside(() => new KeptTable(node));
    kept.restore();
    const sign = `0x${Buffer.from(kept.sign).readUInt32LE().toString(16).padStart(8, '0')}`;
    const text = run('list', 'table', 'inet', 'labman-kept');
    expect(text).toMatch(/iifname "labman0" meta priority != \S+ drop/);
    expect(text).not.toContain('accept\n');
    expect(text).not.toContain('flags owner');
    const live = inside(() => new TunnelTable(node, true, kept.sign));
    const raw = run('--debug=netlink', 'list', 'table', 'inet', 'labman');
    expect(raw).toContain('meta set priority with reg 1');
    expect(raw).toContain(sign);
    expect(live.intact()).toBe(true);
    live[Symbol.dispose]();
    expect(run('list', 'tables')).toBe('table inet labman-kept\n');
    expect(inside(() => removeKeptTable('labman0'))).toBe('labman-kept');
    expect(inside(() => removeKeptTable('labman0'))).toBeUndefined();
    expect(run('list', 'tables')).toBe('');
  });

  test('a hub’s has the rules that it has while it lives', () => {
    using _live = inside(() => new TunnelTable(hub));
    using kept = inside(() => new KeptTable(hub));
    kept.restore();
    const rules = (table: string) => run('list', 'table', 'inet', table).split('\n').slice(1).join('\n');
    expect(rules('labhub-kept').replace(/\s/g, '')).toBe(rules('labhub').replace(/flags owner|\s/g, ''));
    inside(() => removeKeptTable('labhub0'));
  });

  test('one from before is replaced; what others do to it is seen', () => {
    using before = inside(() => new KeptTable(node));
    before.restore();
    using kept = inside(() => new KeptTable(node));
    kept.restore();
    for (const damage of [
      ['flush', 'ruleset'],
      ['flush', 'chain', 'inet', 'labman-kept', 'input'],
      ['add', 'table', 'inet', 'labman-kept', '{ flags dormant ; }'],
    ]) {
      expect(kept.intact(), damage.join(' ')).toBe(true);
      run(...damage);
      expect(kept.intact(), damage.join(' ')).toBe(false);
      kept.restore();
    }
    inside(() => removeKeptTable('labman0'));
  });
});
