/**
 * What keeps a peer to the proxy alone (spec tunnel.md I3-I5). `netns`: the interface is by itself in a network
 * namespace. `filter`: it is in the host's, behind a table of ours. `none`: written by the operator, warned about for ever.
 */
import { keptName, KeptTable, removeKeptTable } from '../nftables/kept-table.ts';
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
  /** Puts back what guards the interface after our end alone, and says what that was. @throws NetlinkError */
  mend(): string | undefined;
  /** What guards the interface stays after this is disposed, until the next one opens the same interface. @throws NetlinkError */
  keep(): void;
}

export type IsolationOptions = {
  /** The data plane checks every inner packet itself: that satisfies `filter` where nf_tables is missing (I4). */
  innerFilter?: boolean;
  /** False: as on a kernel before 5.12. */
  tableOwner?: boolean;
  /** The interface stays when this process is killed, and so must something that guards it. */
  outlives?: boolean;
};

/** One line for the plan. */
export function isolationPlan({ isolation, name }: DeviceConfig, { outlives = false }: IsolationOptions = {}): string {
  if (isolation === 'netns') return 'a network namespace without a name, held by this process';
  const kept = outlives ? `, and inet ${keptName(name)} for when it was killed` : '';
  if (isolation === 'filter') return `nf_tables table inet ${tableName(name)}, owned by this process${kept}`;
  return 'none: peers reach every socket that listens beyond loopback';
}

const unguarded = {
  namespace: undefined,
  inside: <T>(work: () => T): T => work(),
  broken: () => undefined,
  restore: () => {},
  mend: () => undefined,
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

type Tables = { live: TunnelTable; kept: KeptTable | undefined; owned: DisposableStack };

/** The live one comes first: one that was kept from before holds until then. */
function openTables(config: DeviceConfig, { tableOwner = true, outlives = false }: IsolationOptions): Tables {
  using opening = new DisposableStack();
  const kept = outlives ? opening.use(new KeptTable(config)) : undefined;
  const live = opening.use(new TunnelTable(config, tableOwner, config.role.kind === 'node' ? kept?.sign : undefined));
  if (kept === undefined) removeKeptTable(config.name);
  else kept.restore();
  return { live, kept, owned: opening.move() };
}

function openFilter(config: DeviceConfig, options: IsolationOptions): Isolation {
  let tables: Tables;
  try {
    tables = openTables(config, options);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'refused';
    if (options.innerFilter === true)
      return { ...unguarded, kind: 'filter', detail: `by the data plane alone (${reason})` };
    throw new TunnelError('TUNNEL_ISOLATION_UNAVAILABLE', `isolation filter: ${reason}`, { cause });
  }
  const { live, kept, owned } = tables;
  let isKept = false;
  return {
    ...unguarded,
    kind: 'filter',
    detail: `nf_tables inet ${live.name}, ${live.owned ? 'owned by this process' : 'watched'}`,
    broken: () => (live.intact() ? undefined : `nf_tables table inet ${live.name} was removed or changed`),
    restore: () => {
      live.restore();
      kept?.restore();
    },
    mend: () => {
      if (kept?.intact() !== false) return undefined;
      kept.restore();
      return `nf_tables table inet ${kept.name} was removed or changed`;
    },
    keep: () => {
      isKept = true;
      if (kept?.intact() === false) kept.restore();
    },
    [Symbol.dispose]: () => {
      owned.dispose();
      if (!isKept) removeKeptTable(config.name);
    },
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
