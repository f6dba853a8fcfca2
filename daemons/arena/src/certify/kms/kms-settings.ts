/** Where keys of certificates are kept by a service (verification CT6), as the arena and `labctl cert` are told: `attest.kms_…`. */
import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import type { Origin } from '@labmesh/kit/http/client';
import { defineOptions, OptionsError } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';

export const kmsOptions = defineOptions({
  kmsUrl: {
    type: 'string',
    file: 'attest.kms_url',
    placeholder: 'URL',
    help: 'service that keeps the signing keys and signs, with the API of Vault Transit: https://HOST[:PORT], or unix:/PATH; default: the key file',
  },
  kmsMount: {
    type: 'string',
    default: 'transit',
    file: 'attest.kms_mount',
    placeholder: 'PATH',
    help: 'mount of Transit there',
  },
  kmsKey: {
    type: 'string',
    default: 'labmesh',
    file: 'attest.kms_key',
    placeholder: 'NAME',
    help: 'head of the names of its three ed25519 keys: NAME-certificate, NAME-revocation, NAME-log',
  },
  kmsCaFile: {
    type: 'string',
    file: 'attest.kms_ca_file',
    placeholder: 'FILE',
    help: 'PEM of the authority that signs its certificate; default those of the system',
  },
  kmsTokenFile: {
    type: 'string',
    file: 'attest.kms_token_file',
    placeholder: 'FILE',
    help: 'its token; read for each call, so that an agent may renew it',
  },
  kmsToken: { type: 'string', env: 'ATTEST_KMS_TOKEN', envFile: true, secret: true, help: 'the token itself' },
});
export type KmsOptionValues = OptionValues<typeof kmsOptions>;

/** Their keys in the file, for who reads these and nothing else of it. */
export const kmsFileKeys: readonly string[] = Object.values(kmsOptions).flatMap((one) =>
  'file' in one ? [one.file.replace(/^attest\./, '')] : [],
);

export type KmsSettings = {
  origin: Origin;
  mount: string;
  /** Head of the names of its keys. */
  key: string;
  /** `file` is read for each call; neither: an agent at the socket adds one. */
  token: { file?: string | undefined; text?: string | undefined };
};

const word = String.raw`[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}`;
const [namePattern, mountPattern] = [new RegExp(`^${word}$`), new RegExp(`^${word}(?:/${word}){0,7}$`)];
const loopback: readonly string[] = ['127.0.0.1', '[::1]', 'localhost'];

/** @param found what stood there; of an address no more than its origin */
const wrong = (key: string, found: string, expected: string) =>
  new OptionsError({
    source: 'labmesh.toml',
    key: `attest.${key}`,
    found: JSON.stringify(found),
    expected,
    exitCode: 3,
  });

function authority(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw wrong('kms_ca_file', path, 'a PEM file that can be read');
  }
}

/**
 * Of an address what cannot be a secret. With a name or a password in it that is the scheme alone: a slash in one makes it the
 * host's name for a parser.
 */
function shownUrl(text: string): string {
  const scheme = /^[a-z][a-z0-9+.-]{0,19}:/i.exec(text)?.[0] ?? '';
  if (text.includes('@') || !URL.canParse(text)) return `${scheme}…`;
  const { host } = new URL(text);
  return host === '' ? `${scheme}…` : `${scheme}//${host}`;
}

/** Without TLS on this machine alone, as to an agent: the token goes along. */
function originOf(text: string, caFile: string | undefined): Origin {
  const bad = wrong('kms_url', shownUrl(text), 'https://HOST[:PORT], unix:/PATH, or http:// on a loopback address');
  if (text.startsWith('unix:')) {
    const socketPath = text.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
    if (!isAbsolute(socketPath)) throw bad;
    return { host: 'localhost', port: 80, tls: false, socketPath };
  }
  if (!URL.canParse(text)) throw bad;
  const { protocol, hostname, port, pathname, search, hash, username, password } = new URL(text);
  if (pathname !== '/' || [search, hash, username, password].some((part) => part !== '')) throw bad;
  const tls = protocol === 'https:';
  if (!tls && (protocol !== 'http:' || !loopback.includes(hostname))) throw bad;
  const host = hostname.replace(/^\[|\]$/g, '');
  return { host, port: port === '' ? (tls ? 443 : 80) : Number(port), tls, tlsCa: authority(caFile) };
}

/** undefined: keys are in the key file. @throws OptionsError (exit 3) */
export function readKmsSettings(values: KmsOptionValues): KmsSettings | undefined {
  const { kmsUrl, kmsMount: mount, kmsKey: key, kmsCaFile, kmsTokenFile: file, kmsToken: text } = values;
  if (kmsUrl === undefined) return undefined;
  if (!mountPattern.test(mount)) throw wrong('kms_mount', mount, 'a path of plain words');
  if (!namePattern.test(key)) throw wrong('kms_key', key, 'a name of letters, digits, dots, dashes');
  return { origin: originOf(kmsUrl, kmsCaFile), mount, key, token: { file, text } };
}
