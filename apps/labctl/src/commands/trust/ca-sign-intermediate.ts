import { readFileSync } from 'node:fs';
import { toPem } from '@labmesh/pki/der/pem';
import { readRootFile, signIntermediate } from '@labmesh/pki/issue/root-file';
import { pinOf } from '@labmesh/pki/pin';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { until } from '../../terminal/span.ts';

/** CA-1: an issuing certificate begins a little before now, for clocks that are behind (`ca.backdate`). */
const backdateMs = 5 * 60_000;
const dayMs = 86_400_000;

/** @throws CommandError (exit 2) */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new CommandError(`${path} cannot be read (${code})`, { exitCode: exitCodes.usage });
  }
}

/** CA-2: the only thing that ever needs the root's private key, done where that key is and nowhere else. */
export const caSignIntermediate = defineFleetCommand({
  name: 'ca sign-intermediate',
  summary:
    "Signs labd's issuing key with the root that is kept in a file, and prints the certificate. Works on a machine " +
    'without a network; the root file never leaves it.',
  usage: 'labctl ca sign-intermediate ROOTFILE CSRFILE [--days N]',
  examples: [
    'labctl ca sign-intermediate root.pem request.pem > intermediate.pem',
    'labctl ca sign-intermediate root.pem request.pem --days 180',
  ],
  options: {
    days: { type: 'integer', flag: 'days', min: 1, max: 1_825, default: 365, help: 'how long it is good for' },
  },
  positionalsMax: 2,
  async run({ values, positionals, note, result, world }) {
    const [rootPath, csrPath] = positionals;
    if (rootPath === undefined || csrPath === undefined) {
      throw new CommandError(`the ${rootPath === undefined ? 'root file' : 'request'} is missing`, {
        hint: 'labctl ca sign-intermediate ROOTFILE CSRFILE',
        exitCode: exitCodes.usage,
      });
    }
    const root = await readRootFile(readText(rootPath)).catch((error: unknown) => {
      if (!(error instanceof RangeError)) throw error;
      throw new CommandError(`${rootPath}: ${error.message}`, { exitCode: exitCodes.usage });
    });
    const now = world.clock.wall();
    const notAfter = Math.min(now + values.days * dayMs, root.certificate.notAfter);
    if (notAfter <= now) throw new CommandError(`the root of ${rootPath} has expired`, { hint: 'labctl ca rotate' });
    const csrPem = readText(csrPath);
    const certificate = await signIntermediate({ root, csrPem, notBefore: now - backdateMs, notAfter });
    const pem = toPem('CERTIFICATE', certificate.der);
    const rootPin = pinOf(root.certificate.der);
    note(`signed for ${root.trustDomain} by root ${rootPin}, ends ${until(new Date(notAfter).toISOString(), now)}`);
    note('labctl ca renew-intermediate FILE gives it to labd');
    const facts = { certificatePem: pem, trustDomain: root.trustDomain, rootPin };
    await result.object({ ...facts, notAfter: new Date(certificate.notAfter).toISOString() }, pem);
  },
});
