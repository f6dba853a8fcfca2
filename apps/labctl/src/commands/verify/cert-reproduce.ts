import { suiteDigest } from '@labmesh/arena/suites/parse-suite';
import { defineCommand } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { configOption, dataOption, jsonOption, socketOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';
import { readCertifiedAnswer } from '../../verify/reproduce/certified-answer.ts';
import { compareChecks, type ComparedCheck } from '../../verify/reproduce/compare-checks.ts';
import { reproductionText } from '../../verify/reproduce/reproduction-text.ts';
import { reproduceChecks } from '../../verify/reproduce/reproduce-checks.ts';
import { inputOptions, readBeside } from '../../verify/verify-inputs.ts';

/** As of `labctl verify`: 3 is left for what could not be said. */
function exitOf(checks: readonly ComparedCheck[]): number {
  if (checks.some(({ result }) => result === 'differs')) return 1;
  return checks.every(({ result }) => result === 'same') ? 0 : 3;
}

/** CT8. Asks no model: what verifiers can look at twice is the answer, and that is in a file of the tenant's. */
export const certReproduce = defineCommand({
  name: 'cert reproduce',
  summary:
    'Makes the checks of a certificate again, here, and compares what comes out with what was signed: status and digest of ' +
    'each verifier, hashes of the execution, findings of the audit. Signature and log are not looked at: labctl cert verify ' +
    'does that. Exit code 0 all the same, 1 something differs, 2 usage, 3 something could not be made again: another version ' +
    'or configuration of a verifier, no sandbox, or what the request said beside the answer is missing.',
  usage:
    'labctl cert reproduce FILE --response FILE [--suite FILE] [--tools FILE] [--schema FILE] [--language NAME] [options]',
  examples: [
    'labctl cert reproduce answer.labcert --response answer.md',
    'labctl cert reproduce answer.labcert --response answer.md --suite add.suite.json --json',
  ],
  options: {
    response: { type: 'string', flag: 'response', placeholder: 'FILE', help: 'the answer, byte for byte' },
    ...inputOptions,
    ...socketOption,
    ...configOption,
    ...dataOption,
    ...jsonOption,
  },
  positionalsMax: 1,
  async run({ values, positionals: [path], world }) {
    const { bundle, answer } = await readCertifiedAnswer(path, values.response);
    const { labmesh } = bundle.statement.predicate;
    const { suite, beside } = await readBeside(values);
    if (suite !== undefined && suiteDigest(suite) !== labmesh.suite_sha256) {
      throw new CommandError('--suite: not the suite that was certified', { exitCode: exitCodes.usage });
    }
    const names = labmesh.verifiers.map(({ name }) => name);
    const candidate = { messages: [], answer, ...beside };
    const made = await reproduceChecks(candidate, { names, suite, values, world }, labmesh.suite_sha256);
    const { tools, schema, language } = values;
    const given = { tools: tools !== undefined, schema: schema !== undefined, language: language !== undefined };
    const checks = compareChecks(labmesh, made, given);
    world.stdout(
      values.json ? `${JSON.stringify({ certificateId: labmesh.certificate_id, checks })}\n` : reproductionText(checks),
    );
    return exitOf(checks);
  },
});
