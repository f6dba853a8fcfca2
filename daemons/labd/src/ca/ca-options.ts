/** What the authority is told by the configuration (`[ca]`), with the defaults of the spec. Times in ms. */
import { isIP } from 'node:net';
import { isTrustDomain } from '@labmesh/pki/spiffe-id';

const hour = 3_600_000;
const day = 24 * hour;

export type RootMode = 'local' | 'offline';

export type CaOptions = {
  trustDomain: string;
  /** Names and hosts that labd's certificates may carry, with their subdomains; addresses among them are left out. */
  dnsNames: readonly string[];
  rootMode: RootMode;
  /** Where the root key is written, once, with `offline`. */
  rootFile?: string | undefined;
  rootTtlMs: number;
  intermediateTtlMs: number;
  backdateMs: number;
  /** Shortest phase of a rotation (CA-10). */
  phaseMinMs: number;
  /** How long the old root's keys live after a rotation (CA-11). */
  keepOldMs: number;
  crlEveryMs: number;
  crlLifeMs: number;
  /** How often another replica's changes are looked for. */
  pollMs: number;
  /** How often the work that is due is done: lists, renewal, destruction. */
  tickMs: number;
  /** Owner of the lease; one name a replica. */
  owner: string;
};

const defaults: CaOptions = {
  trustDomain: 'labmesh.internal',
  dnsNames: [],
  rootMode: 'local',
  rootTtlMs: 3_650 * day,
  intermediateTtlMs: 365 * day,
  backdateMs: 5 * 60_000,
  phaseMinMs: 10 * 60_000,
  keepOldMs: 90 * day,
  crlEveryMs: hour,
  crlLifeMs: day,
  pollMs: 1_000,
  tickMs: 60_000,
  owner: '',
};

/** The CA in the store and the configuration do not fit; the operator has to act. `message` is the line to show. */
export class AuthorityRefused extends Error {
  readonly exitCode: 3 | 78;
  constructor(exitCode: 3 | 78, message: string) {
    super(message);
    this.name = 'AuthorityRefused';
    this.exitCode = exitCode;
  }
}

/** Host names as name constraints take them: lower case, no address, no port, each once, `localhost` always. */
function constraintNames(names: readonly string[]): string[] {
  const hosts = names.map((name) =>
    name
      .trim()
      .toLowerCase()
      .replace(/^\*?\./, ''),
  );
  const usable = hosts.filter((name) => /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name) && isIP(name) === 0);
  return [...new Set(['localhost', ...usable])];
}

/** @throws AuthorityRefused for options that cannot be followed. */
export function caOptions(given: Partial<CaOptions> = {}): CaOptions {
  const told = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const options: CaOptions = { ...defaults, owner: crypto.randomUUID(), ...told };
  if (!isTrustDomain(options.trustDomain)) throw new AuthorityRefused(3, 'ca.trust_domain: not a host name');
  return { ...options, dnsNames: constraintNames(options.dnsNames) };
}

/** Whether a name lies in one of the permitted subtrees. */
export const isPermitted = (name: string, permitted: readonly string[]): boolean =>
  permitted.some((base) => name === base || name.endsWith(`.${base}`));
