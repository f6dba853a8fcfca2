/** `labman tunnel check` and `pre`: every broken set-up is named, with what mends it (tunnel A17). */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openNetworkLab } from './harness/network-lab.ts';
import { environment, labctlMain, run } from './harness/start-labd.ts';
import { breakages } from './harness/tunnel/breakages.ts';
import type { SiteNode } from './harness/tunnel-daemons/site-node.ts';
import { TunnelLab, tunnelLabMissing } from './harness/tunnel-daemons/tunnel-lab.ts';
import { type Check, checksOf } from './harness/tunnel/labman-command.ts';

const testMs = 150_000;
const quick = ['heartbeat_s = 1'];
const missing = tunnelLabMissing('native');
const needs = missing === undefined ? '' : ` (needs ${missing})`;

describe.skipIf(missing !== undefined)(`labman tunnel check names what is broken${needs}`, () => {
  let lab: TunnelLab;
  let site: SiteNode;
  beforeAll(async () => {
    lab = await TunnelLab.open('native', ['site-a'], quick);
    site = await lab.join('site-a');
    await site.start();
    await site.untilActive();
    await site.end('SIGTERM');
  }, testMs);
  afterAll(() => lab[Symbol.asyncDispose]());

  test('nothing is, to begin with', async () => {
    const { exitCode, failed } = await checksOf(site, ['tunnel', 'check']);
    expect([exitCode, failed]).toEqual([0, []]);
  });

  test.each(breakages)(
    '$what',
    async ({ name, detail = /./, fix, around, breakIt, running, verb = ['tunnel', 'check'] }) => {
      if (running === true) {
        await site.start();
        await site.untilActive();
      }
      const mend = await breakIt?.(site, lab);
      try {
        const { ok, exitCode, failed } = await checksOf(site, verb, around);
        expect([ok, exitCode]).toEqual([false, verb[0] === 'pre' ? 5 : 1]);
        const found = failed.find((one) => one.name === name);
        expect(found).toBeDefined();
        expect(found?.detail).toMatch(detail);
        expect(found?.fix).toMatch(fix);
      } finally {
        await mend?.();
        if (running === true) await site.end('SIGTERM');
      }
    },
    60_000,
  );
});

test.skipIf(missing !== undefined)(
  `labman tunnel check names a way that is too narrow for the MTU${needs}`,
  async () => {
    await using lab = await openNetworkLab(['n', 'r']);
    const folder = mkdtempSync(join(tmpdir(), 'labman-mtu-'));
    const options = { cwd: folder, env: environment(folder) };
    const at = async (host: string, ...command: string[]) => {
      const done = await run(lab.command(host, command), options);
      if (done.exitCode !== 0) throw new Error(`${command.join(' ')}: ${done.stderr}`);
    };
    // A router whose other link takes 1400 bytes.
    await at('r', 'ip', 'link', 'add', 'far', 'mtu', '1400', 'type', 'veth', 'peer', 'farther');
    for (const link of ['far', 'farther']) await at('r', 'ip', 'link', 'set', link, 'up');
    await at('r', 'ip', 'addr', 'add', '10.97.0.1/24', 'dev', 'far');
    await at('r', 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
    await at('n', 'ip', 'route', 'add', '10.97.0.0/24', 'via', lab.address('r'));
    const config = join(folder, 'labman.toml');
    const key = Buffer.alloc(32, 1).toString('base64');
    const hub = [`peer_public_key = "${key}"`, 'peer_endpoint = "10.97.0.2:51820"', 'peer_address = "10.90.0.1"'];
    const write = (mtu: number) =>
      writeFileSync(config, ['[wireguard]', `mtu = ${mtu}`, 'address = "10.90.0.2/32"', ...hub, ''].join('\n'));
    const mtuCheck = async () => {
      const words = [
        'labman',
        'tunnel',
        'check',
        '--json',
        '--config',
        config,
        '--state-dir',
        folder,
        '--socket',
        join(folder, 's'),
      ];
      const { stdout } = await run(lab.command('n', [process.execPath, labctlMain, ...words]), options);
      return (JSON.parse(stdout) as { checks: Check[] }).checks.find(({ name }) => name === 'MTU');
    };
    write(1_420);
    const narrow = await mtuCheck();
    expect(narrow).toMatchObject({ result: 'fail', fix: 'mtu = 1328 below [wireguard]' });
    expect(narrow?.detail).toContain('takes packets of 1400 bytes, MTU 1420 makes 1484');
    write(1_328);
    expect(await mtuCheck()).toMatchObject({ result: 'pass' });
    rmSync(folder, { recursive: true, force: true });
  },
);
