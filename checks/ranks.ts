/**
 * Who may import whom. An import goes to a lower rank; packages of one rank know each other only by a pair named here,
 * and daemons never do: they meet in wire. Inside a workspace with an order, imports point from left to right.
 */
import type { Edge } from './imports.ts';
import { workspaceOf } from './sources.ts';

export const ranks: Readonly<Record<string, number>> = {
  'packages/wire': 0,
  'packages/attest': 1,
  'packages/kit': 1,
  'packages/pki': 1,
  'packages/inference': 2,
  'packages/store': 2,
  'packages/link': 2,
  'packages/rosenpass': 2,
  'packages/sandbox': 2,
  'packages/wireguard': 2,
  'packages/tunnel': 2,
  'daemons/agent': 3,
  'daemons/arena': 3,
  'daemons/executor': 3,
  'daemons/gateway': 3,
  'daemons/labd': 3,
  'daemons/labman': 3,
  'daemons/portman': 3,
  'apps/labctl': 4,
};

/** Top folders that may import everything; nothing outside them imports them, save a test beside its source. */
export const observers: readonly string[] = ['tests', 'checks', 'bench', 'tools', 'models', 'interop'];

export type Pair = { from: string; to: string; reason: string };

/** Pairs of one rank that may import each other, in the direction named. Never daemons. */
export const sameRankPairs: readonly Pair[] = [
  {
    from: 'packages/tunnel',
    to: 'packages/rosenpass',
    reason: 'joins the exchange to the device for labman and labd; the two packages know nothing of each other',
  },
  { from: 'packages/tunnel', to: 'packages/wireguard', reason: 'the other half of the same' },
];

/** Folders below src, left to right: each may import those to its right. Files directly in src stand left of all. */
export const folderOrder: Readonly<Record<string, readonly string[]>> = {
  'packages/inference': ['relay', 'choose', 'watch', 'load', 'discovery', 'probe', 'registry'],
  'daemons/arena': [
    'serve',
    'runs',
    'certify',
    'pairs',
    'tournament',
    'judges',
    'ratings',
    'generate',
    'verify',
    'suites',
    'rows',
    'contract',
  ],
  'daemons/labd': [
    'compose',
    'api',
    'reconcile',
    'backup',
    'relay',
    'tunnel',
    'nodes',
    'hub',
    'enrol',
    'login',
    'ca',
    'access',
    'recordings',
    'audit',
    'events',
    'limits',
    'secrets',
    'settings',
  ],
};

export type RankRules = {
  ranks: typeof ranks;
  observers: typeof observers;
  sameRankPairs: typeof sameRankPairs;
  folderOrder: typeof folderOrder;
};

const isTest = (path: string) => /\.test\.tsx?$/.test(path);

function acrossWorkspaces(edge: Edge, from: string, to: string, rules: RankRules): string | undefined {
  const at = `${edge.from}:${edge.line}: imports ${edge.to}`;
  if (rules.observers.includes(from)) return undefined;
  if (rules.observers.includes(to)) {
    return isTest(edge.from) && to === 'tests' ? undefined : `${at}: nothing but tests imports ${to}/`;
  }
  const [high, low] = [rules.ranks[from], rules.ranks[to]];
  if (high === undefined) return `${at}: ${from || 'the root'} has no rank in checks/ranks.ts`;
  if (low === undefined) return `${at}: ${to || 'the root'} has no rank in checks/ranks.ts`;
  if (edge.specifier.startsWith('.')) return `${at}: cross-package imports are written @labmesh/<package>/<path>`;
  if (low < high) return undefined;
  const daemons = from.startsWith('daemons/') && to.startsWith('daemons/');
  if (daemons) return `${at}: daemons never import each other, they meet in packages/wire`;
  const named = rules.sameRankPairs.some((pair) => pair.from === from && pair.to === to);
  if (low === high && named) return undefined;
  return `${at}: rank ${high} (${from}) may not import rank ${low} (${to})`;
}

function insideWorkspace(edge: Edge, workspace: string, rules: RankRules): string | undefined {
  const order = rules.folderOrder[workspace];
  if (order === undefined) return undefined;
  const place = (path: string) => {
    const [folder, below] = path.slice(`${workspace}/src/`.length).split('/');
    return below === undefined ? -1 : order.indexOf(folder ?? '');
  };
  if (place(edge.from) <= place(edge.to)) return undefined;
  return `${edge.from}:${edge.line}: imports ${edge.to}: inside ${workspace} imports only go ${order.join(' > ')}`;
}

/** What one edge does against the rules, or undefined. */
export function rankFinding(edge: Edge, rules: RankRules): string | undefined {
  if (edge.kind !== 'file') return undefined;
  const [from, to] = [workspaceOf(edge.from), workspaceOf(edge.to)];
  return from === to ? insideWorkspace(edge, from, rules) : acrossWorkspaces(edge, from, to, rules);
}
