import type { Verdict } from '@labmesh/attest/certificate/certificate-report';
import { verifyCertificate } from '@labmesh/attest/certificate/verify-certificate';
import { defineCommand } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { dataOption, jsonOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';
import { readNamed, readRevocationList, readTrust } from '../../verify/attest-files.ts';
import { readResponse } from '../../verify/reproduce/certified-answer.ts';
import { trustOptions } from '../../verify/cert-options.ts';
import { reportText } from '../../verify/report-text.ts';

/** CT8: they tell a verdict, as the codes of `exec` tell the command's. */
const codes: Readonly<Record<Verdict, number>> = {
  valid: 0,
  invalid: 1,
  revocation_unknown: 3,
  expired: 4,
  revoked: 5,
};

/**
 * CT8. Asks nobody: what is trusted comes from files. With a bare key nothing can be said of log and revocation, and the
 * text says so; with a trust file that names a log, a certificate without its proof is refused.
 */
export const certVerify = defineCommand({
  name: 'cert verify',
  summary:
    'Verifies a certificate without asking anybody: signature, log proof, time, revocation, and that its claims bear each ' +
    'other out. Tells what was proven, by which verifier at which isolation level, and what was not. Exit code 0 valid, ' +
    '1 invalid, 2 usage, 3 revocation unknown, 4 expired, 5 revoked.',
  usage:
    'labctl cert verify FILE [--key FILE | --trust FILE [--follow FILE]] [--revocations FILE] [--response FILE] [--offline] [--json]',
  examples: [
    'labctl cert verify answer.labcert --key issuer.pem',
    'labctl cert verify answer.labcert --trust trust.json --revocations revocations.json --response answer.txt',
    'labctl cert verify answer.labcert --trust trust.json --follow trust-now.json --revocations revocations.json',
  ],
  options: {
    ...trustOptions,
    follow: {
      type: 'string',
      flag: 'follow',
      placeholder: 'FILE',
      help: 'a newer trust file of the same issuer: taken where keys of --trust signed its new keys',
    },
    revocations: {
      type: 'string',
      flag: 'revocations',
      placeholder: 'FILE',
      help: "signed revocation list; default the data folder's, where its trust file is used",
    },
    response: {
      type: 'string',
      flag: 'response',
      placeholder: 'FILE',
      help: 'the answer itself: compared with what was certified, byte for byte',
    },
    offline: {
      type: 'boolean',
      flag: 'offline',
      default: false,
      help: 'without a revocation list say valid, and that revocation was not looked at',
    },
    ...dataOption,
    ...jsonOption,
  },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    // All files before the verdict: a missing one is exit 2, never a reason to call a certificate invalid.
    const file = await readNamed(positionals[0], 'the certificate');
    const { trust, isKeyAlone } = await readTrust(values, world.env);
    if (isKeyAlone && values.revocations !== undefined) {
      throw new CommandError('--revocations needs --trust: a key for certificates does not sign them', {
        exitCode: exitCodes.usage,
      });
    }
    const report = await verifyCertificate(file, trust, {
      now: world.clock.wall(),
      revocations: await readRevocationList(values, world.env),
      revocationsUnknown: values.offline || isKeyAlone,
      response: values.response === undefined ? undefined : await readResponse(values.response),
    });
    world.stdout(values.json ? `${JSON.stringify(report)}\n` : reportText(report));
    return codes[report.verdict];
  },
});
