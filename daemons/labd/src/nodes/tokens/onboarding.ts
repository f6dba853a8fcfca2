/** What an operator carries to a new node: where labd is, the token, and pins of everything the node will meet (N2). */
import { shellWord, withSecretOnStdin } from '../../login/login-command.ts';
import type { HubAddress } from '../node-tunnel.ts';

export type OnboardingTarget = {
  /** `https://host:port` of the listener for nodes. */
  url: string;
  /** Pin of the CA that its certificate comes from; undefined: one that everybody trusts. */
  caPin: string | undefined;
  hub: HubAddress | undefined;
};

/** `labmesh-node:1:` and base64url of the JSON; holds the token. */
export function onboardingText(token: string, { url, caPin, hub }: OnboardingTarget): string {
  const json = JSON.stringify({
    url,
    token,
    ...(caPin !== undefined && { ca_sha256: caPin }),
    ...(hub !== undefined && { wg_public_key: hub.wireguardPublicKey, rp_sha256: hub.rosenpassSha256 }),
  });
  return `labmesh-node:1:${Buffer.from(json).toString('base64url')}`;
}

/** The line for the node's machine; the string comes by stdin, so that it stands in no process list. */
export const nodeJoinCommand = (onboarding: string): string =>
  withSecretOnStdin(onboarding, `sudo ${shellWord('labman')} join --token-file -`);
