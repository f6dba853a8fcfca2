import { brackets } from '@labmesh/wire/verification/verification-block';
import { defineCommand } from '../../command.ts';
import { configOption, dataOption, jsonOption, socketOption } from '../../common-options.ts';
import { outcomeExits } from '../../exit-codes.ts';
import { checkAnswer } from '../../verify/check-answer.ts';
import { chosenVerifiers, verifierNames } from '../../verify/chosen-verifiers.ts';
import { fileSettings } from '../../verify/file-settings.ts';
import { inputOptions, readInputs } from '../../verify/verify-inputs.ts';
import { verdictText } from '../../verify/verdict-text.ts';
import { withRunner } from '../../verify/with-runner.ts';

/** V23. Generates nothing and asks nobody: the checks run here, code of the answer in a sandbox of its own. */
export const verify = defineCommand({
  name: 'verify',
  summary:
    'Checks an answer of a model without generating one: its text, JSON and tool calls, and its code in a sandbox. FILE ' +
    'is the text, or JSON: a chat completion, messages, or {content, tool_calls}. [verify] of labmesh.toml holds. Exit code 0 valid, 1 invalid, 2 usage, ' +
    '3 inconclusive (something could not be checked), 4 unchecked (nothing to check).',
  usage:
    'labctl verify FILE|- [--verifier NAME]… [--suite FILE] [--tools FILE] [--schema FILE] [--bracket NAME] [options]',
  examples: [
    'labctl verify answer.md',
    'labctl verify answer.py --language python --suite sort.suite.json',
    'labctl chat "a user as JSON" | labctl verify - --schema user.schema.json --json',
    'labctl verify answer.md --bracket opencoder',
    'labctl verify completion.json --tools tools.json --verifier tool_validator',
  ],
  options: {
    verifier: {
      type: 'string[]',
      flag: 'verifier',
      placeholder: 'NAME',
      help: `only this one, may be repeated: ${verifierNames.join(', ')}`,
    },
    bracket: {
      type: 'string',
      choices: brackets,
      default: 'none',
      flag: 'bracket',
      placeholder: 'NAME',
      help: 'what has to pass beside the rest: opencoder = its code runs and passes the audit',
    },
    ...inputOptions,
    ...socketOption,
    ...configOption,
    ...dataOption,
    ...jsonOption,
  },
  positionalsMax: 1,
  async run({ values, positionals: [path], world }) {
    // Before an executor starts: a file that cannot be read is told at once.
    const settings = await fileSettings(values, world.env);
    const { names, needed, needSandbox } = chosenVerifiers(values.verifier, settings, values.bracket);
    const { candidate, suite } = await readInputs(path, values, world);
    const { aggregate, blocks } = await withRunner({ socket: values.socket, wanted: needSandbox, world }, (runner) =>
      checkAnswer(candidate, { names, needed, suite, settings, runner, world }),
    );
    world.stdout(values.json ? `${JSON.stringify(aggregate)}\n` : verdictText(aggregate, blocks, world.columns));
    return outcomeExits[aggregate.outcome];
  },
});
