/**
 * The keys of `~/.labctl/config.yaml` (CT-3), declared once: type, default, help and environment name. Each but
 * `currentContext` may also stand below `contexts.<name>`, where it holds for that context only.
 */
import { didYouMean } from '@labmesh/kit/nearest';
import { durationExpectation, parseDuration } from '../grammar/duration.ts';

export const outputFormats = ['table', 'wide', 'json', 'yaml', 'ndjson', 'name'] as const;
export type OutputFormat = (typeof outputFormats)[number];
export const colourModes = ['auto', 'always', 'never'] as const;

type KeyDef = {
  help: string;
  default?: string;
  /** What a value must be; undefined from `fits` = not valid. */
  expected: string;
  fits: (value: string) => boolean;
  /** For completion. */
  choices?: readonly string[];
};

const oneOf = (choices: readonly string[]) => ({
  expected: `one of ${choices.join(', ')}`,
  fits: (value: string) => choices.includes(value),
  choices,
});
const text = (expected: string, pattern: RegExp) => ({ expected, fits: (value: string) => pattern.test(value) });

/** An origin: scheme, host and port. A path or a password in it would be sent nowhere, or to the log. */
const origin = (schemes: readonly string[]) => ({
  expected: `an address such as ${schemes.at(-1)}//host:port`,
  fits: (value: string) => {
    if (!URL.canParse(value) || value.length > 2048) return false;
    const { protocol, pathname, search, hash, username, password } = new URL(value);
    return schemes.includes(protocol) && pathname === '/' && `${search}${hash}${username}${password}` === '';
  },
});

/** JT-6: several pins by comma while the CA is rotated. */
const pins = text('sha256: and 64 hex digits, several by comma', /^sha256:[0-9a-f]{64}(?:,sha256:[0-9a-f]{64}){0,7}$/i);

/** Also the name of its credentials file, so it holds nothing that means something in a path or in a dotted key. */
export const contextPattern = /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62})$/;
export const contextExpectation = 'a name of letters, digits, - and _, at most 63';

export const configKeys = {
  'labd.url': { help: 'where labd answers', ...origin(['https:']) },
  'labd.caPin': { help: "pin of labd's root certificate", ...pins },
  'bastion.url': { help: 'where bastion answers', default: 'http://127.0.0.1:8088', ...origin(['https:', 'http:']) },
  output: { help: 'form of what is printed', default: 'table', ...oneOf(outputFormats) },
  color: { help: 'colours', default: 'auto', ...oneOf(colourModes) },
  timeout: {
    help: 'longest time for one request',
    default: '30s',
    expected: durationExpectation,
    fits: (value: string) => (parseDuration(value) ?? 0) > 0,
  },
  'ssh.user': { help: 'account for emergency ssh', ...text('the name of an account', /^[a-z_][a-z0-9_.-]{0,31}\$?$/i) },
  'ssh.keyFile': { help: 'key for emergency ssh', ...text('the path of a file', /^[^\0]{1,4096}$/) },
  currentContext: {
    help: 'the context that is used without --context',
    default: 'default',
    ...text(contextExpectation, contextPattern),
  },
} as const satisfies Record<string, KeyDef>;

export type ConfigKey = keyof typeof configKeys;
export const configKeyNames = Object.keys(configKeys) as readonly ConfigKey[];

export const keyDef = (key: ConfigKey): KeyDef => configKeys[key];

/** CT-4: `labd.caPin` → `LABCTL_LABD_CA_PIN`. */
export const envName = (key: ConfigKey): string =>
  `LABCTL_${key
    .replaceAll('.', '_')
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .toUpperCase()}`;

/** A place in the file: a key of all contexts, or of one. `key` undefined = the context itself. */
export type ConfigPlace = { context: string | undefined; key: ConfigKey | undefined; path: readonly string[] };

const isKey = (text: string): text is ConfigKey => Object.hasOwn(configKeys, text);

/** What is wrong with a dotted key, for the message: the nearest key. */
const unknownKey = (text: string): string => `unknown key ${JSON.stringify(text)}${didYouMean(text, configKeyNames)}`;

/** `labd.url`, `contexts.prod.labd.url`, `contexts.prod`. Gives the text of the problem for anything else. */
export function parsePlace(text: string): ConfigPlace | { problem: string } {
  if (isKey(text)) return { context: undefined, key: text, path: text.split('.') };
  if (!text.startsWith('contexts.')) return { problem: unknownKey(text) };
  const [, context = '', ...rest] = text.split('.');
  if (!contextPattern.test(context)) {
    return {
      problem: `the name of the context in ${JSON.stringify(text)} is not valid: expected ${contextExpectation}`,
    };
  }
  const key = rest.join('.');
  if (rest.length === 0) return { context, key: undefined, path: ['contexts', context] };
  if (!isKey(key)) return { problem: unknownKey(key) };
  if (key === 'currentContext') return { problem: 'currentContext is not a key of a context' };
  return { context, key, path: ['contexts', context, ...rest] };
}
