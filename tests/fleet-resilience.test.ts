/**
 * Machines that die, freeze and lose their cable (P4, EX-7): what labd says of them is true within two and a half
 * heartbeats, they come back by themselves, and a command in between loses nothing.
 */
import { expect, test } from 'bun:test';
import { begin, counting, openClient } from './harness/fleet/fleet-exec.ts';
import { msUntil, serverOf } from './harness/fleet/look.ts';
import { networkLabMissing, openNetworkLab } from './harness/network-lab.ts';
import { startAgent, startLabd } from './harness/start-labd.ts';

const heartbeatMs = 1_000;
const hub = '[hub]\nheartbeat = "1s"';
const quick = 'reconnect_min = "200ms"\nreconnect_max = "1s"';
/** Two and a half heartbeats, and a machine under load. */
const offlineMs = 2.5 * heartbeatMs + 1_000;
const needsRoot = networkLabMissing();

test.skipIf(needsRoot !== undefined)(
  'P4, EX-7 killed, frozen or unplugged is offline in 2.5 heartbeats, and all comes back (needs root)',
  async () => {
    await using lab = await openNetworkLab(['labd', 'web-1', 'web-2', 'web-3']);
    await using labd = await startLabd({ place: { lab, host: 'labd' }, toml: hub });
    const on = (host: string) => startAgent(labd, host, { place: { lab, host }, toml: quick });
    await using killed = await on('web-1');
    await using frozen = await on('web-2');
    await using _unplugged = await on('web-3');
    const names = ['web-1', 'web-2', 'web-3'];
    const before = await Promise.all(names.map((name) => serverOf(labd, name)));
    expect(before.map(({ status }) => status)).toEqual(['online', 'online', 'online']);
    await using client = openClient([{ socket: labd.socket }]);
    const { shell, out } = counting(300, 12);
    const run = await begin(client, 'web-3', shell);
    await run.has(100);

    killed.daemon.signal('SIGKILL');
    frozen.daemon.signal('SIGSTOP');
    await lab.cut('web-3');
    const seen = await Promise.all(names.map((name) => msUntil(labd, name, 'offline', offlineMs)));
    console.log('offline after ms (killed, frozen, unplugged):', seen.map(Math.round).join(', '));
    // Ten seconds without cable in all.
    await Bun.sleep(10_000 - Math.max(...seen));

    await lab.mend('web-3');
    frozen.daemon.signal('SIGCONT');
    await using _again = await killed.again();
    const back = await Promise.all(names.map((name) => msUntil(labd, name, 'online', 20_000)));
    console.log('online again after ms:', back.map(Math.round).join(', '));
    expect((await Promise.all(names.map((name) => serverOf(labd, name)))).map(({ id }) => id)).toEqual(
      before.map(({ id }) => id),
    );
    const { exit, ending } = await run.ended;
    expect(run.out).toBe(out);
    expect({ code: exit?.code, reason: ending.reason }).toEqual({ code: 7, reason: 'ok' });
    console.log('longest pause of the output, ms:', Math.round(run.longestPauseMs));
  },
  60_000,
);
