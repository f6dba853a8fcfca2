/** `labman join` (network plane N2): the onboarding string becomes settings and a token file. Nothing is sent. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join as joinPath } from 'node:path';
import { parseJson } from '@labmesh/kit/parse-json';
import { writePrivateFile, writeWholeFile } from '@labmesh/kit/saved-file';
import { fingerprintInput, wireguardKeyField } from '@labmesh/wire/tunnel';
import { z } from 'zod';
import { groupedFingerprint } from '@labmesh/tunnel/tunnel-text';
import { LabmandError } from './ask-labmand.ts';
import type { Verb } from './verb.ts';

const onboardingSchema = z.object({
  url: z.url({ protocol: /^https?$/ }),
  token: z.string().min(1).max(256),
  ca_sha256: fingerprintInput.optional(),
  wg_public_key: wireguardKeyField.optional(),
  rp_sha256: fingerprintInput.optional(),
});
export type Onboarding = z.infer<typeof onboardingSchema>;

const textMax = 4_096;
const usage = 2;

/** `labmesh-node:1:` and base64url JSON. @throws LabmandError (exit 2), without the text: it holds a token */
export function parseOnboarding(text: string): Onboarding {
  const [, body] = /^labmesh-node:1:([\w-]+)$/.exec(text.trim().slice(0, textMax)) ?? [];
  const json = body === undefined ? undefined : parseJson(Buffer.from(body, 'base64url').toString('utf8'));
  const parsed = onboardingSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new LabmandError(
    'this is no onboarding string (labmesh-node:1:…); `labctl node token create` prints one',
    usage,
  );
}

/** The tables that join a Conplane, TOML; `under` is '' in a classic file, else `labman.` */
export function joinTables(
  { url, ca_sha256, wg_public_key, rp_sha256 }: Onboarding,
  tokenFile: string,
  under: '' | 'labman.',
): string {
  const base = new URL(url);
  if (base.pathname === '/') base.pathname = '/api/v1';
  const line = (key: string, value: string | undefined) =>
    value === undefined ? [] : [`${key} = ${JSON.stringify(value)}`];
  const hub = [...line('peer_public_key', wg_public_key)];
  const lines = [
    `[${under}control_plane]`,
    ...line('base_url', base.href),
    ...line('node_token_file', tokenFile),
    ...line('ca_sha256', ca_sha256?.replace('sha256:', '')),
    '',
    `[${under}wireguard]`,
    ...hub,
    ...(rp_sha256 === undefined ? [] : ['', `[${under}wireguard.rosenpass]`, ...line('peer_sha256', rp_sha256)]),
  ];
  return `${lines.join('\n')}\n`;
}

/** What every new file begins with. */
const head = `# Settings of labmand. Name the servers that this site offers, each with such an entry:
#
# [[labman.endpoints]]
# name = "ollama"
# base_url = "http://127.0.0.1:11434/v1"

`;

/** Whether settings of a node stand below `[labman]`; those of the earlier program stand at the top. */
const hasOwnTable = (text: string) => /^\s*\[{1,2}\s*labman\b/m.test(text);

export type Joined = { config: string; tokenFile: string; onboarding: Onboarding };

/** Writes settings (0644) and token (0600). @throws LabmandError when the settings name a Conplane or tunnel already */
export function joinConplane(text: string, config: string): Joined {
  const onboarding = parseOnboarding(text);
  const tokenFile = joinPath(dirname(config), 'node.token');
  const old = existsSync(config) ? readFileSync(config, 'utf8') : undefined;
  const taken = /^\s*\[\s*((?:labman\.)?(?:control_plane|wireguard))\b/m.exec(old ?? '')?.[1];
  if (taken !== undefined) {
    throw new LabmandError(`${config} has [${taken}] already; remove its tables first, then join again`, 8);
  }
  writePrivateFile(tokenFile, `${onboarding.token}\n`);
  const tables = joinTables(onboarding, tokenFile, old === undefined || hasOwnTable(old) ? 'labman.' : '');
  // Keys of endpoints may stand in it: what was closed stays closed.
  const mode = old === undefined ? 0o644 : statSync(config).mode & 0o777;
  writeWholeFile(config, old === undefined ? head + tables : `${old.trimEnd()}\n\n${tables}`, mode);
  return { config, tokenFile, onboarding };
}

/** Q7. */
const modeText =
  'mode       strict once the hub’s Rosenpass key is known; with require_pq = false below [wireguard] it is permissive, ' +
  'and whoever can drop UDP 9999 can force it to plain WireGuard\n';

export const join: Verb = async ({ flags: { tokenFile, config }, print }) => {
  if (tokenFile === undefined) throw new LabmandError('labman join --token-file FILE (- for stdin)', usage);
  const text = readFileSync(tokenFile === '-' ? 0 : tokenFile, 'utf8');
  const { onboarding, config: path, tokenFile: kept } = joinConplane(text, config ?? '/etc/labman/labman.toml');
  print(`${path} and ${kept} written\n`);
  print(`Conplane   ${onboarding.url}${onboarding.ca_sha256 === undefined ? '' : `, CA ${onboarding.ca_sha256}`}\n`);
  if (onboarding.rp_sha256 !== undefined) print(`hub        Rosenpass ${groupedFingerprint(onboarding.rp_sha256)}\n`);
  if (onboarding.wg_public_key !== undefined) print(`hub        WireGuard ${onboarding.wg_public_key}\n`);
  print(modeText);
  print('next: name your servers (the file shows how), then start labmand\n');
  return 0;
};
