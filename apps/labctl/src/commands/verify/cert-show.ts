import { parseBundle } from '@labmesh/attest/certificate/bundle';
import { parseJson } from '@labmesh/attest/json/parse-json';
import { complianceView } from '@labmesh/attest/views/compliance-view';
import { functionalView } from '@labmesh/attest/views/functional-view';
import { defineCommand } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { jsonOption } from '../../common-options.ts';
import { readNamed, refusedError } from '../../verify/attest-files.ts';

const views = ['statement', 'dsse', 'functional', 'compliance', 'proof'] as const;

/** The part as a value; of `proof` its text, undefined when there is none. @throws AttestRefused */
function partOf(file: Uint8Array, view: string, now: number): unknown {
  const bundle = parseBundle(file);
  if (view === 'functional') return functionalView(bundle.statement, now);
  if (view === 'compliance') return complianceView(bundle.statement);
  if (view === 'dsse') return (parseJson(file) as { dsse: unknown }).dsse;
  if (view === 'proof') return bundle.tlogProof;
  return bundle.statement;
}

/** For looking and for other programs: `--view dsse` is what any DSSE verifier takes, `--view proof` any tlog one. */
export const certShow = defineCommand({
  name: 'cert show',
  summary:
    'Prints a part of a certificate as JSON: the statement, the signed envelope, one of the two classic forms, or the log ' +
    'proof as its text. Nothing is verified by that.',
  usage: 'labctl cert show FILE [--view statement|dsse|functional|compliance|proof] [--json]',
  examples: ['labctl cert show answer.labcert', 'labctl cert show answer.labcert --view functional'],
  options: {
    view: {
      type: 'string',
      flag: 'view',
      choices: views,
      default: 'statement',
      placeholder: 'PART',
      help: 'what to print',
    },
    ...jsonOption,
  },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const file = await readNamed(positionals[0], 'the certificate');
    let part: unknown;
    try {
      part = partOf(file, values.view, world.clock.wall());
    } catch (error) {
      throw refusedError(error, positionals[0] ?? '');
    }
    if (part === undefined) throw new CommandError('the certificate bears no log proof');
    const isText = values.view === 'proof' && !values.json;
    world.stdout(isText ? (part as string) : `${JSON.stringify(part, null, values.json ? 0 : 2)}\n`);
    // On stderr: a program that reads the part is not disturbed, a person does not take what it says for checked.
    world.stderr('nothing was verified; labctl cert verify does that\n');
  },
});
