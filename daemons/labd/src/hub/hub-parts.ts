/** What the hub of agents is made of, and what it knows of each agent. */
import type { Link } from '@labmesh/link/link';
import type { PeerIdentity } from '@labmesh/pki/verify-peer';
import type { ExecSettings, Msg } from '@labmesh/wire/frame/messages';
import type { DenyList } from '../ca/deny-list.ts';
import type { EventLog } from '../events/event-log.ts';
import type { World } from '../settings/world.ts';
import type { Directory } from './directory.ts';
import type { NewsParts } from './news-desk.ts';

export type HubOptions = {
  heartbeatMs: number;
  agentsMax: number;
  channelsMax: number;
  windowBytes: number;
  windowBytesMax: number;
  socketBufferMax: number;
};

export type HubParts = NewsParts & {
  directory: Directory;
  denyList: DenyList;
  events: EventLog;
  clock: World['clock'];
  log: World['log'];
  replicaId: string;
  options: HubOptions;
  /** `[exec]`, told to agents. */
  exec: ExecSettings;
  /** Whether that is another replica, and it lives. */
  isLive: (replicaId: string) => boolean;
  /** Where logs of agents go (AG-7). */
  logs: {
    readonly isOn: boolean;
    take(agent: ConnectedAgent, batch: MsgOf<'log-batch'>): void;
    heard(agentId: string, report: MsgOf<'heartbeat'>['shipping']): void;
    left(agentId: string): void;
  };
};
type MsgOf<K extends Msg['kind']> = Extract<Msg, { kind: K }>;

/** One connected agent. */
export type ConnectedAgent = {
  readonly link: Link;
  readonly identity: PeerIdentity;
  readonly address: string;
  readonly agentId: string;
  readonly serverId: string;
  readonly hostname: string;
  readonly instanceId: string;
  readonly version: string;
  readonly arch: string;
  readonly epoch: number;
  readonly connectedAt: number;
  /** Sessions that lived there when it came. */
  readonly sessions: readonly string[];
  bundle: string;
  /** Heard since the last flush. */
  heard: boolean;
};
