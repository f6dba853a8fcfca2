import { everyVerifier } from '@labmesh/arena/verify/built-in-verifiers';
import { UnknownVerifier } from '@labmesh/arena/verify/unknown-verifier';
import type { Outcome } from '@labmesh/wire/verification/verdict';
import { defineCommand } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { jsonOption } from '../../common-options.ts';
import { exitCodes } from '../../exit-codes.ts';
import { socketOption } from '../../sandbox/with-executor.ts';
import { checkAnswer } from '../../verify/check-answer.ts';
import { readInputs } from '../../verify/verify-inputs.ts';
import { verdictText } from '../../verify/verdict-text.ts';
import { withRunner } from '../../verify/with-runner.ts';

/** V23: they tell an outcome, as the codes of `cert verify` tell a verdict. */
const codes: Readonly<Record<Outcome, number>> = { valid: 0, invalid: 1, inconclusive: 3, unchecked: 4 };

/** @throws CommandError (exit 2) */
function chosen(names: readonly string[]): readonly string[] | undefined {
  if (names.length === 0) return undefined;
  const known = everyVerifier.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return names;
  const { message } = new UnknownVerifier(unknown, known);
  throw new CommandError(`--verifier: ${message}`, { exitCode: exitCodes.usage });
}

/** V23. Generates nothing and asks nobody: the checks run here, code of the answer in a sandbox of its own. */
export const verify = defineCommand({
  name: 'verify',
  summary:
    'Checks an answer of a model without generating one: its text, JSON and tool calls, and its code in a sandbox. FILE ' +
    'is the text, or JSON: a chat completion, messages, or {content, tool_calls}. Exit code 0 valid, 1 invalid, 2 usage, ' +
    '3 inconclusive (something could not be checked), 4 unchecked (nothing to check).',
  usage: 'labctl verify FILE|- [--verifier NAME]… [--suite FILE] [--tools FILE] [--schema FILE] [options]',
  examples: [
    'labctl verify answer.md',
    'labctl verify answer.py --language python --suite sort.suite.json',
    'labctl chat "a user as JSON" | labctl verify - --schema user.schema.json --json',
    'labctl verify completion.json --tools tools.json --verifier tool_validator',
  ],
  options: {
    verifier: {
      type: 'string[]',
      flag: 'verifier',
      placeholder: 'NAME',
      help: `only this one, may be repeated: ${everyVerifier.map(({ name }) => name).join(', ')}`,
    },
    suite: { type: 'string', flag: 'suite', placeholder: 'FILE', help: 'cases that the code must meet (JSON)' },
    tools: { type: 'string', flag: 'tools', placeholder: 'FILE', help: 'tools that the answer may call (JSON list)' },
    schema: { type: 'string', flag: 'schema', placeholder: 'FILE', help: 'JSON Schema that its JSON must meet' },
    language: {
      type: 'string',
      flag: 'language',
      placeholder: 'NAME',
      help: 'what blocks without a tag are, and an answer without blocks',
    },
    ...socketOption,
    ...jsonOption,
  },
  positionalsMax: 1,
  async run({ values, positionals: [path], world }) {
    const names = chosen(values.verifier);
    const { candidate, suite } = await readInputs(path, values, world);
    const using = everyVerifier.filter(({ name }) => names === undefined || names.includes(name));
    const wanted = using.some(({ minLevel }) => minLevel !== null);
    const { aggregate, blocks } = await withRunner({ socket: values.socket, wanted, world }, (runner) =>
      checkAnswer(candidate, { names, suite, runner, world }),
    );
    world.stdout(values.json ? `${JSON.stringify(aggregate)}\n` : verdictText(aggregate, blocks, world.columns));
    return codes[aggregate.outcome];
  },
});
