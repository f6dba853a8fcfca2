/**
 * A site that has IPv6 alone (tunnel N3, 2.2, 2.5): it joins, exchanges, is reached, cut, healed and moves as any other. The
 * addresses inside the tunnel stay IPv4: `conplane.range` is.
 */
import { expect, test } from 'bun:test';
import { waitFor } from './harness/fleet/look.ts';
import { tunnelBackends, TunnelLab, tunnelLabMissing } from './harness/tunnel-daemons/tunnel-lab.ts';

const testMs = 150_000;
const healMs = 12_000;
/** A keepalive of the node's WireGuard tells the hub where it is now. */
const moveMs = 25_000 + healMs;

for (const backend of tunnelBackends) {
  const missing = tunnelLabMissing(backend);
  const needs = missing === undefined ? '' : ` (needs ${missing})`;
  test.concurrent.skipIf(missing !== undefined)(
    `${backend}: a site over IPv6 alone${needs}`,
    async () => {
      await using lab = await TunnelLab.open(backend, ['site-a'], ['heartbeat_s = 1'], 'v6');
      const site = await lab.join('site-a', { engine: { tokens: 40, tokenDelayMs: 100 } });
      await lab.run('site-a', 'ip', '-4', 'addr', 'flush', 'dev', 'eth0');
      await site.start();
      const activeMs = await site.untilActive();
      const peer = await lab.peer('site-a');
      const address = peer?.address ?? '';
      expect(peer?.endpoint).toStartWith('[fd99::2]:');
      expect((await site.hub())?.endpoint).toBe('[fd99::1]:51820');
      const reading = lab.chat(address);
      expect((await site.labman('tunnel', 'exchange')).exitCode).toBe(0);
      const seen = await reading;
      expect(seen).toMatchObject({ status: 200, isWhole: true });
      await lab.labctl('tunnel', 'cut', 'site-a', '--yes');
      expect(await lab.reach(address, 0)).toBe(-1);
      expect((await site.labman('tunnel', 'exchange')).exitCode).toBe(0);
      const healedMs = await lab.reach(address, healMs);
      expect(healedMs).toBeGreaterThanOrEqual(0);
      // N3: another address of its own.
      await lab.run('site-a', 'ip', '-6', 'addr', 'flush', 'dev', 'eth0', 'scope', 'global');
      await lab.run('site-a', 'ip', 'addr', 'add', 'fd99::77/64', 'dev', 'eth0', 'nodad');
      const movedMs = await lab.reach(address, moveMs);
      expect(movedMs).toBeGreaterThanOrEqual(0);
      await waitFor(async () => (await lab.peer('site-a'))?.endpoint?.startsWith('[fd99::77]:') === true, moveMs);
      console.log(`${backend}, IPv6 alone:`, { activeMs, gapMs: seen.gapMs, healedMs, movedMs });
    },
    testMs,
  );
}
