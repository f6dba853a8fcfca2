/** `auto` takes a network namespace, else the filter, else nothing is started (spec tunnel.md I5). */
import { NetlinkSocket } from '../netlink/netlink-socket.ts';
import { probeTables } from '../nftables/table-requests.ts';
import { type DeviceRole, type IsolationKind, TunnelError } from '../tunnel-device.ts';
import { NetworkNamespace } from './network-namespace.ts';
import { howToGrant } from './rights.ts';

export type ChosenIsolation = { kind: IsolationKind; rejected: { kind: IsolationKind; reason: string }[] };

export type IsolationProbes = Record<'netns' | 'filter', () => void>;

/** Each throws when this machine cannot do it; nothing stays behind. */
const realProbes: IsolationProbes = {
  netns: () => NetworkNamespace.create()[Symbol.dispose](),
  filter: () => {
    using socket = new NetlinkSocket('netfilter');
    probeTables(socket);
  },
};

/**
 * @param innerFilter the data plane checks every inner packet itself, so that `filter` needs no nf_tables (I4).
 * @throws TunnelError TUNNEL_ISOLATION_UNAVAILABLE, exit 5, with the reason of each and the way out.
 */
export function chooseIsolation(
  wanted: IsolationKind | 'auto',
  role: DeviceRole['kind'],
  { innerFilter = false, probes = realProbes }: { innerFilter?: boolean; probes?: IsolationProbes } = {},
): ChosenIsolation {
  if (wanted === 'none') return { kind: 'none', rejected: [] };
  const candidates = (['netns', 'filter'] as const).filter((kind) => wanted === 'auto' || wanted === kind);
  const rejected: ChosenIsolation['rejected'] = [];
  for (const kind of candidates) {
    const reason = refusal(kind, role, innerFilter, probes);
    if (reason === undefined) return { kind, rejected };
    rejected.push({ kind, reason });
  }
  const reasons = rejected.map(({ kind, reason }) => `${kind}: ${reason}`).join('; ');
  const ways = `namespaces: ${howToGrant('CAP_SYS_ADMIN')}; filter: ${howToGrant('CAP_NET_ADMIN')}`;
  throw new TunnelError('TUNNEL_ISOLATION_UNAVAILABLE', `no isolation for the tunnel. ${reasons}. ${ways}`);
}

function refusal(
  kind: 'netns' | 'filter',
  role: DeviceRole['kind'],
  innerFilter: boolean,
  probes: IsolationProbes,
): string | undefined {
  if (kind === 'netns' && role === 'hub') return 'the gateway connects from the host';
  if (kind === 'filter' && innerFilter) return undefined;
  try {
    probes[kind]();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : 'refused';
  }
}
