/** Things as the API gives them, for tests. Times are minutes from now. */
import type { Binding, Role, User } from '@labmesh/wire/fleet/resources/people';
import type { FleetNode, FleetNodeToken } from '@labmesh/wire/fleet/resources/nodes';
import type { AuditRow, Session } from '@labmesh/wire/fleet/resources/records';
import type { Agent, Server } from '@labmesh/wire/fleet/resources/servers';
import type { Token } from '@labmesh/wire/fleet/tokens';

export const at = (minutes: number): string => new Date(Date.now() + minutes * 60_000).toISOString();
/** A uuid with a number at its end. */
export const id = (n: number): string => `01900000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
export const pageOf = <T>(...items: T[]) => ({ items, nextCursor: null });

export const server = (changes: Partial<Server> = {}): Server => ({
  id: id(1),
  hostname: 'web-1',
  status: 'online',
  environment: 'production',
  cloud: null,
  role: 'web',
  ip: '10.0.0.1',
  macs: ['52:54:00:00:00:01'],
  machineId: 'ab12',
  labels: { team: 'search', rack: 'r1' },
  os: 'debian 13',
  arch: 'x64',
  cpus: 8,
  memoryBytes: 64 * 2 ** 30,
  gpus: ['H200', 'H200'],
  agentVersion: '0.1.0',
  lastSeenAt: at(-3),
  createdAt: at(-600),
  revision: 1,
  ...changes,
});

export const agent = (changes: Partial<Agent> = {}): Agent => ({
  id: id(2),
  serverId: id(1),
  hostname: 'web-1',
  status: 'online',
  version: '0.1.0',
  ring: 'stable',
  pin: null,
  desiredVersion: '0.2.0',
  updateState: 'waiting',
  badVersions: [],
  keyHash: 'a'.repeat(64),
  bundle: 'b'.repeat(64),
  replicaId: id(9),
  connectedAt: at(-50),
  approvedAt: null,
  lastSeenAt: at(-3),
  createdAt: at(-600),
  revision: 1,
  ...changes,
});

export const node = (changes: Partial<FleetNode> = {}): FleetNode => ({
  id: id(11),
  name: 'site-a',
  status: 'online',
  tenant: 'acme',
  region: 'eu',
  description: 'the cellar',
  version: '0.1.0',
  state: 'running',
  mode: 'normal',
  error: null,
  models: 2,
  slugs: 2,
  healthyEndpoints: 1,
  totalEndpoints: 2,
  activeRequests: 3,
  totalRequests: 40,
  totalErrors: 5,
  uptimeSeconds: 60,
  address: '10.90.0.2',
  wireguardPublicKey: `${'k'.repeat(42)}A=`,
  rosenpassSha256: `sha256:${'ab12'.repeat(16)}`,
  lastSeenAt: at(-3),
  registeredAt: at(-60),
  createdAt: at(-600),
  revision: 1,
  ...changes,
});

export const nodeToken = (changes: Partial<FleetNodeToken> = {}): FleetNodeToken => ({
  id: id(12),
  prefix: 'lmn_0aB1cD2eF3',
  state: 'bound',
  name: 'site-a',
  nodeId: id(11),
  region: 'eu',
  tenant: '',
  allowRekey: false,
  createdBy: 'user:alice',
  createdAt: at(-600),
  expiresAt: at(60 * 24 * 364),
  usedAt: at(-60),
  revokedAt: null,
  revision: 1,
  ...changes,
});

export const user = (changes: Partial<User> = {}): User => ({
  id: id(3),
  name: 'alice',
  kind: 'user',
  email: 'alice@lab.example',
  roles: ['operator'],
  hasPassword: true,
  hasTotp: false,
  disabledAt: null,
  createdAt: at(-600),
  revision: 1,
  ...changes,
});

export const role = (changes: Partial<Role> = {}): Role => ({
  id: id(4),
  name: 'web-ops',
  description: 'Runs the web servers',
  builtIn: false,
  rules: ['allow get,list,exec on servers where role=web', 'deny exec on servers/db-*'],
  createdAt: at(-600),
  revision: 7,
  ...changes,
});

export const binding = (changes: Partial<Binding> = {}): Binding => ({
  id: id(5),
  subjectKind: 'user',
  subject: 'alice',
  role: 'web-ops',
  expiresAt: null,
  createdAt: at(-600),
  ...changes,
});

export const permission = (changes: Record<string, unknown> = {}) => ({
  id: id(6),
  role: 'web-ops',
  effect: 'deny',
  verbs: ['exec'],
  kinds: ['servers'],
  name: 'db-*',
  selector: null,
  limits: null,
  text: 'deny exec on servers/db-*',
  ...changes,
});

export const token = (changes: Partial<Token> = {}): Token => ({
  id: id(7),
  prefix: 'lmj_0a1b2c3d',
  type: 'one-time',
  kind: 'agent',
  state: 'live',
  maxUses: 1,
  uses: 0,
  createdBy: 'user:alice',
  createdAt: at(-5),
  expiresAt: at(25),
  usedAt: null,
  revokedAt: null,
  revision: 1,
  labels: {},
  environment: null,
  cloud: null,
  role: null,
  hostname: null,
  macs: [],
  cidrs: [],
  takeover: false,
  approve: false,
  ...changes,
});

export const session = (changes: Partial<Session> = {}): Session => ({
  id: id(8),
  kind: 'exec',
  serverId: id(1),
  hostname: 'web-1',
  principal: 'user:alice',
  job: null,
  command: 'uptime',
  tty: false,
  state: 'ended',
  startedAt: at(-5),
  endedAt: at(-3),
  exit: { code: 0, signal: null },
  closeCode: 2001,
  recordingId: id(80),
  ...changes,
});

export const certificate = (changes: Record<string, unknown> = {}) => ({
  serial: '7a24eca9845b8b7c97ca2266780398c8',
  identity: `spiffe://labmesh.internal/user/${id(3)}`,
  kind: 'user',
  name: 'alice',
  keyHash: 'f'.repeat(64),
  issuerKey: 'e'.repeat(64),
  notBefore: at(-60),
  notAfter: at(600),
  issuedBy: 'user:alice',
  revokedAt: null,
  ...changes,
});

export const replica = (changes: Record<string, unknown> = {}) => ({
  id: id(9),
  version: '0.1.0',
  startedAt: at(-90),
  seenAt: at(-1),
  live: true,
  agentUrl: 'https://127.0.0.1:3101',
  ...changes,
});

export const bastion = (changes: Record<string, unknown> = {}) => ({
  id: id(10),
  name: 'lab',
  url: 'http://10.0.0.2:8088',
  lastSeenAt: at(-1),
  createdAt: at(-600),
  ...changes,
});

export const machine = (changes: Record<string, unknown> = {}) => ({
  id: id(11),
  bastion: 'lab',
  mac: '52:54:00:ab:cd:ef',
  hostname: 'node-1',
  role: 'worker',
  state: 'installed',
  updatedAt: at(-1),
  ...changes,
});

export const auditRow = (seq: number, changes: Partial<AuditRow> = {}): AuditRow => ({
  seq,
  chain: id(9),
  keyId: 'k1',
  at: at(-2),
  phase: 'single',
  principal: { kind: 'user', id: id(3), name: 'alice' },
  action: 'create-token',
  resource: 'token/lmj_0a1b2c3d',
  resourceId: id(7),
  result: 'ok',
  prevHash: 'a'.repeat(64),
  hash: 'b'.repeat(64),
  ...changes,
});

export const caStatus = (changes: Record<string, unknown> = {}) => ({
  phase: 'standby',
  phaseSince: at(-600),
  trustDomain: 'labmesh.internal',
  rootMode: 'local',
  pins: [`sha256:${'c'.repeat(64)}`],
  keys: [{ id: id(20), role: 'root', phase: 'active', notAfter: at(60 * 24 * 3649), keyHash: 'c'.repeat(64) }],
  bundleDigest: 'd'.repeat(64),
  behind: [],
  warnings: [],
  ...changes,
});

export const health = (changes: Record<string, unknown> = {}) => ({
  status: 'ok',
  version: '0.1.0',
  replicaId: id(9),
  uptimeS: 5_400,
  database: { engine: 'sqlite', status: 'ok', latencyMs: 0.24 },
  agents: { connected: 3, known: 4 },
  replicas: [replica()],
  audit: { headSeq: 42, lagMs: 0 },
  ca: { phase: 'standby', notAfter: at(60 * 24 * 300) },
  loopDelayP99Ms: 1.234,
  ...changes,
});
