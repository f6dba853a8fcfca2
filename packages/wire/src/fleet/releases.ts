/**
 * Releases of lab-agent (AG-8): how one is named, what its signature covers, and how labd wishes for one. labd hands
 * releases on and cannot make them: each agent has the public half of the release key in its own settings.
 */
import { z } from 'zod';

/** A version, as a word that is safe as a folder's name: `0.2.0`, `1.0.0-rc.1`. */
export const releaseVersionField = z
  .string()
  .regex(/^[0-9][0-9A-Za-z.+-]{0,63}$/, 'is not a version: 0.2.0, 1.0.0-rc.1');

/** Machine and C library that a build is for; glibc unless it says musl. */
export const releaseArches = ['x64', 'arm64', 'x64-musl', 'arm64-musl'] as const;
export type ReleaseArch = (typeof releaseArches)[number];

/** Largest file that is handed out or taken. */
export const releaseBytesMax = 512 * 1024 * 1024;

/** What the release key signs (Ed25519): another version, machine or content is another text. `sha256` is hex. */
export const releaseText = (version: string, arch: string, sha256: string): string =>
  `labmesh-release-v1\n${version}\n${arch}\n${sha256}`;

/** Name of a release's file in its folder; its signature (base64) stands beside it with `.sig`. */
export const releaseFile = (arch: string): string => `lab-agent-linux-${arch}`;

/** MSG `desired` of labd to an agent: the version it should run. */
export const agentDesiredSchema = z.object({
  kind: z.literal('agent'),
  version: releaseVersionField,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** base64 of 64 bytes. */
  signature: z.string().regex(/^[A-Za-z0-9+/]{86}==$/),
  /** For the log: whom the rollout is for. */
  ring: z.string().max(253).nullable(),
  /** Sessions end for it, in place of being waited for. */
  now: z.boolean(),
  /** Also when the agent's own version is newer. */
  downgrade: z.boolean(),
});
export type AgentDesired = z.infer<typeof agentDesiredSchema>;

/** How updates go on an agent; `off`: its settings or the way it is installed allow none. */
export const updateStates = ['off', 'idle', 'fetching', 'waiting', 'trial'] as const;
export const updateStateField = z.enum(updateStates);
export type UpdateState = z.infer<typeof updateStateField>;

/** Most versions that are remembered as bad. */
export const badVersionsMax = 64;

type Parsed = { numbers: number[]; pre: string[] };

function parseVersion(text: string): Parsed {
  // What follows + names a build and orders nothing (SemVer 2.0.0, 10).
  const [main = '', ...rest] = (text.split('+')[0] ?? '').split('-');
  const pre = rest.join('-');
  return {
    numbers: main.split('.').map((part) => Number.parseInt(part, 10) || 0),
    pre: pre === '' ? [] : pre.split('.'),
  };
}

function compareParts(a: string, b: string): number {
  const numeric = [a, b].map((part) => /^\d+$/.test(part));
  if (numeric[0] === true && numeric[1] === true) return Number(a) - Number(b);
  if (numeric[0] !== numeric[1]) return numeric[0] === true ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Order of two versions (SemVer 2.0.0, 11): below 0 when `a` is older. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [parseVersion(a), parseVersion(b)];
  for (let at = 0; at < Math.max(x.numbers.length, y.numbers.length); at++) {
    const difference = (x.numbers[at] ?? 0) - (y.numbers[at] ?? 0);
    if (difference !== 0) return difference;
  }
  // A version before a release is older than the release.
  if (x.pre.length === 0 || y.pre.length === 0) return y.pre.length - x.pre.length;
  for (let at = 0; at < Math.max(x.pre.length, y.pre.length); at++) {
    const [p, q] = [x.pre[at], y.pre[at]];
    if (p === undefined || q === undefined) return p === undefined ? -1 : 1;
    const difference = compareParts(p, q);
    if (difference !== 0) return difference;
  }
  return 0;
}
