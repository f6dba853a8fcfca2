import { readFileSync } from 'node:fs';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { caText } from '../../fleet/ca-text.ts';

const fileCharsMax = 16_384;

/** @throws CommandError (exit 2) */
function readCertificate(path: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length <= fileCharsMax && text.includes('-----BEGIN CERTIFICATE-----')) return text;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new CommandError(`${path} cannot be read (${code})`, { exitCode: exitCodes.usage });
  }
  throw new CommandError(`${path} is not a certificate`, {
    hint: 'labctl ca sign-intermediate ROOTFILE CSRFILE prints one',
    exitCode: exitCodes.usage,
  });
}

/** CA-1, CA-2: the issuing key changes each year; with an offline root this is where its two halves meet. */
export const caRenewIntermediate = defineFleetCommand({
  name: 'ca renew-intermediate',
  summary:
    'Makes a new issuing certificate. With an offline root it prints the request to sign with ca sign-intermediate ' +
    'instead; the certificate that comes of it is given as FILE.',
  usage: 'labctl ca renew-intermediate [FILE]',
  examples: [
    'labctl ca renew-intermediate',
    'labctl ca renew-intermediate > request.pem',
    'labctl ca renew-intermediate intermediate.pem',
  ],
  options: {},
  positionalsMax: 1,
  async run({ positionals, change, labd, note, result }) {
    const [path] = positionals;
    const body = path === undefined ? {} : { certificatePem: readCertificate(path) };
    const what = path === undefined ? 'make a new issuing key' : `install the issuing certificate of ${path}`;
    const made = await change(what, async () => (await labd()).call('renew-intermediate', { body }));
    if (made === undefined) return;
    const { csrPem, status } = made;
    if (csrPem !== null) note('the root is offline: sign this with labctl ca sign-intermediate ROOTFILE CSRFILE');
    else note('the new issuing certificate is in use');
    await result.object(made, csrPem ?? (await caText(status, result.options)));
  },
});
