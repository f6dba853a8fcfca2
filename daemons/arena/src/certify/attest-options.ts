/** `[attest]` of labmesh.toml. */
import { defineOptions, OptionsError } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';
import { issuerKeyOptions, type IssuerKeySettings } from './issuer-keys.ts';
import type { SigningOptions } from './signing-folder.ts';
import type { IssuerSettings } from './statement-of-run.ts';

export const attestOptions = defineOptions({
  logOrigin: { type: 'string', file: 'attest.log_origin', placeholder: 'NAME', help: 'name of the log that is made' },
  verifierId: {
    type: 'string',
    default: 'urn:labmesh:arena',
    file: 'attest.verifier_id',
    placeholder: 'URI',
    help: 'who verified, as certificates say it',
  },
  checkpointMs: {
    type: 'integer',
    default: 1_000,
    min: 1,
    max: 60_000,
    file: 'attest.checkpoint_ms',
    help: 'time between a certificate and the checkpoint of the log that holds it',
  },
  validityHours: {
    type: 'number',
    default: 24,
    min: 0.01,
    max: 876_000,
    file: 'attest.validity_h',
    help: 'how long a certificate is valid, hours',
  },
  ...issuerKeyOptions,
});

export type AttestSettings = {
  /** What certificates say of who issued them. */
  issuer: IssuerSettings;
  log: Pick<SigningOptions, 'logOrigin' | 'checkpointMs'>;
  /** Apart from the others: two of them are secret. */
  keys: IssuerKeySettings;
};

/** @throws OptionsError (exit 3) for what is no URI */
export function readAttestSettings(
  values: OptionValues<typeof attestOptions>,
  sources: Readonly<Record<string, string>>,
): AttestSettings {
  const { logOrigin, verifierId, checkpointMs, validityHours } = values;
  if (!URL.canParse(verifierId)) {
    throw new OptionsError({
      source: sources['verifierId'] ?? 'labmesh.toml',
      key: 'attest.verifier_id',
      found: JSON.stringify(verifierId),
      expected: 'a URI such as https://example.org/arena',
      exitCode: 3,
    });
  }
  return {
    issuer: { verifierId, validityHours },
    log: { logOrigin, checkpointMs },
    keys: values,
  };
}
