/**
 * LIMITS of a rule (RB-1): accounts for exec and copy, HOST:PORT for forward.
 *
 *     as deploy,www-data        as *             any account
 *     as localhost:*            as db-*:5432     as [::1]:22
 *
 * Without limits an allow lets every account in but forwards only to the server's own loopback (PF-1); a deny without
 * limits covers every account and every address.
 */
import type { Verb } from '@labmesh/wire/fleet/access-words';
import { compileGlob, globContains } from './name-glob.ts';
import { quoted, type TextReader } from './text-reader.ts';

/** `host` as written, lower case, IPv6 without brackets; `port` is `*` or a number. */
export type LimitEntry = { account: string } | { host: string; port: number | '*' };

/** What a call asks for beside the target. */
export type Limit = { account?: string } | { forward?: string };

const accountVerbs: ReadonlySet<string> = new Set(['exec', 'exec-unrecorded', 'attach', 'copy-in', 'copy-out']);
export const takesAccount = (verb: Verb): boolean => accountVerbs.has(verb);
export const takesForward = (verb: Verb): boolean => verb === 'forward';
/** Words for errors. */
export const limitedVerbs = [...accountVerbs, 'forward'];

const entriesMax = 64;
const accountPattern = /^(?:\*|[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}\$?)$/;
const forwardPattern = /^(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.*_-]{1,253}):(\*|[0-9]{1,5})$/;

/** The account that exec and copy use when none is named (EX-2). */
const defaultAccount = 'root';

function readEntry(reader: TextReader): LimitEntry {
  reader.skipSpaces();
  const word = reader.match(/[^ \t,]+/y);
  if (accountPattern.test(word)) return { account: word };
  const [, host = '', port = ''] = forwardPattern.exec(word) ?? [];
  if (host === '' || (port !== '*' && (Number(port) < 1 || Number(port) > 65_535)))
    throw reader.fail('limits', `${quoted(word)} is neither an account nor HOST:PORT`);
  return { host: host.toLowerCase().replace(/^\[|\]$/g, ''), port: port === '*' ? '*' : Number(port) };
}

/** Reads the list after `as`. @throws FleetError VALIDATION_FAILED. */
export function readLimits(reader: TextReader): LimitEntry[] {
  const found = new Map<string, LimitEntry>();
  do {
    const entry = readEntry(reader);
    found.set(printLimit(entry), entry);
    if (found.size > entriesMax) throw reader.fail('limits', `has more than ${entriesMax} entries`);
    reader.skipSpaces();
  } while (reader.take(','));
  return [...found.values()];
}

/** One entry as text. */
export function printLimit(entry: LimitEntry): string {
  if ('account' in entry) return entry.account;
  return `${entry.host.includes(':') ? `[${entry.host}]` : entry.host}:${entry.port}`;
}

const loopback = 'localhost';

/** `::ffff:7f00:1` → `127.0.0.1`; undefined for other addresses. */
function mappedIpv4(host: string): string | undefined {
  const found = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(host);
  if (found === null) return undefined;
  const word = (index: number) => Number.parseInt(found[index] ?? '0', 16);
  return [word(1) >> 8, word(1) & 255, word(2) >> 8, word(2) & 255].join('.');
}

/**
 * One spelling per host: addresses in their shortest form (`0x7f.1`, `2130706433` and `::ffff:127.0.0.1` are all
 * loopback), names in lower case without a final dot. Every way to the server itself is `localhost`, so that no
 * spelling gets round a deny.
 */
export function canonicalHost(host: string): string {
  const plain = host.toLowerCase().replace(/^\[|\]$/g, '');
  if (plain.includes('*')) return plain;
  const url = URL.parse(`http://${plain.includes(':') ? `[${plain}]` : plain}/`);
  const name = url?.hostname.replace(/\.$/, '') ?? plain;
  const address = mappedIpv4(name) ?? name;
  const own = address === loopback || address === '[::1]' || address === '[::]' || address === '0.0.0.0';
  if (own || /^127(?:\.\d{1,3}){3}$/.test(address) || address.endsWith('.localhost')) return loopback;
  return address.replace(/^\[|\]$/g, '');
}

type Wanted = { host: string; port: number | '*' };

/** `host:port` of a call; undefined when it is none, which matches no allow. */
function parseForward(text: string): Wanted | undefined {
  const at = text.lastIndexOf(':');
  const port = Number(text.slice(at + 1));
  if (at < 1 || !/^\d{1,5}$/.test(text.slice(at + 1)) || port < 1 || port > 65_535) return undefined;
  return { host: canonicalHost(text.slice(0, at)), port };
}

const portCovers = (outer: number | '*', inner: number | '*') => outer === '*' || outer === inner;

export type LimitTest = (limit: Limit | undefined) => boolean;

function accountTest(accounts: ReadonlySet<string>): LimitTest {
  return (limit) => {
    const account = limit !== undefined && 'account' in limit ? limit.account : undefined;
    return accounts.has('*') || accounts.has(account ?? defaultAccount);
  };
}

/** A glob that covers an address of the loopback covers its one name, too. */
function hostTest(pattern: string): (host: string) => boolean {
  const matches = compileGlob(pattern);
  const own = pattern.includes('*') && (matches('127.0.0.1') || matches('::1'));
  return (host) => matches(host) || (own && host === loopback);
}

function forwardTest(effect: 'allow' | 'deny', entries: readonly Wanted[]): LimitTest {
  const hosts = entries.map(({ host, port }) => ({ port, matches: hostTest(canonicalHost(host)) }));
  return (limit) => {
    const text = limit !== undefined && 'forward' in limit ? limit.forward : undefined;
    // Asked in general (`can-i forward`), it means the loopback, whatever the port.
    const wanted: Wanted | undefined = text === undefined ? { host: loopback, port: '*' } : parseForward(text);
    if (wanted === undefined) return effect === 'deny';
    if (hosts.length === 0) return effect === 'deny' || wanted.host === loopback;
    return hosts.some(({ matches, port }) => portCovers(port, wanted.port) && matches(wanted.host));
  };
}

const always: LimitTest = () => true;

/** How a rule's limits judge a call of `verb`. */
export function compileLimits(effect: 'allow' | 'deny', limits: readonly LimitEntry[]): (verb: Verb) => LimitTest {
  const accounts = new Set(limits.flatMap((entry) => ('account' in entry ? [entry.account] : [])));
  const forwards = limits.flatMap((entry) => ('host' in entry ? [entry] : []));
  const byAccount = accounts.size === 0 ? always : accountTest(accounts);
  const byForward = forwardTest(effect, forwards);
  return (verb) => (takesForward(verb) ? byForward : takesAccount(verb) ? byAccount : always);
}

type Side = { effect: 'allow' | 'deny'; limits: readonly LimitEntry[] };

/** The forwards that a side covers, its default spelled out. */
function forwardsOf(side: Side): Wanted[] {
  const named = side.limits.flatMap((entry) => ('host' in entry ? [entry] : []));
  if (named.length > 0) return named.map(({ host, port }) => ({ host: canonicalHost(host), port }));
  return [{ host: side.effect === 'deny' ? '*' : loopback, port: '*' }];
}

function accountsOf(side: Side): string[] {
  const named = side.limits.flatMap((entry) => ('account' in entry ? [entry.account] : []));
  return named.length === 0 ? ['*'] : named;
}

/** Whatever `inner` covers for the verb, `outer` covers, too. May be a wrong no, never a wrong yes. */
export function limitsContain(verb: Verb, outer: Side, inner: Side): boolean {
  if (takesForward(verb)) {
    return forwardsOf(inner).every((one) =>
      forwardsOf(outer).some((other) => globContains(other.host, one.host) && portCovers(other.port, one.port)),
    );
  }
  if (!takesAccount(verb)) return true;
  const accounts = accountsOf(outer);
  return accounts.includes('*') || accountsOf(inner).every((one) => accounts.includes(one));
}

/** Both may cover one and the same call of the verb. May be a wrong yes, never a wrong no. */
export function limitsMayMeet(verb: Verb, a: Side, b: Side): boolean {
  if (takesForward(verb)) {
    const ports = (x: Wanted, y: Wanted) => portCovers(x.port, y.port) || portCovers(y.port, x.port);
    const hosts = (x: Wanted, y: Wanted) => x.host === y.host || `${x.host}${y.host}`.includes('*');
    return forwardsOf(a).some((x) => forwardsOf(b).some((y) => ports(x, y) && hosts(x, y)));
  }
  if (!takesAccount(verb)) return true;
  const others = accountsOf(b);
  return accountsOf(a).some((one) => one === '*' || others.includes('*') || others.includes(one));
}
