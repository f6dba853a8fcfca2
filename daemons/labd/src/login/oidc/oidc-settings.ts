/** What `[login]` says of the OpenID Connect provider (ID-4). */
import { readSettingFile, wrongSetting } from '../../settings/wrong-setting.ts';
import { issuerUrl, type OidcSettings } from './oidc-provider.ts';

export type OidcOptions = {
  loginMethods: readonly string[];
  oidcIssuer: string | undefined;
  oidcClientId: string | undefined;
  oidcClientSecretFile: string | undefined;
  oidcGroupsClaim: string;
};

/**
 * Undefined: nobody logs in by it. The secret is read here.
 * @throws OptionsError (exit 3) for what is missing; FleetError VALIDATION_FAILED for an issuer that is no https URL
 */
export function oidcSettings(options: OidcOptions): OidcSettings | undefined {
  const { oidcIssuer: issuer, oidcClientId: clientId, oidcClientSecretFile: path, oidcGroupsClaim } = options;
  if (!options.loginMethods.includes('oidc')) return undefined;
  const needed = (key: string) => wrongSetting(key, 'is needed, since login.methods has oidc');
  if (issuer === undefined) throw needed('login.oidc.issuer');
  if (clientId === undefined) throw needed('login.oidc.client_id');
  issuerUrl(issuer);
  const secret = path === undefined ? undefined : readSettingFile(path, 'login.oidc.client_secret_file').trim();
  return { issuer, clientId, groupsClaim: oidcGroupsClaim, ...(secret !== undefined && { clientSecret: secret }) };
}
