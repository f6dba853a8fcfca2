/**
 * What keeps a peer to the proxy alone (spec tunnel.md I3-I5). `netns`: the interface is by itself in a network
 * namespace. `filter`: it is in the host's, behind a table of ours. `none`: written by the operator, warned about for ever.
 */
import { keepTable, removeKeptTable } from '../nftables/kept-table.ts';
import { TunnelTable } from '../nftables/tunnel-table.ts';
import { tableName } from '../nftables/tunnel-rules.ts';
import { type DeviceConfig, type IsolationKind, TunnelError } from '../tunnel-device.ts';
import { NetworkNamespace } from './network-namespace.ts';

export interface Isolation extends Disposable {
  readonly kind: IsolationKind;
  /** For status: how it is done here. */
  readonly detail: string;
  /** Where the interface lives; undefined: in the host's namespace. */
  readonly namespace: NetworkNamespace | undefined;
  /** Runs `work` where the interface lives. */
  inside<T>(work: () => T): T;
  /** What no longer holds, or undefined. */
  broken(): string | undefined;
  /** Puts it right. @throws TunnelError when it cannot. */
  restore(): void;
  /** Stays in force after the end of this process, until the next one opens the same interface. @throws NetlinkError */
  keep(): void;
}

export type IsolationOptions = {
  /** The data plane checks every inner packet itself: that satisfies `filter` where nf_tables is missing (I4). */
  innerFilter?: boolean;
  /** False: as on a kernel before 5.12. */
  tableOwner?: boolean;
};

/** One line for the plan. */
export function isolationPlan({ isolation, name }: DeviceConfig): string {
  if (isolation === 'netns') return 'a network namespace without a name, held by this process';
  if (isolation === 'filter') return `nf_tables table inet ${tableName(name)}, owned by this process`;
  return 'none: peers reach every socket that listens beyond loopback';
}

const unguarded = {
  namespace: undefined,
  inside: <T>(work: () => T): T => work(),
  broken: () => undefined,
  restore: () => {},
  keep: () => {},
  [Symbol.dispose]: () => {},
};

function openNamespace(): Isolation {
  const namespace = NetworkNamespace.create();
  return {
    ...unguarded,
    kind: 'netns',
    detail: 'interface alone in a network namespace',
    namespace,
    inside: (work) => namespace.inside(work),
    [Symbol.dispose]: () => namespace[Symbol.dispose](),
  };
}

function openFilter(config: DeviceConfig, { innerFilter = false, tableOwner = true }: IsolationOptions): Isolation {
  let table: TunnelTable;
  try {
    table = new TunnelTable(config, tableOwner);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'refused';
    if (innerFilter) return { ...unguarded, kind: 'filter', detail: `by the data plane alone (${reason})` };
    throw new TunnelError('TUNNEL_ISOLATION_UNAVAILABLE', `isolation filter: ${reason}`, { cause });
  }
  using opened = new DisposableStack();
  opened.use(table);
  removeKeptTable(config.name);
  opened.move();
  return {
    ...unguarded,
    kind: 'filter',
    detail: `nf_tables inet ${table.name}, ${table.owned ? 'owned by this process' : 'watched'}`,
    broken: () => (table.intact() ? undefined : `nf_tables table inet ${table.name} was removed or changed`),
    restore: () => table.restore(),
    keep: () => keepTable(config),
    [Symbol.dispose]: () => table[Symbol.dispose](),
  };
}

/** @throws TunnelError TUNNEL_ISOLATION_UNAVAILABLE, with the right that is missing. */
export function openIsolation(config: DeviceConfig, options: IsolationOptions = {}): Isolation {
  if (config.isolation === 'filter') return openFilter(config, options);
  if (config.isolation === 'none') return { ...unguarded, kind: 'none', detail: isolationPlan(config) };
  if (config.role.kind === 'hub') {
    const message = 'a hub has no namespace of its own: the gateway connects from the host; set isolation to filter';
    throw new TunnelError('TUNNEL_ISOLATION_UNAVAILABLE', message);
  }
  return openNamespace();
}
