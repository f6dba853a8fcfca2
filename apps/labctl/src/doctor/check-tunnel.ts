/** The hub of the tunnel as labd tells it, for those who may ask; nothing where there is none. */
import type { TunnelView } from '@labmesh/wire/tunnel';
import { exposedText } from '@labmesh/wireguard/isolation/exposed-sockets';
import { LabdClient } from '../client/labd-client.ts';
import { httpsTransport } from '../client/labd-transport.ts';
import { CommandError } from '../command-error.ts';
import type { LabdInput } from './check-labd.ts';
import { type Finding, okay, warning } from './finding.ts';

/** Names in a finding. */
const named = (names: readonly string[]) =>
  names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');

/** Nodes of other replicas' hubs that could not be reached when somebody asked last (H6). */
function relayFindings({ relayed = [] }: TunnelView): Finding[] {
  const lost = relayed.filter(({ error }) => error !== null).map(({ name }) => name);
  if (lost.length === 0) return [];
  const text = `nodes of other replicas’ hubs were not reached: ${named(lost)}`;
  return [warning('tunnel relay', text, 'labctl tunnel status names the replica and the way out')];
}

/** What of a hub its operator should know. */
export function tunnelFindings(view: TunnelView): Finding[] {
  const { backend, exposed, fault, isolation, listenPort, peers, interface: name } = view;
  const findings: Finding[] = [];
  const weak = peers.filter(({ pq }) => pq !== 'active').map((peer) => peer.name);
  if (fault !== undefined) {
    const fix = 'the log of labd tells each change: end what makes them, then restart labd';
    findings.push(warning('tunnel', `${name} is down, nothing passes: ${fault}`, fix));
  } else if (weak.length === 0)
    findings.push(okay('tunnel', `${name} on ${backend}, ${peers.length} peers, all post-quantum`));
  else {
    findings.push(
      warning('tunnel', `not post-quantum at this moment: ${named(weak)}`, 'labctl tunnel status says why'),
    );
  }
  if (backend === 'kernel' || backend === 'wireguard-go') {
    const text = `UDP ${listenPort} is open on every address of the hub: ${backend} knows no listen list`;
    findings.push(warning('tunnel port', text, 'close it elsewhere by a firewall, or set backend = "native"'));
  }
  if (isolation === 'none') {
    const text = `without isolation nodes reach every service of the hub: ${exposedText(exposed ?? [])}`;
    findings.push(warning('tunnel isolation', text, 'isolation = "auto" below [conplane.tunnel]'));
  }
  return [...findings, ...relayFindings(view)];
}

/** @throws what nobody foresaw */
export async function checkTunnel({ world, url, trust, proof, timeoutMs }: LabdInput): Promise<Finding[]> {
  if (proof.by === 'nothing') return [];
  const { clock, life } = world;
  using client = new LabdClient({
    transport: httpsTransport(url, trust, proof),
    timeoutMs,
    signal: life.signal,
    clock,
  });
  try {
    return tunnelFindings(await client.call('get-tunnel'));
  } catch (error) {
    // There is none, or who asks may not see it.
    if (error instanceof CommandError) return [];
    throw error;
  }
}
