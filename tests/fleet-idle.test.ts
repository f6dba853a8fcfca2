/**
 * A command that says nothing, through a proxy that ends silent connections, before the agent and before the client
 * (kubernetes#94301, #128314): it is still there when it speaks again. Ten minutes and 20 s of silence, as they are met in
 * earnest, or the same in short:
 *
 *     LABMESH_IDLE_S=600 bun test tests/fleet-idle.test.ts --timeout 900000
 */
import { expect, test } from 'bun:test';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { begin, openClient } from './harness/fleet/fleet-exec.ts';
import { waitFor } from './harness/fleet/look.ts';
import { SilenceProxy } from './harness/proxies/silence-proxy.ts';
import { enrolUser } from './harness/fleet/fleet-identities.ts';
import { doorOf } from './harness/raw-https.ts';
import { startAgent, startLabd } from './harness/start-labd.ts';

const idleS = Number(process.env['LABMESH_IDLE_S'] ?? 10);
/** In short, it hears from each side five times in the time that it takes: a machine under load stands still at times. */
const [silenceS, heartbeatS] = idleS >= 600 ? [20, 10] : [5, 1];
const longMs = (idleS + 120) * 1_000;

test(
  `T6 ${idleS} s idle through proxies that cut after ${silenceS} s of silence: not one cut, and every byte`,
  async () => {
    await using labd = await startLabd({ toml: `[hub]\nheartbeat = "${heartbeatS}s"` });
    await using forAgents = await SilenceProxy.open(labd.agents, silenceS * 1_000);
    await using forClients = await SilenceProxy.open(labd.api, silenceS * 1_000);
    await using agent = await startAgent({ ...labd, agents: forAgents.url }, 'web-1');
    const user = await enrolUser(labd, 'ada', ['admin']);
    await using client = openClient([doorOf(forClients.url)], { identity: user });
    const run = await begin(client, 'web-1', `echo before; sleep ${idleS}; echo after; exit 7`);
    await run.has(7);
    // From here on nothing but heartbeats; what stood open besides is not part of it.
    const [agentCuts, clientCuts] = [forAgents.cuts, forClients.cuts];
    // The proxy does what it is for; labd itself would have ended such a connection sooner.
    const patient = createServer().listen(0, '127.0.0.1');
    await once(patient, 'listening');
    const { port } = patient.address() as AddressInfo;
    await using other = await SilenceProxy.open(`https://127.0.0.1:${port}`, silenceS * 1_000);
    const mute = connect(Number(new URL(other.url).port), '127.0.0.1');
    await once(mute, 'connect');
    const { exit, ending } = await run.ended;
    expect({ out: run.out, code: exit?.code, reason: ending.reason }).toEqual({
      out: 'before\nafter\n',
      code: 7,
      reason: 'ok',
    });
    await waitFor(() => other.cuts > 0);
    patient.close();
    expect([forAgents.cuts, forClients.cuts]).toEqual([agentCuts, clientCuts]);
    expect(agent.daemon.said).not.toContain('the connection to labd ended');
  },
  longMs,
);
